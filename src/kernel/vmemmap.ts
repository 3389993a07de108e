/**
 * All page structures of the machine: which frames have one (`mem_section`, include/linux/mmzone.h, SPARSEMEM), and
 * reading them by the chunk, from a memmap that is mapped virtually. What of it the dump does not have is told frame by
 * frame. Not handled: FLATMEM, DISCONTIGMEM and SPARSEMEM without VMEMMAP, which no distribution for x86-64 uses.
 */
import { add, isKernel, pageNumber, type Pfn, pfn, sub, type VirtAddr } from '../base/address.ts';
import { FaultError, LookupError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { vmemmapBase } from './page.ts';

/** SECTION_SIZE_BITS of x86-64, where VMCOREINFO does not tell (until 5.12). */
const SECTION_SIZE_BITS = 27;
/** MAX_PHYSMEM_BITS of x86-64 with 5-level page tables, the most there is. */
const MAX_PHYSMEM_BITS = 52;

/** Bits of `section_mem_map`; the third since 4.13 (commit 2d070eab2e82), the fourth since 5.3 (commit 326e1b8f83a4). */
const MARKED_PRESENT = 1n;
const HAS_MEM_MAP = 2n;
const IS_ONLINE = 4n;

export interface MemorySection {
  readonly first: Pfn;
  /** Frames. */
  readonly count: number;
  /** False for memory that was plugged in and is not in use, and for memory of devices. */
  readonly online: boolean;
}

/** A section with what the kernel keeps of it. */
export interface SectionEntry extends MemorySection {
  /** `struct mem_section *`. */
  readonly address: VirtAddr;
  /** `section_mem_map`: where its page structures would begin if it had frame 0, and flags in the lowest bits. */
  readonly map: bigint;
}

/**
 * The sections of memory (`struct mem_section`) that have page structures, in the order of their frames.
 * @throws FaultError, LookupError, ValidationError when `mem_section` cannot be followed
 */
export function memorySections(program: Program): readonly MemorySection[] {
  return sectionEntries(program).map(({ first, count, online }) => ({ first, count, online }));
}

/** The same, with each `struct mem_section`. @throws FaultError, LookupError, ValidationError */
export function sectionEntries(program: Program): readonly SectionEntry[] {
  const { pageSize } = program;
  const bits = Number(program.vmcoreinfo.number('SECTION_SIZE_BITS') ?? BigInt(SECTION_SIZE_BITS));
  if (bits < 20 || bits > 34) throw new ValidationError('SECTION_SIZE_BITS', 0n, `is ${bits}`);
  const count = 2 ** bits / pageSize;
  const memmap = program.field('struct mem_section', 'section_mem_map');
  const size = program.sizeOf('struct mem_section');
  const perRoot = Math.floor(pageSize / size);
  const most = Math.ceil(2 ** (MAX_PHYSMEM_BITS - bits) / perRoot);
  const table = rootTable(program, most);
  const found: { readonly first: Pfn; readonly address: VirtAddr; readonly flags: bigint }[] = [];
  for (let root = 0; root < table.roots; root++) {
    const section = program.memory.readPointer(add(table.address, 8 * root));
    if (section === 0n) continue;
    if (!isKernel(section))
      throw new ValidationError('mem_section', table.address, `root ${root} is no kernel pointer`);
    for (let i = 0; i < perRoot; i++) {
      const address = add(section, i * size);
      const flags = memmap.u64(address);
      if ((flags & MARKED_PRESENT) === 0n || (flags & HAS_MEM_MAP) === 0n) continue;
      found.push({ first: pfn((root * perRoot + i) * count), address, flags });
    }
  }
  // No section says so where the bit is not known.
  const known = found.some(({ flags }) => (flags & IS_ONLINE) !== 0n);
  return found.map(({ first, address, flags }) => {
    return { first, count, online: !known || (flags & IS_ONLINE) !== 0n, address, map: flags };
  });
}

/** `struct mem_section **mem_section` since 4.15 (commit 83e3c48729d9), an array of pointers before. */
function rootTable(program: Program, most: number): { readonly address: VirtAddr; readonly roots: number } {
  const symbol = program.symbol('mem_section');
  const told = program.vmcoreinfo.length('mem_section');
  // VMCOREINFO says SYMBOL(mem_section) for both; the size of the symbol tells a pointer from an array.
  const isArray = symbol.size > 8 && (told === undefined || symbol.size >= told * 8);
  if (isArray) return { address: symbol.address, roots: Math.min(Math.floor(symbol.size / 8), most) };
  const address = program.memory.readPointer(symbol.address);
  if (!isKernel(address)) throw new LookupError('symbol', 'mem_section as a table');
  // `__highest_present_section_nr` since 4.12 bounds it; sections of one root are one page.
  const highest = program.symbols.kernel.lookup('__highest_present_section_nr');
  const perRoot = Math.floor(program.pageSize / program.sizeOf('struct mem_section'));
  if (highest === undefined) return { address, roots: Math.min(told ?? most, most) };
  const last = Number(program.memory.readU64(highest.address));
  if (!(last >= 0 && last < most * perRoot))
    throw new ValidationError('__highest_present_section_nr', highest.address, `is ${last}`);
  return { address, roots: Math.floor(last / perRoot) + 1 };
}

/** Page structures read at once: 256 KiB of them at 64 bytes each. */
const CHUNK = 4096;

/**
 * Reads page structures in chunks, into one buffer that is used again and again.
 *
 *     const memmap = new Memmap(program);
 *     for (const chunk of memmap.chunks(section)) chunk.words[i * chunk.stride + offset / 4] ...
 */
export class Memmap {
  /** `struct page *` of frame 0. */
  readonly base: VirtAddr;
  /** sizeof(struct page). */
  readonly size: number;
  readonly #program: Program;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #readable: Uint8Array;

  /** @throws LookupError, FaultError when it is not known where the memmap lies */
  constructor(program: Program) {
    this.#program = program;
    this.base = vmemmapBase(program);
    this.size = program.sizeOf('struct page');
    this.#bytes = new Uint8Array(CHUNK * this.size);
    this.#words = new Int32Array(this.#bytes.buffer);
    this.#readable = new Uint8Array(CHUNK);
  }

  /** The frame of a page structure by its low and high half; NaN when it is none. For hot loops. */
  frameAt(low: number, high: number): number {
    const base = this.base;
    const distance = (high - Number(base >> 32n)) * 2 ** 32 + (low - Number(base & 0xffffffffn));
    return distance % this.size === 0 ? distance / this.size : Number.NaN;
  }

  /**
   * The page structures of a section, in order. The chunk's arrays are overwritten by the next one.
   */
  *chunks(section: MemorySection): Generator<MemmapChunk> {
    for (let done = 0; done < section.count; done += CHUNK) {
      const count = Math.min(CHUNK, section.count - done);
      const first = pfn(section.first + done);
      const unreadable = this.#read(first, count);
      yield { first, count, words: this.#words, stride: this.size / 4, readable: this.#readable, unreadable };
    }
  }

  #read(first: Pfn, count: number): number {
    const { pageSize } = this.#program;
    const shift = Math.log2(pageSize);
    const length = count * this.size;
    const start = add(this.base, BigInt(first) * BigInt(this.size));
    const lead = Number(start & BigInt(pageSize - 1));
    this.#readable.fill(1, 0, count);
    let unreadable = 0;
    for (let page = sub(start, lead), at = -lead; at < length; page = add(page, pageSize), at += pageSize) {
      const from = Math.max(at, 0);
      const to = Math.min(at + pageSize, length);
      const view = this.#view(page, shift);
      if (view !== undefined) {
        this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + from - at, to - from), from);
        continue;
      }
      // A structure of which a part is missing is missing.
      const low = Math.floor(from / this.size);
      const high = Math.ceil(to / this.size);
      this.#bytes.fill(0, low * this.size, high * this.size);
      for (let i = low; i < high; i++) {
        if (this.#readable[i] === 1) unreadable++;
        this.#readable[i] = 0;
      }
    }
    return unreadable;
  }

  #view(page: VirtAddr, shift: number): DataView | undefined {
    const { memory } = this.#program;
    try {
      return memory.physical.view(pfn(pageNumber(memory.translate(page), shift)));
    } catch (error) {
      if (error instanceof FaultError) return undefined;
      throw error;
    }
  }
}

export interface MemmapChunk {
  readonly first: Pfn;
  readonly count: number;
  /** Page structures one after the other; zeros for those that cannot be read. */
  readonly words: Int32Array;
  /** Words of one page structure. */
  readonly stride: number;
  /** By position: 0 for a page structure that cannot be read. */
  readonly readable: Uint8Array;
  /** How many cannot. */
  readonly unreadable: number;
}
