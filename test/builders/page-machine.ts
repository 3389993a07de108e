/**
 * A machine of a few thousand page frames whose page structures a test writes: what a page is used for, the slabs, and
 * what the dump says of each page. Layout of 6.1. Physical addresses are small, so that the dump can be written again.
 *
 *   const machine = new PageMachine();
 *   machine.cache('small', { name: 'kmalloc-64', size: 64 });
 *   machine.slab('small', [0x20, 0x21]);
 *   machine.page(0x30, { flags: ['PG_lru'] });
 *   machine.states.set(0x21, 'lost');
 *   const program = machine.open();
 */
import { phys, type PhysAddr, pfn, type Pfn, virt, type VirtAddr } from '../../src/base/address.ts';
import { FaultError } from '../../src/base/errors.ts';
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';
import type { Program } from '../../src/program/program.ts';
import { KernelImage, PAGE_SIZE, ref, union } from './image.ts';
import { programOfImage } from './program.ts';

const FLAGS = ['PG_locked', 'PG_lru', 'PG_slab', 'PG_head', 'PG_reserved', 'PG_swapbacked'] as const;
type Flag = (typeof FLAGS)[number];

const DIRECT = 0xffff888000000000n;
const MEMMAP = 0xffffea0000000000n;
/** The kernel image. */
export const TEXT = 0xffffffff81000000n;
/** Frames that have a page structure. */
const FRAMES = 2048;
/** Where the image and the memmap lie. */
export const IMAGE_FRAME = 0x400;
export const MEMMAP_FRAME = 0x700;

export class PageMachine {
  readonly image = new KernelImage();
  /** What the dump says of a frame, where that is not 'data'. */
  readonly states = new Map<number, PageStatus>();
  maxPfn = FRAMES;
  /** The page tables of the kernel. */
  tables: readonly PhysAddr[] = [];
  #written: ReadonlyMap<number, Uint8Array> | undefined;

  constructor() {
    const { image } = this;
    image.enum('pageflags', FLAGS);
    image.struct('page', {
      flags: 'unsigned long',
      $1: union({ compound_head: 'unsigned long', lru: 'struct list_head' }),
      mapping: 'void *',
      index: 'unsigned long',
      private: 'unsigned long',
      $2: union({ _mapcount: 'int', page_type: 'unsigned int' }),
      _refcount: 'int',
      memcg_data: 'unsigned long',
    });
    image.struct('slab', {
      __page_flags: 'unsigned long',
      slab_list: 'struct list_head',
      slab_cache: 'struct kmem_cache *',
    });
    image.struct('kmem_cache', {
      flags: 'unsigned int',
      size: 'unsigned int',
      object_size: 'unsigned int',
      name: 'const char *',
      list: 'struct list_head',
    });
    image.global('vmemmap_base', 'unsigned long', MEMMAP);
    image.global('slab_caches', 'struct list_head');
    image.list('slab_caches');
    image.place('memmap', `struct page[${FRAMES}]`, [], { at: MEMMAP });
    for (let i = 0; i < FRAMES; i++) image.write(`memmap[${i}]._mapcount`, -1);
    // The pages that this constructor's own objects lie in.
    for (let i = 0; i < FRAMES * 64; i += PAGE_SIZE)
      this.page(MEMMAP_FRAME + i / PAGE_SIZE, { flags: ['PG_reserved'] });
  }

  /** The address of a frame in the direct map. */
  address(frame: number): VirtAddr {
    return virt(DIRECT + BigInt(frame * PAGE_SIZE));
  }

  /** Gives a page content and says what it is used for. */
  page(
    frame: number,
    use: {
      readonly flags?: readonly Flag[];
      readonly mapping?: bigint;
      readonly mapcount?: number;
      /** Of a free block, in its first page. */
      readonly order?: number;
    } = {},
  ): void {
    const flags = (use.flags ?? []).reduce((sum, flag) => sum | (1 << FLAGS.indexOf(flag)), 0);
    this.image.write(`memmap[${frame}]`, {
      flags,
      mapping: use.mapping ?? 0,
      private: use.order ?? 0,
      _mapcount: use.mapcount ?? -1,
    });
    if (frame < IMAGE_FRAME) this.#fill(`page ${frame}`, this.address(frame), frame);
  }

  /** Pages of the kernel image, from the address on, all of one use. */
  imagePages(address: bigint, count: number, flags: readonly Flag[]): void {
    for (let i = 0; i < count; i++) {
      const at = address + BigInt(i * PAGE_SIZE);
      const frame = frameOf(virt(at));
      this.page(frame, { flags });
      this.#fill(`image ${frame}`, at, frame);
    }
  }

  /** Overwrites the content of a page of the direct map. */
  setPage(frame: number, bytes: Uint8Array): void {
    this.image.bytes(`content ${frame}`, bytes, { at: this.address(frame) });
  }

  cache(label: string, cache: { readonly name: string; readonly size: number; readonly flags?: number }): void {
    const { name, size, flags } = cache;
    this.image.place(label, 'struct kmem_cache', { name, size, object_size: size, flags: flags ?? 0 });
    this.#caches.push(`${label}.list`);
    this.image.list('slab_caches', this.#caches);
  }
  readonly #caches: string[] = [];

  /** One slab of a cache, of frames that follow each other. */
  slab(cache: string, frames: readonly number[]): void {
    const [head = 0, ...tails] = frames;
    this.page(head, { flags: tails.length > 0 ? ['PG_slab', 'PG_head'] : ['PG_slab'] });
    this.image.write(`memmap[${head}].mapping`, ref(cache));
    for (const tail of tails) {
      this.page(tail);
      this.image.write(`memmap[${tail}].compound_head`, ref(`memmap[${head}]`, 1));
    }
  }

  /** May be called again: the same dump. */
  open(onPage?: (frame: Pfn) => void, dump: Partial<DumpFile> = {}): Program {
    this.image.finish();
    const pages = (this.#written ??= this.#byFrame());
    const frames = [...pages.keys()].sort((a, b) => a - b);
    const status = (frame: number): PageStatus => this.states.get(frame) ?? (pages.has(frame) ? 'data' : 'absent');
    return programOfImage(this.image, {
      ...(onPage === undefined ? {} : { onPage }),
      arch: { translate, kernelTables: () => this.tables },
      dump: {
        maxPfn: this.maxPfn,
        status,
        readPage(frame, into) {
          const state = status(frame);
          if (state === 'data') into.set(pages.get(frame) ?? into);
          return state;
        },
        nextInFile: (from) => {
          const next = frames.find((frame) => frame >= from && status(frame) === 'data');
          return next === undefined ? undefined : pfn(next);
        },
        ...dump,
      },
    });
  }

  #byFrame(): ReadonlyMap<number, Uint8Array> {
    return new Map([...this.image.pages].map(([page, bytes]) => [frameOf(virt(BigInt(page) << 12n)), bytes]));
  }

  /** Content by which a page is known. */
  #fill(label: string, at: bigint, frame: number): void {
    this.image.bytes(
      label,
      Uint8Array.from({ length: PAGE_SIZE }, (_, i) => (frame * 7 + i) & 0xff),
      { at },
    );
  }
}

function translate(address: VirtAddr): PhysAddr {
  if (address >= TEXT) return phys(address - TEXT + BigInt(IMAGE_FRAME * PAGE_SIZE));
  if (address >= MEMMAP && address < MEMMAP + BigInt(FRAMES * 64)) {
    return phys(address - MEMMAP + BigInt(MEMMAP_FRAME * PAGE_SIZE));
  }
  if (address >= DIRECT && address < DIRECT + 0x40000000n) return phys(address - DIRECT);
  throw new FaultError('virtual', address, 'unmapped');
}

function frameOf(address: VirtAddr): number {
  return Number(translate(address) >> 12n);
}
