/**
 * Where things lie in `struct page` and what its words mean (include/linux/mm_types.h, page-flags.h): flags by name, the
 * types of pages that share a word with `_mapcount`, compound pages. For whoever reads page structures by the thousands;
 * `page.ts` reads one. Not handled: SLOB, and page structures whose flags of interest are not in the low 32 bits.
 */
import { LookupError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type SlabMark, slabMark } from './slab.ts';

/** Types of pages (`enum pagetype` since 6.12, PG_* page type bits since 4.18, values of `_mapcount` before). */
export const PAGE_TYPES = [
  'buddy',
  'offline',
  'table',
  'guard',
  'hugetlb',
  'slab',
  'zsmalloc',
  'unaccepted',
  'large_kmalloc',
  'netpp',
] as const;
export type PageType = (typeof PAGE_TYPES)[number];

/** In the u32 that page types share with `_mapcount`, the bits of `mask` have this value. */
export interface PageTypeMark {
  readonly type: PageType;
  readonly mask: number;
  readonly value: number;
}

/** Byte offsets in `struct page`, or from the first page of a compound page on where that is said. */
export interface PageLayout {
  /** sizeof(struct page). */
  readonly size: number;
  readonly flags: number;
  /** Of the word whose bit 0 marks a tail; undefined until 4.3, where PG_tail does. */
  readonly head: number | undefined;
  /** The word is a mask for the tail's own address and not always a pointer (7.1 and later). */
  readonly headMayBeMask: boolean;
  readonly mapping: number;
  readonly private: number;
  readonly mapcount: number;
  readonly refcount: number;
  /** `struct list_head` of free lists, per-CPU lists and LRU lists. */
  readonly lru: number;
  readonly slab: SlabMark;
  /** `struct kmem_cache *` in a slab's head. */
  readonly slabCache: number;
  /** A u32 in a slab's head: 16 bits with the objects in use, 15 with all objects (SLUB). */
  readonly slabCounters: number | undefined;
  readonly types: readonly PageTypeMark[];
  /** From the head: a u8 with the order of a compound page. */
  readonly order: number | undefined;
  /** From the head: an s32, mappings of the compound page as a whole, less one. */
  readonly entireMapcount: number | undefined;
  /** From the head: how a page of hugetlb is told where no page type does. */
  readonly hugetlb: { readonly offset: number; readonly mask: number; readonly value: number } | undefined;
  /** `pp_magic` of page_pool, undefined until 5.13. */
  readonly pool: number | undefined;
}

/**
 * A mask of flags in the low 32 bits of `struct page.flags`; flags that this kernel does not have count nothing.
 * @param names - of `enum pageflags`: 'PG_lru'
 * @throws nothing
 */
export function flagMask(program: Program, ...names: readonly string[]): number {
  let mask = 0;
  for (const name of names) {
    const bit = Number(program.enumerator(name) ?? -1n);
    if (bit >= 0 && bit < 32) mask |= 1 << bit;
  }
  return mask;
}

/**
 * The layout of this kernel's `struct page`.
 * @throws LookupError for one that is not known
 */
export function pageLayout(program: Program): PageLayout {
  const maybe = (path: string): number | undefined => program.tryField('struct page', path)?.offset;
  const size = program.sizeOf('struct page');
  if (size < 32 || size > 256 || size % 8 !== 0) throw new LookupError('type', `struct page of ${size} bytes`);
  // Since 7.1 compound_info, since 4.4 compound_head; see page.ts.
  const info = maybe('compound_info');
  return {
    size,
    // memdesc_flags_t { unsigned long f; } since 6.18.
    flags: program.firstField('struct page', ['flags.f', 'flags']).offset,
    head: info ?? maybe('compound_head'),
    headMayBeMask: info !== undefined,
    mapping: program.field('struct page', 'mapping').offset,
    private: program.field('struct page', 'private').offset,
    mapcount: program.firstField('struct page', ['_mapcount', 'page_type']).offset,
    // _count until 4.5 (commit 0139aa7b7fa1).
    refcount: program.firstField('struct page', ['_refcount', '_count']).offset,
    lru: program.field('struct page', 'lru').offset,
    slab: slabMark(program),
    // struct slab was split from struct page in 5.17 (commit d122019bf061); `slab` until 3.17.
    slabCache:
      program.types.tryFind('struct slab') === undefined
        ? program.firstField('struct page', ['slab_cache', 'slab']).offset
        : program.field('struct slab', 'slab_cache').offset,
    slabCounters: slabCounters(program),
    types: pageTypes(program),
    order: orderOffset(program, size),
    entireMapcount: entireMapcountOffset(program, size),
    hugetlb: hugetlbMark(program, size),
    // Since 5.14 (commit c07aea3ef4d4).
    pool: maybe('pp_magic'),
  };
}

function slabCounters(program: Program): number | undefined {
  const type = program.types.tryFind('struct slab') === undefined ? 'struct page' : 'struct slab';
  const inuse = program.tryField(type, 'inuse');
  const objects = program.tryField(type, 'objects');
  // `unsigned inuse:16, objects:15, frozen:1` since 3.2 (commit 50d5c41cd151).
  return objects === undefined ? undefined : inuse?.offset;
}

function orderOffset(program: Program, size: number): number | undefined {
  // In the second page until 6.2; struct folio is there since 5.16 with other names for the same.
  const second = program.tryField('struct page', 'compound_order');
  if (second !== undefined) return size + second.offset;
  // Until 3.19 (commit e4b294c2d8f7) the order stands in place of the second page's `lru.prev`.
  if (program.types.tryFind('struct folio') === undefined)
    return size + program.field('struct page', 'lru.prev').offset;
  // 6.3 to 6.5; the low byte of _flags_1 since 6.6 (commit ebc1baf5c9b4).
  return (program.tryField('struct folio', '_folio_order') ?? program.tryField('struct folio', '_flags_1'))?.offset;
}

function entireMapcountOffset(program: Program, size: number): number | undefined {
  const second = program.tryField('struct page', 'compound_mapcount');
  if (second !== undefined) return size + second.offset;
  return program.tryField('struct folio', '_entire_mapcount')?.offset;
}

function hugetlbMark(program: Program, size: number): PageLayout['hugetlb'] {
  // A number of the function that frees it until 6.5; a flag in the second page in 6.6 to 6.8; a page type since.
  const number = program.enumerator('HUGETLB_PAGE_DTOR');
  const dtor = program.tryField('struct page', 'compound_dtor');
  const offset = dtor === undefined ? program.tryField('struct folio', '_folio_dtor')?.offset : size + dtor.offset;
  if (number !== undefined && offset !== undefined) {
    // A u8 inside an aligned u32.
    const shift = (offset % 4) * 8;
    return { offset: offset - (offset % 4), mask: (0xff << shift) >>> 0, value: (Number(number) << shift) >>> 0 };
  }
  // Until 4.3 the function itself, until 3.19 in place of the second page's `lru.next`.
  const free = program.symbols.kernel.lookup('free_huge_page');
  if (number === undefined && free !== undefined && program.tryField('struct page', 'first_page') !== undefined) {
    const old = dtor ?? program.field('struct page', 'lru.next');
    return { offset: size + old.offset, mask: 0xffffffff, value: Number(free.address & 0xffffffffn) };
  }
  const flag = flagMask(program, 'PG_hugetlb') >>> 0;
  const flags = program.tryField('struct folio', '_flags_1');
  return flag === 0 || flags === undefined ? undefined : { offset: flags.offset, mask: flag, value: flag };
}

/** PAGE_TYPE_BASE of the form with bits: all others are set, and a type's own bit is clear. */
const TYPE_BASE = 0xf0000000;

function pageTypes(program: Program): readonly PageTypeMark[] {
  // The upper byte since 6.12 (commit 4ffca5a96678).
  if (program.enumerator('PGTY_buddy') !== undefined) {
    program.layouts.chose('page types', 'in the upper byte of page_type (since 6.12)', ['6.12']);
    return PAGE_TYPES.flatMap((type) => {
      const value = program.enumerator(`PGTY_${type}`);
      return value === undefined ? [] : [{ type, mask: 0xff000000, value: (Number(value) << 24) >>> 0 }];
    });
  }
  const word = (key: string): number | undefined => {
    const value = program.vmcoreinfo.number(key);
    return value === undefined ? undefined : Number(BigInt.asUintN(32, value));
  };
  const isTyped = program.tryField('struct page', 'page_type') !== undefined;
  // ~PG_buddy, or before 4.18 the whole value of _mapcount: -128, and -2 in 2.6.38 to 2.6.39.
  const buddy = word('PAGE_BUDDY_MAPCOUNT_VALUE') ?? (isTyped ? 0xffffff7f : 0xffffff80);
  if (!isTyped) {
    program.layouts.chose('page types', 'values of _mapcount (until 4.17)', []);
    return [
      { type: 'buddy', mask: 0xffffffff, value: buddy },
      // PAGE_BALLOON_MAPCOUNT_VALUE, 3.18 to 4.17.
      { type: 'offline', mask: 0xffffffff, value: 0xffffff00 },
    ];
  }
  program.layouts.chose('page types', 'a bit of page_type for each (4.18 to 6.11)', ['5.10', '6.1']);
  const bit = (type: PageType, flag: number): PageTypeMark => ({
    type,
    mask: (TYPE_BASE | flag) >>> 0,
    value: TYPE_BASE,
  });
  // PG_kmemcg had bit 0x200 until 5.10 (commit f4b00eab5004, with which page.mem_cgroup became memcg_data).
  const shifted = program.tryField('struct page', 'mem_cgroup') !== undefined;
  const marks = [
    bit('buddy', ~buddy & 0xffff),
    bit('offline', 0x100),
    bit('table', shifted ? 0x400 : 0x200),
    bit('guard', shifted ? 0x800 : 0x400),
  ];
  const hugetlb = word('PAGE_HUGETLB_MAPCOUNT_VALUE');
  const slab = word('PAGE_SLAB_MAPCOUNT_VALUE');
  if (hugetlb !== undefined) marks.push(bit('hugetlb', ~hugetlb & 0xffff));
  if (slab !== undefined) marks.push(bit('slab', ~slab & 0xffff));
  return marks;
}
