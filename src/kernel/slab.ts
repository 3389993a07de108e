/**
 * What slab object lies at an address: through the frame's `struct page` to the cache (mm/slab.h, mm/slub.c). Tells
 * what an address is without knowing anything of it. SLUB, and SLAB (until 6.7) where its pages have `s_mem`. Whether an
 * object is allocated or free is not told; caches of equal size are merged, so the name may be that of another cache.
 */
import { add, distance, isKernel, physOfPfn, sub, type VirtAddr } from '../base/address.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';
import { compoundHead, frameOfPage, pageOfAddress } from './page.ts';

const MAX_CACHES = 1 << 16;
const PRINTABLE = /^[\x20-\x7e]+$/;

export interface SlabObject {
  /** `struct kmem_cache *`. */
  readonly cache: VirtAddr;
  readonly cacheName: string;
  /** Bytes that the cache's users asked for. */
  readonly objectSize: number;
  /** Where the object begins. */
  readonly start: VirtAddr;
  /** Bytes from there to the address; at or above objectSize in the padding behind the object. */
  readonly offset: number;
  /** Number of the object in its slab. */
  readonly index: number;
}

/**
 * All slab caches.
 * @returns `struct kmem_cache *` and its name; '' when the name cannot be read
 * @throws FaultError, LookupError, ValidationError when the list is broken
 */
export function slabCaches(program: Program): ReadonlyMap<VirtAddr, string> {
  const name = program.field('struct kmem_cache', 'name');
  const caches = new Map<VirtAddr, string>();
  // `slab_caches`; SLAB called it cache_chain, linked by kmem_cache.next, until 3.6.
  const kernel = program.symbols.kernel;
  const head = kernel.lookup('slab_caches') ?? program.symbol('cache_chain');
  const member = program.tryField('struct kmem_cache', 'list') === undefined ? 'next' : 'list';
  for (const cache of listEntries(program, head.address, 'struct kmem_cache', member, MAX_CACHES)) {
    caches.set(cache, readName(program, name.pointer(cache)));
  }
  return caches;
}

function readName(program: Program, at: VirtAddr): string {
  if (!isKernel(at) || !program.memory.isReadable(at)) return '';
  const name = Buffer.from(program.memory.readCString(at, 256)).toString('latin1');
  return PRINTABLE.test(name) ? name : '';
}

/**
 * The slab object at a kernel address.
 * @param address - `void *` anywhere in the object
 * @param caches - as `slabCaches`, where they are known already
 * @returns undefined when the memory there is no slab object
 * @throws FaultError when the page structure cannot be read, LookupError for a layout that is not known,
 *   ValidationError when the page is a slab page of no known cache
 */
export function slabObjectAt(
  program: Program,
  address: VirtAddr,
  caches: ReadonlyMap<VirtAddr, string> = slabCaches(program),
): SlabObject | undefined {
  if (!isKernel(address)) return undefined;
  const found = slabOfPage(program, pageOfAddress(program, address), caches);
  if (found === undefined) return undefined;
  const { slab: head, type, cache, cacheName } = found;
  const layout = layoutOf(program, cache);
  // Physical distances: the address may be one of a vmalloc mapping. SLAB's objects begin at s_mem, coloured.
  const inObjects = layout.slab
    ? distance(address, program.field(type, 's_mem').pointer(head))
    : distance(program.memory.translate(address), physOfPfn(frameOfPage(program, head), program.pageSize));
  const index = Math.floor(inObjects / layout.size);
  const offset = inObjects - index * layout.size - layout.redLeft;
  if (index < 0 || index >= objectsPerSlab(program, type, head, cache) || offset < 0) return undefined;
  return { cache, cacheName, objectSize: layout.objectSize, start: sub(address, offset), offset, index };
}

export interface SlabOfPage {
  /** `struct slab *`, `struct page *` until 5.16: the head of the pages. */
  readonly slab: VirtAddr;
  /** Which of the two. */
  readonly type: 'struct slab' | 'struct page';
  /** `struct kmem_cache *`. */
  readonly cache: VirtAddr;
  readonly cacheName: string;
}

/**
 * The slab that a page belongs to.
 * @param page - `struct page *`
 * @returns undefined for a page that holds no slab
 * @throws FaultError, LookupError, ValidationError as `slabObjectAt`
 */
export function slabOfPage(
  program: Program,
  page: VirtAddr,
  caches: ReadonlyMap<VirtAddr, string> = slabCaches(program),
): SlabOfPage | undefined {
  const slab = compoundHead(program, page);
  if (!isSlab(program, slab)) return undefined;
  // struct slab was split from struct page in 5.17 (commit d122019bf061).
  const type = program.types.tryFind('struct slab') === undefined ? 'struct page' : 'struct slab';
  const cache = program.field(type, 'slab_cache').pointer(slab);
  const cacheName = caches.get(cache);
  if (cacheName === undefined) throw new ValidationError(type, slab, 'slab_cache is not on the list of caches');
  return { slab, type, cache, cacheName };
}

export interface CacheLayout {
  /** Bytes from one object to the next. */
  readonly size: number;
  readonly objectSize: number;
  /** Bytes before each object with red zones (since 4.6, commit d86bd1bece6f), 0 without. */
  readonly redLeft: number;
  /** True for the SLAB allocator. */
  readonly slab: boolean;
}

/**
 * How objects lie in the slabs of a `struct kmem_cache`.
 * @throws FaultError, LookupError, ValidationError for sizes that cannot be
 */
export function layoutOf(program: Program, cache: VirtAddr): CacheLayout {
  const size = program.field('struct kmem_cache', 'size').number(cache);
  // objsize until 3.5.
  const objectSize = program.firstField('struct kmem_cache', ['object_size', 'objsize']).number(cache);
  const redLeft = program.tryField('struct kmem_cache', 'red_left_pad')?.number(cache) ?? 0;
  if (size < 1 || objectSize < 0 || objectSize > size || redLeft < 0 || redLeft > size)
    throw new ValidationError('struct kmem_cache', cache, `objects of ${objectSize} bytes every ${size} bytes`);
  return { size, objectSize, redLeft, slab: program.tryField('struct kmem_cache', 'gfporder') !== undefined };
}

function objectsPerSlab(program: Program, type: string, head: VirtAddr, cache: VirtAddr): number {
  const objects = program.tryField(type, 'objects') ?? program.tryField('struct page', 'objects');
  if (objects !== undefined) return objects.number(head);
  const num = program.tryField('struct kmem_cache', 'num');
  if (num !== undefined) return num.number(cache);
  return program.field('struct kmem_cache', 'oo.x').number(cache) & 0xffff;
}

/** How a `struct page` says that it holds slab objects: in the u32 at `offset`, the bits of `mask` have this value. */
export interface SlabMark {
  readonly offset: number;
  readonly mask: number;
  readonly value: number;
}

/**
 * How this kernel marks the head of a slab in its `struct page`.
 * @throws LookupError for a layout that is not known
 */
export function slabMark(program: Program): SlabMark {
  const pageType = (): number => program.firstField('struct page', ['page_type', '_mapcount']).offset;
  // A type in the upper byte of page_type, enum pagetype, since 6.12 (commit 4ffca5a96678).
  const type = program.enumerator('PGTY_slab');
  if (type !== undefined) {
    program.layouts.chose('slab pages', 'type in the upper byte of page_type (since 6.12)', ['6.12', '7.2']);
    return { offset: pageType(), mask: 0xff000000, value: (Number(type) << 24) >>> 0 };
  }
  // A page type bit in 6.10 and 6.11 (commit 46df8e73a4a3); VMCOREINFO tells the value of the whole word.
  const word = program.vmcoreinfo.number('PAGE_SLAB_MAPCOUNT_VALUE');
  if (word !== undefined) {
    program.layouts.chose('slab pages', 'page type bit (6.10, 6.11)', []);
    return { offset: pageType(), mask: 0xffffffff, value: Number(BigInt.asUintN(32, word)) };
  }
  const bit = program.enumerator('PG_slab');
  if (bit === undefined || bit < 0n || bit > 31n) throw new LookupError('enumerator', 'PG_slab');
  program.layouts.chose('slab pages', 'flag PG_slab (until 6.9)', ['5.10', '6.1', '6.1-rt']);
  const mask = (1 << Number(bit)) >>> 0;
  return { offset: program.firstField('struct page', ['flags.f', 'flags']).offset, mask, value: mask };
}

/**
 * Whether a page holds slab objects.
 * @param head - `struct page *`, the head of a compound page
 */
function isSlab(program: Program, head: VirtAddr): boolean {
  const { offset, mask, value } = slabMark(program);
  return (program.memory.readU32(add(head, offset)) & mask) >>> 0 === value;
}
