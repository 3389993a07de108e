/**
 * The one cache of decompressed pages, in front of any DumpFile. It never holds more than its limit, whatever the dump:
 * memory grows in chunks of 1 MiB up to it, then CLOCK decides which page goes. Zero pages share one slot-less page.
 * "No" is remembered too, as a damaged page costs a failed decompression.
 */
import { type Pfn, physOfPfn } from '../base/address.ts';
import { FaultError } from '../base/errors.ts';
import type { DumpFile, PageStatus } from './dump-file.ts';
import { SlotCache } from './slot-cache.ts';

const CHUNK_BYTES = 2 ** 20;
const DEFAULT_BYTES = 64 * 2 ** 20;
/** Frames remembered as unreadable; forgotten all at once when there are more. */
const MAX_NEGATIVE = 1 << 16;

export interface PageCacheStats {
  readonly hits: number;
  readonly misses: number;
  /** Bytes of page memory allocated; never above the limit. */
  readonly bytes: number;
}

export class PageCache {
  readonly file: DumpFile;
  readonly pageSize: number;
  readonly maxBytes: number;

  readonly #slots: SlotCache;
  /** Per slot. */
  readonly #pages: Uint8Array[] = [];
  readonly #views: (DataView | undefined)[] = [];
  readonly #zero: Uint8Array;
  readonly #zeroView: DataView;
  /** Frames that are all zero or not readable, and why. */
  readonly #special = new Map<number, Exclude<PageStatus, 'data'>>();
  /** NaN for none: equal to no frame, not even to a senseless one. */
  #lastFrame = Number.NaN;
  #lastPage: Uint8Array;
  #lastSlot = -1;
  #hits = 0;
  #misses = 0;
  #bytes = 0;
  readonly #onPage: ((frame: Pfn) => void) | undefined;

  /**
   * @param maxBytes - upper limit of page memory; at least 16 pages are always held
   * @param onPage - called with each frame that is asked for, readable or not, at least once
   */
  constructor(file: DumpFile, maxBytes = DEFAULT_BYTES, onPage?: (frame: Pfn) => void) {
    this.file = file;
    this.#onPage = onPage;
    this.pageSize = file.pageSize;
    const slots = Math.max(16, Math.floor(maxBytes / file.pageSize));
    this.maxBytes = slots * file.pageSize;
    this.#slots = new SlotCache(slots);
    this.#zero = new Uint8Array(file.pageSize);
    this.#zeroView = new DataView(this.#zero.buffer);
    this.#lastPage = this.#zero;
  }

  /**
   * The bytes of a page. They are shared: never write to them, and use them before the next call of any method that
   * takes a frame, which may reuse their memory.
   * @throws FaultError (physical) when the page cannot be read
   */
  page(frame: Pfn): Uint8Array {
    if (frame === this.#lastFrame) {
      this.#hits++;
      return this.#lastPage;
    }
    return this.tryPage(frame) ?? this.#fault(frame);
  }

  /** As `page`, but undefined instead of an error: for scans, which meet many pages that are not there. */
  tryPage(frame: Pfn): Uint8Array | undefined {
    if (frame === this.#lastFrame) {
      this.#hits++;
      return this.#lastPage;
    }
    const found = this.#slots.find(frame);
    if (found >= 0) {
      this.#hits++;
      return this.#remember(frame, found, this.#pages[found] ?? this.#zero);
    }
    const special = this.#special.get(frame);
    if (special === undefined) return this.#load(frame);
    this.#hits++;
    return special === 'zero' ? this.#remember(frame, -1, this.#zero) : undefined;
  }

  /** The same page as a DataView, with `page`'s conditions and errors. */
  view(frame: Pfn): DataView {
    const page = this.page(frame);
    if (this.#lastSlot < 0) return this.#zeroView;
    return (this.#views[this.#lastSlot] ??= new DataView(page.buffer, page.byteOffset, page.byteLength));
  }

  /** What is known of the page without reading it; after it was read, what reading it showed. */
  status(frame: Pfn): PageStatus {
    return this.#special.get(frame) ?? this.file.status(frame);
  }

  /** Rises whenever page memory is given to another page: until then, pages and views that were handed out stay good. */
  get evictions(): number {
    return this.#slots.evictions;
  }

  get stats(): PageCacheStats {
    return { hits: this.#hits, misses: this.#misses, bytes: this.#bytes };
  }

  #remember(frame: Pfn, slot: number, page: Uint8Array): Uint8Array {
    this.#onPage?.(frame);
    // Whatever happens in between, the last frame is not another one's page.
    this.#lastFrame = Number.NaN;
    this.#lastSlot = slot;
    this.#lastPage = page;
    this.#lastFrame = frame;
    return page;
  }

  #fault(frame: Pfn): never {
    const reason = this.#special.get(frame);
    throw new FaultError(
      'physical',
      physOfPfn(frame, this.pageSize),
      reason === 'zero' || reason === undefined ? 'lost' : reason,
    );
  }

  #load(frame: Pfn): Uint8Array | undefined {
    this.#misses++;
    const slot = this.#slots.take();
    const page = this.#pages[slot] ?? this.#grow(slot);
    if (slot === this.#lastSlot) this.#lastFrame = Number.NaN;
    const status = this.#read(frame, page, slot);
    if (status === 'data') {
      this.#slots.keep(frame, slot);
      return this.#remember(frame, slot, page);
    }
    this.#slots.giveBack(slot);
    if (this.#special.size >= MAX_NEGATIVE) this.#special.clear();
    this.#special.set(frame, status);
    if (status === 'zero') return this.#remember(frame, -1, this.#zero);
    this.#onPage?.(frame);
    return undefined;
  }

  /** Whoever is stopped while reading must not find the half-read page later. */
  #read(frame: Pfn, page: Uint8Array, slot: number): PageStatus {
    try {
      return this.file.readPage(frame, page);
    } catch (error) {
      this.#slots.giveBack(slot);
      throw error;
    }
  }

  /** Allocates the chunk that begins with `slot`: slots are first used in order. */
  #grow(slot: number): Uint8Array {
    const count = Math.max(1, Math.min(Math.floor(CHUNK_BYTES / this.pageSize), this.#slots.capacity - slot));
    const chunk = new Uint8Array(count * this.pageSize);
    this.#bytes += chunk.length;
    for (let i = 0; i < count; i++) {
      this.#pages[slot + i] = chunk.subarray(i * this.pageSize, (i + 1) * this.pageSize);
    }
    return this.#pages[slot] ?? chunk;
  }
}
