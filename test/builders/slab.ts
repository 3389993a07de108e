/**
 * Slab pages in a KernelImage, in the layouts of several eras: `slab_caches`, a memmap for the pages around the slabs, and
 * slabs whose objects a test places itself.
 *
 *   const slabs = new Slabs(image, '5.10');
 *   slabs.cache('inode_cache', { name: 'inode_cache', size: 608, objects: 26 });
 *   const start = slabs.slab('inode_cache', 4);        // address of its 4 pages; place objects there with `{ at }`
 */
import { add, type VirtAddr, virt } from '../../src/base/address.ts';
import { type KernelImage, PAGE_SIZE, ref, struct, union } from './image.ts';
import type { Members } from './types.ts';

/**
 * `3.10`: page->first_page, PG_tail, PG_slab; `5.10`: compound_head; `6.1`: struct slab; `6.10`: a page type, told by
 * VMCOREINFO; `6.12`: PGTY_slab; `7.1`: compound_info, flags.f.
 */
export type SlabEra = '3.10' | '5.10' | '6.1' | '6.10' | '6.12' | '7.1';
export const SLAB_ERAS: readonly SlabEra[] = ['3.10', '5.10', '6.1', '6.10', '6.12', '7.1'];

const AREA = virt(0xffff888010000000n);
const MEMMAP = virt(0xffffea0000400000n);
const AREA_PAGES = 64;
const STRUCT_PAGE = 64;

const FLAGS = ['PG_locked', 'PG_referenced', 'PG_slab', 'PG_head', 'PG_tail'];

export class Slabs {
  readonly image: KernelImage;
  readonly era: SlabEra;
  /** Memory in which slabs lie; everything in it has a `struct page`. */
  readonly start = AREA;
  #next = 0;
  /** Objects in a slab, by the label of its cache. */
  readonly #objects = new Map<string, number>();

  constructor(image: KernelImage, era: SlabEra) {
    this.image = image;
    this.era = era;
    const since = (first: SlabEra): boolean => SLAB_ERAS.indexOf(era) >= SLAB_ERAS.indexOf(first);
    image.enum('pageflags', since('6.10') ? FLAGS.filter((flag) => flag !== 'PG_slab') : FLAGS);
    if (since('6.12')) image.enum('pagetype', { PGTY_buddy: 0xf0, PGTY_slab: 0xf5 });
    if (era === '6.10') image.vmcoreinfo('NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)', ~0x1000);
    const objects: Members = {
      slab_cache: 'struct kmem_cache *',
      freelist: 'void *',
      inuse: 'unsigned int:16',
      objects: 'unsigned int:15',
      frozen: 'unsigned int:1',
    };
    const head = since('7.1') ? 'compound_info' : since('5.10') ? 'compound_head' : 'first_page';
    image.typedef('memdesc_flags_t', struct({ f: 'unsigned long' }));
    image.struct('page', {
      flags: since('7.1') ? 'memdesc_flags_t' : 'unsigned long',
      $1: union({ [head]: 'unsigned long', lru: 'struct list_head' }),
      ...(since('6.1') ? { $2: struct({ mapping: 'void *', index: 'unsigned long' }), pad: 'unsigned long' } : objects),
      $3: union({ page_type: 'unsigned int', _mapcount: 'atomic_t' }),
      _refcount: 'atomic_t',
      tail: 'unsigned long',
    });
    if (since('6.1'))
      image.struct('slab', { __page_flags: 'unsigned long', slab_list: 'struct list_head', ...objects });
    image.struct('kmem_cache', {
      flags: 'unsigned int',
      size: 'unsigned int',
      object_size: 'unsigned int',
      oo: struct({ x: 'unsigned int' }),
      red_left_pad: 'unsigned int',
      name: 'const char *',
      list: 'struct list_head',
    });
    image.global('slab_caches', 'struct list_head');
    image.list('slab_caches');
    // The frame of AREA is a large number, as virtual and physical addresses are the same here: the sum wraps.
    image.place('memmap', `struct page[${AREA_PAGES}]`, [], { at: MEMMAP });
    const base = BigInt.asUintN(64, MEMMAP - (AREA / BigInt(PAGE_SIZE)) * BigInt(STRUCT_PAGE));
    image.global('vmemmap_base', 'unsigned long', base);
    for (let i = 0; i < AREA_PAGES; i++) image.write(`memmap[${i}].page_type`, 0xffffffff);
  }

  /** A cache: bytes from one object to the next, objects in a slab. */
  cache(
    label: string,
    cache: {
      readonly name: string;
      readonly size: number;
      readonly objects: number;
      readonly objectSize?: number;
      readonly redLeft?: number;
    },
  ): void {
    this.image.place(label, 'struct kmem_cache', {
      name: cache.name,
      size: cache.size,
      object_size: cache.objectSize ?? cache.size,
      'oo.x': cache.objects,
      red_left_pad: cache.redLeft ?? 0,
    });
    this.#objects.set(label, cache.objects);
    const nodes = [...this.#objects.keys()].map((each) => `${each}.list`);
    this.image.list('slab_caches', nodes);
  }

  /** A slab of a cache; its memory can be written by `place(..., { at })`. */
  slab(cache: string, pages: number): VirtAddr {
    const { image, era } = this;
    // Aligned to its size, as the buddy allocator does.
    const first = Math.ceil(this.#next / pages) * pages;
    this.#next = first + pages;
    const head = `memmap[${first}]`;
    const typed = ['6.10', '6.12', '7.1'].includes(era);
    // Bit 2 PG_slab (a page type later), bit 3 PG_head, bit 4 PG_tail.
    const headBit = typed ? 1n << 2n : 1n << 3n;
    const slab = ['3.10', '5.10'].includes(era) ? head : `slab at ${first}`;
    // Over the same bytes as the page, so it comes first.
    if (slab !== head) image.place(slab, 'struct slab', {}, { at: add(MEMMAP, first * STRUCT_PAGE) });
    image.write(head, { flags: (typed ? 0n : 1n << 2n) | (pages > 1 ? headBit : 0n) });
    if (typed) image.write(`${head}.page_type`, era === '6.10' ? ~0x1000 : 0xf5000000);
    image.bytes(`memory ${first}`, new Uint8Array(pages * PAGE_SIZE), { at: add(AREA, first * PAGE_SIZE) });
    for (let i = 1; i < pages; i++) {
      const tail = `memmap[${first + i}]`;
      if (era === '3.10') image.write(tail, { flags: 1n << 4n, first_page: ref(head) });
      // A mask for 64-byte page structures: the tail's own address and the order of the slab give the head.
      else if (era === '7.1') image.write(tail, { compound_info: ~(BigInt(pages * STRUCT_PAGE) - 1n) | 1n });
      else image.write(tail, { compound_head: ref(head, 1) });
    }
    image.write(slab, { slab_cache: ref(cache), objects: this.#objects.get(cache) ?? 0 });
    return add(AREA, first * PAGE_SIZE);
  }
}
