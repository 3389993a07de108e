/**
 * The page structures of a small machine in a KernelImage, in the layouts of several eras, with all that the page ledger
 * asks for: sections of 256 frames, one node with one zone, the map of addresses, counters, slab caches, vmalloc areas.
 *
 *   const memory = new MemmapImage('6.12', { frames: 512 });
 *   memory.page(0x20, { flags: ['PG_reserved'] });
 *   memory.free(0x40, 4);
 *   memory.compound(0x60, 2, { type: 'slab' });
 *   const program = memory.open();
 *
 * All frames that a test does not write are plain pages with one reference, which fit no class.
 */
import { add, type VirtAddr, virt } from '../../src/base/address.ts';
import type { Program } from '../../src/program/program.ts';
import { KernelImage, ref, struct, union, type Value } from './image.ts';
import { programOfImage } from './program.ts';
import type { Members } from './types.ts';

/**
 * `3.10`: PG_tail, free pages told by _mapcount; `5.10`: PG_slab, a bit for each page type; `6.1`: struct slab; `6.12`: types
 * in a byte; `7.1`: compound_info.
 */
export type MemmapEra = '3.10' | '5.10' | '6.1' | '6.12' | '7.1';
export const MEMMAP_ERAS: readonly MemmapEra[] = ['3.10', '5.10', '6.1', '6.12', '7.1'];
/** Eras whose slabs have a flag. */
const FLAGGED: readonly MemmapEra[] = ['3.10', '5.10', '6.1'];

const MEMMAP = virt(0xffffea0000000000n);
const STRUCT_PAGE = 64;
/** SECTION_SIZE_BITS 20. */
export const SECTION_FRAMES = 256;

const FLAGS = [
  'PG_locked',
  'PG_writeback',
  'PG_referenced',
  'PG_dirty',
  'PG_lru',
  'PG_head',
  'PG_active',
  'PG_slab',
  'PG_swapcache',
  'PG_reserved',
  'PG_swapbacked',
  'PG_unevictable',
  'PG_mlocked',
  'PG_hwpoison',
  'PG_tail',
] as const;
export type PageFlag = (typeof FLAGS)[number];

/** `struct page` of 3.10. */
const OLD_PAGE: Members = {
  flags: 'unsigned long',
  mapping: 'void *',
  $1: struct({ index: 'unsigned long', _mapcount: 'atomic_t', _count: 'atomic_t' }),
  lru: 'struct list_head',
  $2: union({ private: 'unsigned long', slab_cache: 'struct kmem_cache *', first_page: 'struct page *' }),
  pad: 'unsigned long',
};

const TYPES = { buddy: 0xf0, offline: 0xf1, table: 0xf2, hugetlb: 0xf4, slab: 0xf5, large_kmalloc: 0xf8 } as const;
/** Bits of page_type from 4.18 to 6.11; PG_table moved when PG_kmemcg went in 5.11. */
const TYPE_BITS = { buddy: 0x80, offline: 0x100, table: 0x200 } as const;

export interface PageSpec {
  readonly flags?: readonly PageFlag[];
  readonly type?: keyof typeof TYPES;
  /** Mappings by programs, 0 by default. */
  readonly mappings?: number;
  /** 1 by default. */
  readonly references?: number;
  /** The word `mapping`: a label, or a label with bits in its low end. */
  readonly mapping?: Value;
  readonly private?: Value;
  /** Label of a slab cache. */
  readonly cache?: string;
}

export class MemmapImage {
  readonly image = new KernelImage();
  readonly era: MemmapEra;
  readonly frames: number;
  readonly #areas: string[] = [];
  readonly #caches: string[] = [];

  /** @param options - frames: all that have a page structure, whole sections; ram: below it, frames that are memory */
  constructor(era: MemmapEra, options: { readonly frames?: number; readonly ram?: number } = {}) {
    this.era = era;
    this.frames = options.frames ?? SECTION_FRAMES;
    const { image } = this;
    const since = (first: MemmapEra): boolean => MEMMAP_ERAS.indexOf(era) >= MEMMAP_ERAS.indexOf(first);
    image.enum('pageflags', since('6.12') ? FLAGS.filter((flag) => flag !== 'PG_slab') : FLAGS);
    if (since('6.12'))
      image.enum('pagetype', Object.fromEntries(Object.entries(TYPES).map(([k, v]) => [`PGTY_${k}`, v])));
    else if (since('5.10')) image.enum('compound_dtor_id', { COMPOUND_PAGE_DTOR: 1, HUGETLB_PAGE_DTOR: 2 });
    if (era === '3.10') image.function('free_huge_page');
    image.enum('migratetype', ['MIGRATE_UNMOVABLE', 'MIGRATE_MOVABLE', 'MIGRATE_RECLAIMABLE', 'MIGRATE_PCPTYPES']);
    image.typedef('memdesc_flags_t', struct({ f: 'unsigned long' }));
    if (era === '3.10') image.struct('page', OLD_PAGE);
    else this.#page(since);
    if (since('6.1')) {
      image.struct('slab', {
        __page_flags: 'unsigned long',
        slab_cache: 'struct kmem_cache *',
        slab_list: 'struct list_head',
      });
    }
    if (since('6.12')) {
      image.struct('folio', {
        page: 'struct page',
        _flags_1: 'unsigned long',
        _head_1: 'unsigned long',
        _large_mapcount: 'atomic_t',
        _entire_mapcount: 'atomic_t',
      });
    }
    this.#sections();
    this.#zone();
    this.#resources(options.ram ?? this.frames);
    this.#fileTypes();
    image.struct('kmem_cache', { flags: 'unsigned int', name: 'const char *', list: 'struct list_head' });
    image.global('slab_caches', 'struct list_head');
    image.list('slab_caches');
    image.struct('vm_struct', {
      addr: 'void *',
      size: 'unsigned long',
      flags: 'unsigned long',
      pages: 'void **',
      nr_pages: 'unsigned int',
      caller: 'void *',
    });
    image.struct('vmap_area', {
      va_start: 'unsigned long',
      va_end: 'unsigned long',
      list: 'struct list_head',
      vm: 'struct vm_struct *',
    });
    image.global('vmap_area_list', 'struct list_head');
    image.list('vmap_area_list');
    image.struct('mm_struct', { pgd: 'void *' });
    for (let frame = 0; frame < this.frames; frame++) this.page(frame, {});
  }

  /** `struct page` since 4.4. */
  #page(since: (first: MemmapEra) => boolean): void {
    const head = since('7.1') ? 'compound_info' : 'compound_head';
    const second = {
      [head]: 'unsigned long',
      compound_dtor: 'unsigned char',
      compound_order: 'unsigned char',
      compound_mapcount: 'atomic_t',
    };
    this.image.struct('page', {
      flags: since('7.1') ? 'memdesc_flags_t' : 'unsigned long',
      $1: union({
        $2: struct({
          lru: 'struct list_head',
          mapping: 'void *',
          index: 'unsigned long',
          private: 'unsigned long',
        }),
        $3: since('6.12') ? struct({ [head]: 'unsigned long' }) : struct(second),
        $4: struct({ slab_list: 'struct list_head', slab_cache: 'struct kmem_cache *' }),
        ...(since('6.1') ? { pp_magic: 'unsigned long' } : {}),
      }),
      $5: union({ _mapcount: 'atomic_t', page_type: 'unsigned int' }),
      _refcount: 'atomic_t',
      memcg_data: 'unsigned long',
    });
  }

  #sections(): void {
    const { image } = this;
    image.vmcoreinfo('NUMBER(SECTION_SIZE_BITS)', 20);
    image.struct('mem_section', { section_mem_map: 'unsigned long', usage: 'void *' });
    const count = this.frames / SECTION_FRAMES;
    // Present, with a memmap, online.
    const sections = Array.from({ length: count }, () => ({ section_mem_map: MEMMAP | 7n }));
    image.place('sections', 'struct mem_section[256]', sections);
    image.place('roots', 'unsigned long[1]', [ref('sections')]);
    image.global('mem_section', 'unsigned long', ref('roots'));
    image.global('__highest_present_section_nr', 'unsigned long', count - 1);
    image.global('vmemmap_base', 'unsigned long', MEMMAP);
    image.place('memmap', `struct page[${this.frames}]`, [], { at: MEMMAP });
  }

  #zone(): void {
    const { image } = this;
    image.struct('free_area', { free_list: 'struct list_head[3]', nr_free: 'unsigned long' });
    image.struct('per_cpu_pages', { count: 'int', high: 'int', lists: 'struct list_head[12]' });
    image.struct('zone', {
      _watermark: 'unsigned long[3]',
      lowmem_reserve: 'long[1]',
      per_cpu_pageset: 'struct per_cpu_pages *',
      zone_start_pfn: 'unsigned long',
      managed_pages: 'atomic_long_t',
      spanned_pages: 'unsigned long',
      present_pages: 'unsigned long',
      name: 'char *',
      free_area: 'struct free_area[11]',
      vm_stat: 'atomic_long_t[1]',
    });
    image.struct('pglist_data', { node_zones: 'struct zone[1]', nr_zones: 'int' });
    image.enum('zone_stat_item', ['NR_FREE_PAGES']);
    image.enum('node_stat_item', ['NR_ANON_MAPPED']);
    image.global('vm_zone_stat', 'atomic_long_t[1]');
    image.global('vm_node_stat', 'atomic_long_t[1]');
    image.cpus(1);
    image.perCpuPointer('pcp', 'struct per_cpu_pages', [{}]);
    for (let i = 0; i < 12; i++) image.list(`pcp@0.lists[${i}]`);
    image.global('contig_page_data', 'struct pglist_data', {
      'node_zones[0].name': 'Normal',
      'node_zones[0].spanned_pages': this.frames,
      'node_zones[0].present_pages': this.frames,
      'node_zones[0].managed_pages': this.frames,
      'node_zones[0].per_cpu_pageset': ref('pcp'),
      nr_zones: 1,
    });
    for (let order = 0; order < 11; order++)
      for (let type = 0; type < 3; type++)
        image.list(`contig_page_data.node_zones[0].free_area[${order}].free_list[${type}]`);
  }

  #resources(ram: number): void {
    const { image } = this;
    image.struct('resource', {
      start: 'u64',
      end: 'u64',
      name: 'const char *',
      parent: 'struct resource *',
      sibling: 'struct resource *',
      child: 'struct resource *',
    });
    image.global('iomem_resource', 'struct resource', { child: ref('ram') });
    image.place('ram', 'struct resource', {
      start: 0,
      end: ram * 4096 - 1,
      name: 'System RAM',
      parent: ref('iomem_resource'),
      child: ref('code'),
    });
    // Frames 1 and 2.
    image.place('code', 'struct resource', { start: 4096, end: 3 * 4096 - 1, name: 'Kernel code', parent: ref('ram') });
  }

  #fileTypes(): void {
    const { image } = this;
    image.struct('file_system_type', { name: 'const char *' });
    image.struct('super_block', { s_type: 'struct file_system_type *' });
    image.struct('inode', { i_sb: 'struct super_block *' });
    image.struct('address_space', { host: 'struct inode *', a_ops: 'void *' });
    image.global('shmem_aops', 'unsigned long[4]');
    image.global('ext4_aops', 'unsigned long[4]');
  }

  /** A file's address space: its label is what pages name as their mapping. */
  file(label: string, type: 'tmpfs' | 'ext4' | 'bdev' | 'hugetlbfs'): void {
    const { image } = this;
    image.place(`${label}-type`, 'struct file_system_type', { name: type });
    image.place(`${label}-sb`, 'struct super_block', { s_type: ref(`${label}-type`) });
    image.place(`${label}-inode`, 'struct inode', { i_sb: ref(`${label}-sb`) });
    const operations = ref(type === 'tmpfs' ? 'shmem_aops' : 'ext4_aops');
    image.place(label, 'struct address_space', { host: ref(`${label}-inode`), a_ops: operations });
  }

  cache(label: string, options: { readonly reclaimable?: boolean } = {}): void {
    this.#caches.push(label);
    // SLAB_RECLAIM_ACCOUNT.
    this.image.place(label, 'struct kmem_cache', { name: label, flags: options.reclaimable === true ? 0x20000 : 0 });
    this.image.list(
      'slab_caches',
      this.#caches.map((each) => `${each}.list`),
    );
  }

  /** A vmalloc area with pages of its own, asked for by a function of this name. */
  area(label: string, frames: readonly number[], caller: string): void {
    const { image } = this;
    const start = 0xffffc90000000000n + BigInt(this.#areas.length * 0x100000);
    image.function(caller);
    image.place(
      `${label}-pages`,
      `unsigned long[${frames.length}]`,
      frames.map((frame) => this.address(frame)),
    );
    image.place(`${label}-vm`, 'struct vm_struct', {
      addr: start,
      size: (frames.length + 1) * 4096,
      flags: 2,
      pages: ref(`${label}-pages`),
      nr_pages: frames.length,
      caller: ref(caller, 8),
    });
    const end = start + BigInt((frames.length + 1) * 4096);
    image.place(label, 'struct vmap_area', { va_start: start, va_end: end, vm: ref(`${label}-vm`) });
    this.#areas.push(label);
    image.list(
      'vmap_area_list',
      this.#areas.map((each) => `${each}.list`),
    );
  }

  /** `struct page *` of a frame. */
  address(frame: number): VirtAddr {
    return add(MEMMAP, frame * STRUCT_PAGE);
  }

  #flags(names: readonly PageFlag[]): bigint {
    const known: readonly PageFlag[] = FLAGGED.includes(this.era) ? FLAGS : FLAGS.filter((flag) => flag !== 'PG_slab');
    return names.reduce((bits, name) => bits | (1n << BigInt(known.indexOf(name))), 0n);
  }

  #word({ type, mappings = 0 }: PageSpec): number {
    if (type === undefined) return mappings - 1;
    if (['6.12', '7.1'].includes(this.era)) return (TYPES[type] << 24) >>> 0;
    if (type === 'slab') return -1;
    if (this.era === '3.10') return type === 'buddy' ? -128 : -1;
    if (!(type in TYPE_BITS)) throw new Error(`${this.era} has no page type ${type}`);
    return ~TYPE_BITS[type as keyof typeof TYPE_BITS] >>> 0;
  }

  /** Writes the page structure of a frame. */
  page(frame: number, spec: PageSpec): void {
    const flags = [...(spec.flags ?? [])];
    const flagged = spec.type === 'slab' && FLAGGED.includes(this.era);
    if (flagged) flags.push('PG_slab');
    const at = `memmap[${frame}]`;
    this.image.write(at, {
      flags: this.#flags(flags),
      'lru.next': 0,
      'lru.prev': 0,
      mapping: spec.mapping ?? 0,
      private: spec.private ?? 0,
      ...(this.era === '3.10'
        ? { _mapcount: this.#word(spec), _count: spec.references ?? 1 }
        : { page_type: this.#word(spec), _refcount: spec.references ?? 1 }),
    });
    // struct slab has it in another place than struct page.
    if (spec.cache !== undefined)
      this.image.write(['3.10', '5.10'].includes(this.era) ? `${at}.slab_cache` : `${at}.lru.next`, ref(spec.cache));
  }

  /** A compound page of 2^order frames. @param tail - of each tail */
  compound(
    frame: number,
    order: number,
    spec: PageSpec,
    options: { readonly tail?: PageSpec; readonly dtor?: number } = {},
  ): void {
    this.page(frame, { ...spec, flags: [...(spec.flags ?? []), 'PG_head'] });
    const member = this.era === '7.1' ? 'compound_info' : 'compound_head';
    const head = this.era === '7.1' ? ~(BigInt(STRUCT_PAGE << order) - 1n) | 1n : this.address(frame) | 1n;
    if (this.era === '3.10') return this.#oldTails(frame, order, options);
    for (let i = 1; i < 2 ** order; i++) {
      this.page(frame + i, { references: 0, ...options.tail });
      this.image.write(`memmap[${frame + i}].${member}`, BigInt.asUintN(64, head));
    }
    const second = `memmap[${frame + 1}]`;
    if (['6.12', '7.1'].includes(this.era)) {
      this.image.write(`${second}.flags`, BigInt(order));
      // _entire_mapcount of struct folio.
      this.image.write(`${second}.lru.prev`, 0xffffffffffffffffn);
    } else {
      this.image.write(second, { compound_order: order, compound_mapcount: -1, compound_dtor: options.dtor ?? 1 });
    }
  }

  /** Tails that a flag marks; the first has the order and the function that frees the page in its `lru`. */
  #oldTails(frame: number, order: number, options: { readonly tail?: PageSpec; readonly dtor?: number }): void {
    for (let i = 1; i < 2 ** order; i++) {
      this.page(frame + i, { references: 0, ...options.tail, flags: [...(options.tail?.flags ?? []), 'PG_tail'] });
      this.image.write(`memmap[${frame + i}].first_page`, this.address(frame));
    }
    const hugetlb = options.dtor === 2;
    this.image.write(`memmap[${frame + 1}].lru`, { next: hugetlb ? ref('free_huge_page') : 0, prev: order });
  }

  /** A free block of the buddy allocator. */
  free(frame: number, order: number): void {
    this.page(frame, { type: 'buddy', private: order, references: 0 });
    for (let i = 1; i < 2 ** order; i++) this.page(frame + i, { references: 0 });
  }

  /** A balloon of the driver whose function moves pages for it, and its pages. */
  balloon(label: string, mover: string, frames: readonly number[]): void {
    const { image } = this;
    image.struct('balloon_dev_info', { pages: 'struct list_head', migratepage: 'void *' });
    image.function(mover);
    image.place(label, 'struct balloon_dev_info', { migratepage: ref(mover) });
    for (const frame of frames) this.page(frame, { type: 'offline', private: ref(label) });
    image.list(
      `${label}.pages`,
      frames.map((frame) => `memmap[${frame}].lru`),
    );
  }

  /** Single free pages on the first CPU's list. */
  freeOnCpu(frames: readonly number[]): void {
    for (const frame of frames) this.page(frame, { references: 0 });
    this.image.write('pcp@0.count', frames.length);
    this.image.list(
      'pcp@0.lists[0]',
      frames.map((frame) => `memmap[${frame}].lru`),
    );
  }

  /** What the counter of free pages says. */
  countFree(pages: number): void {
    this.image.write('vm_zone_stat[0]', pages);
    this.image.write('contig_page_data.node_zones[0].vm_stat[0]', pages);
  }

  open(): Program {
    return programOfImage(this.image, { dump: { maxPfn: this.frames } });
  }
}
