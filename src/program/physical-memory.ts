/**
 * Physical memory of the dumped machine, read through the one page cache. Knows page frames and nothing of kernels.
 */
import { pageNumber, pageOffset, pfn, type Pfn, phys, type PhysAddr } from '../base/address.ts';
import { Checkpoint } from '../base/budget.ts';
import { FaultError } from '../base/errors.ts';
import type { DumpFile, PageStatus } from '../dump/dump-file.ts';
import type { PageCache } from '../dump/page-cache.ts';

export class PhysicalMemory {
  readonly cache: PageCache;
  readonly pageSize: number;
  readonly pageShift: number;
  /** Asked by every read of memory, physical or virtual. */
  readonly checkpoint: Checkpoint;
  /** Frames that were asked for and should be in the file, but are damaged or missing there. */
  readonly #lost = new Set<number>();

  constructor(cache: PageCache, checkpoint = new Checkpoint()) {
    this.cache = cache;
    this.checkpoint = checkpoint;
    this.pageSize = cache.pageSize;
    this.pageShift = Math.log2(cache.pageSize);
  }

  /** How many pages that were asked for should be in the file, but are damaged or missing there. */
  get lostPages(): number {
    return this.#lost.size;
  }

  /** The page as `PageCache.view` gives it. @throws FaultError, CancelledError */
  view(frame: Pfn): DataView {
    this.checkpoint.spend(1);
    try {
      return this.cache.view(frame);
    } catch (error) {
      if (error instanceof FaultError && error.reason === 'lost') this.#lost.add(frame);
      throw error;
    }
  }

  /** True when `view` would not throw a FaultError: no error is made for each page that a scan does not find. @throws CancelledError */
  isReadable(frame: Pfn): boolean {
    this.checkpoint.spend(1);
    if (this.cache.tryPage(frame) !== undefined) return true;
    if (this.cache.status(frame) === 'lost') this.#lost.add(frame);
    return false;
  }

  status(address: PhysAddr): PageStatus {
    return this.cache.status(pfn(pageNumber(address, this.pageShift)));
  }

  /** Mostly an entry of a page table, which lies in one page; where a damaged one begins anywhere, across two. @throws FaultError */
  readU64(address: PhysAddr): bigint {
    const offset = pageOffset(address, this.pageSize);
    if (offset <= this.pageSize - 8) return this.#view(address).getBigUint64(offset, true);
    const bytes = this.readBytes(address, 8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  }

  /** Copies bytes, across pages. @throws FaultError with the first address that cannot be read */
  readBytes(address: PhysAddr, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = phys(address + BigInt(done));
      const offset = pageOffset(at, this.pageSize);
      const size = Math.min(length - done, this.pageSize - offset);
      const view = this.#view(at);
      out.set(new Uint8Array(view.buffer, view.byteOffset + offset, size), done);
      done += size;
    }
    return out;
  }

  #frame(address: PhysAddr): number {
    const frame = pageNumber(address, this.pageShift);
    // Hostile page tables can name any 52-bit address.
    if (frame > Number.MAX_SAFE_INTEGER) throw new FaultError('physical', address, 'absent');
    return frame;
  }

  #view(address: PhysAddr): DataView {
    return this.view(pfn(this.#frame(address)));
  }
}

/** The memory of each dump, made once: while the kernel is searched, a dump may be put into another shape. */
export function memoryPerDump(
  cacheOf: (dump: DumpFile) => PageCache,
  checkpoint: Checkpoint,
): (dump: DumpFile) => PhysicalMemory {
  const memories = new Map<DumpFile, PhysicalMemory>();
  return (dump) => {
    const memory = memories.get(dump) ?? new PhysicalMemory(cacheOf(dump), checkpoint);
    memories.set(dump, memory);
    return memory;
  };
}
