/**
 * A virtual address space: typed reads of little-endian memory through a translation. The hot path works on page
 * numbers (exact as numbers: 2^52 of them) and keeps the last few pages; a small map remembers translations.
 */
import { add, pageOffset, phys, physOfPfn, pfn, pageNumber, type PhysAddr, type VirtAddr } from '../base/address.ts';
import type { Checkpoint } from '../base/budget.ts';
import { FaultError } from '../base/errors.ts';
import type { MemoryReader } from '../base/memory.ts';
import type { PhysicalMemory } from './physical-memory.ts';

/** Virtual to physical address. @throws FaultError with reason `unmapped`, or why a page table cannot be read */
export type Translate = (address: VirtAddr) => PhysAddr;

const MAX_TRANSLATIONS = 1 << 18;
/** The kernel's BTF may take so much, which is the most that is ever read at once. */
const MAX_READ = 1 << 28;
/** From here on each page is looked at before anything is allocated; it is in the cache then. */
const LARGE_READ = 1 << 20;

/** A structure, what it points to, and the next one: reads go to and fro between a few pages. A power of two. */
const LAST_PAGES = 8;

export class VirtualMemory implements MemoryReader {
  readonly physical: PhysicalMemory;
  readonly #translate: Translate;
  readonly #checkpoint: Checkpoint;
  readonly #pageShift: number;
  readonly #shift: bigint;
  readonly #pageSize: number;
  /** Page number -> page frame number, or -1 when it is known not to be mapped. */
  readonly #translations = new Map<number, number>();
  /** By the lowest bits of a page number: the page that was read last, and its view. */
  readonly #lastPages = new Float64Array(LAST_PAGES).fill(-1);
  readonly #lastViews: (DataView | undefined)[] = Array.from({ length: LAST_PAGES });
  #lastEvictions = 0;

  constructor(physical: PhysicalMemory, translate: Translate) {
    this.physical = physical;
    this.#checkpoint = physical.checkpoint;
    this.#translate = translate;
    this.#pageShift = physical.pageShift;
    this.#shift = BigInt(physical.pageShift);
    this.#pageSize = physical.pageSize;
  }

  /** Forgets cached translations: after the translation learnt more (bootstrap). */
  flush(): void {
    this.#translations.clear();
    this.#lastPages.fill(-1);
  }

  translate(address: VirtAddr): PhysAddr {
    const frame = this.#frame(Number(address >> this.#shift), address);
    return phys(physOfPfn(pfn(frame), this.#pageSize) + BigInt(pageOffset(address, this.#pageSize)));
  }

  /** True when the byte at `address` can be read. */
  isReadable(address: VirtAddr): boolean {
    this.#checkpoint.spend(1);
    const page = Number(address >> this.#shift);
    if (this.#lastPages[page % LAST_PAGES] === page && this.#lastEvictions === this.physical.cache.evictions)
      return true;
    try {
      const frame = this.#mapped(page, address);
      return frame >= 0 && this.physical.isReadable(pfn(frame));
    } catch (error) {
      if (error instanceof FaultError) return false;
      throw error;
    }
  }

  #frame(page: number, address: VirtAddr): number {
    const frame = this.#mapped(page, address);
    if (frame < 0) throw new FaultError('virtual', address, 'unmapped');
    return frame;
  }

  /** Its frame, or -1 when it is not mapped. @throws FaultError when a page table cannot be read */
  #mapped(page: number, address: VirtAddr): number {
    let frame = this.#translations.get(page);
    if (frame === undefined) {
      frame = this.#walk(address);
      if (this.#translations.size >= MAX_TRANSLATIONS) this.#translations.clear();
      this.#translations.set(page, frame);
    }
    return frame;
  }

  #walk(address: VirtAddr): number {
    try {
      return pageNumber(this.#translate(address), this.#pageShift);
    } catch (error) {
      if (error instanceof FaultError && error.reason === 'unmapped') return -1;
      if (error instanceof FaultError) throw new FaultError('virtual', address, error.reason, { cause: error });
      throw error;
    }
  }

  /** Every read goes through here, so no loop that reads memory escapes the budget. @throws FaultError, CancelledError */
  #viewOf(address: VirtAddr): DataView {
    this.#checkpoint.spend(1);
    const page = Number(address >> this.#shift);
    const cache = this.physical.cache;
    const at = page % LAST_PAGES;
    // Views stay good until the cache gives the slot of one to another page.
    if (this.#lastEvictions !== cache.evictions) {
      this.#lastPages.fill(-1);
      this.#lastEvictions = cache.evictions;
    } else if (this.#lastPages[at] === page) {
      const view = this.#lastViews[at];
      if (view !== undefined) return view;
    }
    const frame = this.#frame(page, address);
    // Work may be ended anywhere and memory asked again: no page may be taken for another one.
    this.#lastPages[at] = -1;
    let view: DataView;
    try {
      view = this.physical.view(pfn(frame));
    } catch (error) {
      if (error instanceof FaultError) throw new FaultError('virtual', address, error.reason, { cause: error });
      throw error;
    }
    if (this.#lastEvictions !== cache.evictions) {
      this.#lastPages.fill(-1);
      this.#lastEvictions = cache.evictions;
    }
    this.#lastViews[at] = view;
    this.#lastPages[at] = page;
    return view;
  }

  /** The view of the page and the offset in it when `size` bytes lie in one page, else a small copy of them. */
  #small(address: VirtAddr, size: number): DataView {
    const bytes = this.readBytes(address, size);
    return new DataView(bytes.buffer, bytes.byteOffset, size);
  }

  /** @throws FaultError */
  readU8(address: VirtAddr): number {
    return this.#viewOf(address).getUint8(pageOffset(address, this.#pageSize));
  }

  /** @throws FaultError */
  readU16(address: VirtAddr): number {
    const offset = pageOffset(address, this.#pageSize);
    if (offset > this.#pageSize - 2) return this.#small(address, 2).getUint16(0, true);
    return this.#viewOf(address).getUint16(offset, true);
  }

  /** @throws FaultError */
  readU32(address: VirtAddr): number {
    const offset = pageOffset(address, this.#pageSize);
    if (offset > this.#pageSize - 4) return this.#small(address, 4).getUint32(0, true);
    return this.#viewOf(address).getUint32(offset, true);
  }

  /** @throws FaultError */
  readS32(address: VirtAddr): number {
    return this.readU32(address) | 0;
  }

  /** @throws FaultError */
  readU64(address: VirtAddr): bigint {
    const offset = pageOffset(address, this.#pageSize);
    if (offset > this.#pageSize - 8) return this.#small(address, 8).getBigUint64(0, true);
    return this.#viewOf(address).getBigUint64(offset, true);
  }

  /** @throws FaultError */
  readS64(address: VirtAddr): bigint {
    return BigInt.asIntN(64, this.readU64(address));
  }

  /** A pointer. @throws FaultError */
  readPointer(address: VirtAddr): VirtAddr {
    return this.readU64(address) as VirtAddr;
  }

  /** A copy of `length` bytes, across pages. @throws FaultError */
  readBytes(address: VirtAddr, length: number): Uint8Array {
    if (!(length >= 0 && length <= MAX_READ)) throw new FaultError('virtual', address, 'unmapped');
    // Nothing large is allocated for a length that the dump has made up: its memory must be there first, all of it.
    if (length > this.#pageSize) {
      this.#viewOf(add(address, length - 1));
      const step = length > LARGE_READ ? this.#pageSize : length;
      for (let done = 0; done < length; done += step) this.#viewOf(add(address, done));
    }
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = done === 0 ? address : add(address, done);
      const offset = pageOffset(at, this.#pageSize);
      const size = Math.min(length - done, this.#pageSize - offset);
      const view = this.#viewOf(at);
      out.set(new Uint8Array(view.buffer, view.byteOffset + offset, size), done);
      done += size;
    }
    return out;
  }

  /**
   * Bytes up to the first NUL, at most `max`; ends early, without an error, at a page that cannot be read once at
   * least one byte was read.
   * @throws FaultError when the first byte cannot be read
   */
  readCString(address: VirtAddr, max: number): Uint8Array {
    const out: number[] = [];
    for (let done = 0; done < max; ) {
      const at = add(address, done);
      const offset = pageOffset(at, this.#pageSize);
      const size = Math.min(max - done, this.#pageSize - offset);
      let view: DataView;
      try {
        view = this.#viewOf(at);
      } catch (error) {
        if (error instanceof FaultError && done > 0) break;
        throw error;
      }
      for (let i = 0; i < size; i++) {
        const byte = view.getUint8(offset + i);
        if (byte === 0) return Uint8Array.from(out);
        out.push(byte);
      }
      done += size;
    }
    return Uint8Array.from(out);
  }
}
