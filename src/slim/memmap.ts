/**
 * What page frames are used for, read from many `struct page` at once (include/linux/mm_types.h, page-flags.h): slab
 * memory, memory of programs and of the page cache, which a slim file must never hold, or other memory of the kernel.
 */
import { type Pfn, pfn, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { compoundHead, frameOfPage, pageOfFrame } from '../kernel/page.ts';
import { type SlabMark, slabMark } from '../kernel/slab.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';

/**
 * `user`: anonymous memory, page cache, or mapped into a program; `free`: whatever was in it last; `reserved`: set aside
 * at boot; `unknown`: its page structure cannot be read.
 */
export type FrameUse = 'slab' | 'user' | 'free' | 'reserved' | 'kernel' | 'unknown';

/** Page structures read at once. */
const GROUP = 64;
/** Pages of a slab: the buddy allocator's largest blocks have fewer. */
const MAX_SLAB = 1 << 11;

/** Pages of a block of free memory: 2^10 on x86-64, up to 2^13 on arm64. */
const MAX_BLOCK = 1 << 13;

/** Flags of pages that programs or the page cache use; the first always, the others as far as this kernel has them. */
const USER_FLAGS = ['PG_lru', 'PG_swapbacked', 'PG_unevictable', 'PG_swapcache', 'PG_isolated'];

export class Memmap {
  readonly #program: Program;
  readonly #size: number;
  readonly #flags: number;
  readonly #head: Field | undefined;
  readonly #mapping: number | undefined;
  readonly #mapcount: number;
  /** Offset of `private`, in which the first page of a free block has the block's order. */
  readonly #order: number | undefined;
  /** What stands there in place of the mapcount. */
  readonly #buddy: number | undefined;
  readonly #reserved: number;
  readonly #userFlags: number;
  /** Offset of the slab's cache. */
  readonly #cache: number;
  readonly #slab: SlabMark;
  /** The page structures read last: `#count` of them, from that of frame `#first` on. */
  #data: DataView = new DataView(new ArrayBuffer(0));
  #first = 0;
  #count = 0;

  /** @throws LookupError for a layout that is not known */
  constructor(program: Program) {
    this.#program = program;
    this.#size = program.sizeOf('struct page');
    // memdesc_flags_t { unsigned long f; } since 6.18.
    this.#flags = program.firstField('struct page', ['flags.f', 'flags']).offset;
    // Since 7.1 and since 4.4; see kernel/page.ts.
    this.#head = program.tryField('struct page', 'compound_info') ?? program.tryField('struct page', 'compound_head');
    this.#mapping = program.tryField('struct page', 'mapping')?.offset;
    this.#mapcount = program.firstField('struct page', ['_mapcount', 'page_type']).offset;
    // Where these are not known, free memory is not told from the kernel's.
    this.#order = program.tryField('struct page', 'private')?.offset;
    const buddy = program.vmcoreinfo.number('PAGE_BUDDY_MAPCOUNT_VALUE');
    this.#buddy = buddy === undefined ? undefined : Number(BigInt.asIntN(32, buddy));
    this.#reserved = this.#mask(['PG_reserved']);
    this.#userFlags = this.#mask(USER_FLAGS);
    // struct slab was split from struct page in 5.17 (commit d122019bf061).
    const slab = program.types.tryFind('struct slab') === undefined ? 'struct page' : 'struct slab';
    this.#cache = program.field(slab, 'slab_cache').offset;
    this.#slab = slabMark(program);
  }

  #mask(names: readonly string[]): number {
    let mask = 0;
    for (const name of names) {
      const bit = Number(this.#program.enumerator(name) ?? -1n);
      // All flags that are looked at are among the low 32.
      if (bit >= 0 && bit < 32) mask |= 1 << bit;
    }
    return mask;
  }

  use(frame: Pfn): FrameUse {
    // Read before the head, which may be far away.
    const own = this.#locate(frame);
    if (own < 0) return 'unknown';
    const mapcount = this.#data.getInt32(own + this.#mapcount, true);
    const head = this.headOf(frame);
    const at = head === undefined ? -1 : this.#locate(head);
    if (at < 0) return 'unknown';
    const { offset, mask, value } = this.#slab;
    if ((this.#data.getUint32(at + offset, true) & mask) >>> 0 === value) return 'slab';
    const flags = this.#data.getUint32(at + this.#flags, true);
    if ((flags & this.#reserved) !== 0) return 'reserved';
    if ((flags & this.#userFlags) !== 0) return 'user';
    const mapping = this.#mapping;
    if (mapping !== undefined && this.#data.getBigUint64(at + mapping, true) !== 0n) return 'user';
    // -1 without mappings; types of pages, which share the word, are negative too.
    if (mapcount >= 0) return 'user';
    return this.#isFree(frame) ? 'free' : 'kernel';
  }

  /** In a block of the buddy allocator, of which the first page alone is marked. */
  #isFree(frame: Pfn): boolean {
    const mark = this.#buddy;
    const order = this.#order;
    if (mark === undefined || order === undefined) return false;
    for (let size = 1; size <= MAX_BLOCK; size *= 2) {
      const at = this.#locate(pfn(frame - (frame % size)));
      if (at < 0 || this.#data.getInt32(at + this.#mapcount, true) !== mark) continue;
      return 2 ** Number(this.#data.getBigUint64(at + order, true)) >= size;
    }
    return false;
  }

  /** The first frame of the compound page that a frame belongs to; itself when it is in none, undefined when unknown. */
  headOf(frame: Pfn): Pfn | undefined {
    const at = this.#locate(frame);
    if (at < 0) return undefined;
    // Bit 0 marks a tail.
    if (this.#head !== undefined && (this.#data.getUint32(at + this.#head.offset, true) & 1) === 0) return frame;
    return attempt(() => frameOfPage(this.#program, compoundHead(this.#program, pageOfFrame(this.#program, frame))));
  }

  /** `struct kmem_cache *` of the slab that a frame is part of; undefined when it is part of none. */
  slabCache(frame: Pfn): VirtAddr | undefined {
    if (this.use(frame) !== 'slab') return undefined;
    const head = this.headOf(frame);
    const at = head === undefined ? -1 : this.#locate(head);
    return at < 0 ? undefined : virt(this.#data.getBigUint64(at + this.#cache, true));
  }

  /** The frames of the slab that begins with `head`. */
  *slabFrames(head: Pfn): Generator<Pfn> {
    for (let i = 0; i < MAX_SLAB && this.headOf(pfn(head + i)) === head; i++) yield pfn(head + i);
  }

  /** Where in `#data` the page structure of a frame begins; -1 when it cannot be read. */
  #locate(frame: Pfn): number {
    if (!(frame >= this.#first && frame < this.#first + this.#count)) {
      const group = pfn(frame - (frame % GROUP));
      // Beside a page of the memmap that is missing, one structure may still be whole.
      if (!this.#read(group, GROUP) && !this.#read(frame, 1)) return -1;
    }
    return (frame - this.#first) * this.#size;
  }

  #read(first: Pfn, count: number): boolean {
    const start = pageOfFrame(this.#program, first);
    const bytes = attempt(() => this.#program.memory.readBytes(start, count * this.#size));
    if (bytes === undefined) return false;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#first = first;
    this.#count = count;
    return true;
  }
}
