/**
 * What words of a page structure mean to the page walk: masks of flags, page types as classes, owners of movable pages
 * (include/linux/page-flags.h, balloon_compaction.h, zsmalloc.c).
 */
import type { VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { codeOf, type PageClassId } from './page-class.ts';
import { flagMask, type PageLayout, type PageType } from './page-flags.ts';

/** Masks of the bits of `enum pageflags` that the walk asks for. @throws nothing */
export function flagsOf(program: Program) {
  const one = (name: string): number => flagMask(program, name);
  // PG_swapcache is a name of PG_owner_priv_1 since 4.10 (commit 6326fec1122c), which means this for swap-backed pages only.
  const swapCache = one('PG_swapcache');
  const bits = Number(program.enumerator('__NR_PAGEFLAGS') ?? 22n);
  return {
    head: one('PG_head'),
    tail: one('PG_tail'),
    lru: one('PG_lru'),
    active: one('PG_active'),
    unevictable: one('PG_unevictable'),
    swapBacked: one('PG_swapbacked'),
    swapCache: swapCache === 0 ? -1 : swapCache | one('PG_swapbacked'),
    dirty: one('PG_dirty'),
    writeback: one('PG_writeback'),
    mlocked: one('PG_mlocked'),
    reserved: one('PG_reserved'),
    poisoned: one('PG_hwpoison'),
    named: bits > 0 && bits < 31 ? (1 << bits) - 1 : 0x3fffff,
  };
}

/**
 * Whose movable pages are: `struct movable_operations *` since 6.0 (commit 68f2736a8583), an address space with operations
 * of its own before.
 * @throws LookupError
 */
export function moverClass(program: Program, owner: VirtAddr): PageClassId {
  const nameOf = (at: VirtAddr): string => program.symbols.at(at)?.name ?? '';
  const direct = nameOf(owner);
  const operations = attempt(() => program.field('struct address_space', 'a_ops').pointer(owner));
  const name = direct === '' && operations !== undefined ? nameOf(operations) : direct;
  if (name.startsWith('zsmalloc')) return 'zsmalloc';
  return name.startsWith('balloon') ? 'balloon' : 'movable';
}

const CLASS_OF_TYPE: { readonly [type in PageType]: PageClassId } = {
  buddy: 'free',
  offline: 'offline',
  table: 'table',
  guard: 'guard',
  hugetlb: 'hugetlb',
  slab: 'slab',
  zsmalloc: 'zsmalloc',
  unaccepted: 'unaccepted',
  large_kmalloc: 'large-kmalloc',
  netpp: 'page-pool',
};

export type PageFlagMasks = ReturnType<typeof flagsOf>;

/** The class that a page type of `struct page` stands for, 0 for a type that is not known. */
export function typeReader({ types }: PageLayout): (word: number) => number {
  const masks = types.map(({ mask }) => mask);
  const values = types.map(({ value }) => value);
  const classes = types.map(({ type }) => codeOf(CLASS_OF_TYPE[type]));
  return (word) => {
    for (let i = 0; i < masks.length; i++) if ((word & (masks[i] ?? 0)) >>> 0 === values[i]) return classes[i] ?? 0;
    return 0;
  };
}
