/**
 * A dump that is nothing but ranges of physical memory, with no word on what machine it was: LiME (lime.ts) and raw
 * memory (raw.ts). x86-64 with pages of 4 KiB is assumed; whoever looks for the kernel finds out. Memory of no range is
 * `absent`, what a range should have behind the end of the file is `lost`; so is a page that cannot be read.
 */
import { type Pfn, pfn } from '../base/address.ts';
import { isAllZero } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { DamagedPages } from './damaged-pages.ts';
import type { DumpFile, PageCounts, PageStatus } from './dump-file.ts';
import { RangeTable } from './range-table.ts';

const PAGE_SIZE = 4096;

export interface ImageRanges {
  /** Physical addresses. */
  readonly start: Float64Array;
  /** Bytes. */
  readonly size: Float64Array;
  /** In the file; may reach behind its end. */
  readonly offset: Float64Array;
}

export class MemoryImage implements DumpFile {
  readonly format: 'lime' | 'raw';
  readonly description: string;
  readonly machine = 'x86_64';
  readonly pageSize = PAGE_SIZE;
  readonly vmcoreinfo = undefined;
  readonly notes = [];
  readonly physBase = undefined;
  readonly pageOffset = undefined;
  readonly dumpLevel = undefined;
  readonly maxPfn: number;
  readonly fileSize: number;
  readonly counts: PageCounts;
  readonly #source: ByteSource;
  readonly #data: RangeTable;
  readonly #missing: RangeTable;
  readonly #problems: readonly string[];
  readonly #damaged = new DamagedPages();

  constructor(
    source: ByteSource,
    kind: { readonly format: 'lime' | 'raw'; readonly description: string },
    { start, size, offset }: ImageRanges,
    problems: readonly string[] = [],
  ) {
    this.format = kind.format;
    this.description =
      source.container === undefined ? kind.description : `${kind.description}, ${source.container.name}`;
    this.#source = source;
    this.fileSize = source.container?.fileSize ?? source.size;
    const there = size.map((bytes, i) => Math.min(bytes, Math.max(0, source.size - (offset[i] ?? 0))));
    this.#data = RangeTable.from(start, there, offset);
    this.#missing = RangeTable.from(
      start.map((at, i) => at + (there[i] ?? 0)),
      size.map((bytes, i) => bytes - (there[i] ?? 0)),
      offset,
    );
    this.maxPfn = Math.ceil(Math.max(this.#data.end, this.#missing.end) / PAGE_SIZE);
    const missing = this.#missing.bytesOutside(this.#data);
    const lost = Math.ceil(missing / PAGE_SIZE);
    this.counts = { inFile: Math.floor(this.#data.bytes / PAGE_SIZE), excluded: undefined, lost };
    const share = Math.ceil((100 * missing) / (missing + this.#data.bytes));
    const truncated = lost === 0 ? [] : [`the file is truncated: ${lost} pages (${share} %) lie behind its end`];
    this.#problems = [...(source.container?.problems ?? []), ...problems, ...truncated];
  }

  get problems(): readonly string[] {
    return [...this.#problems, ...this.#damaged.problems];
  }

  status(frame: Pfn): PageStatus {
    const at = frame * PAGE_SIZE;
    if (!(at >= 0)) return 'absent';
    const index = this.#data.find(at);
    if (index >= 0 && this.#data.endAt(index) >= at + PAGE_SIZE) return 'data';
    // The first and the last page of a range may be covered in part: the kernel never uses such a page.
    return this.#missing.find(at + PAGE_SIZE - 1) >= 0 ? 'lost' : 'absent';
  }

  readPage(frame: Pfn, into: Uint8Array): PageStatus {
    const status = this.status(frame);
    if (status !== 'data') return status;
    const at = frame * PAGE_SIZE;
    try {
      this.#source.read(this.#data.offsetIn(this.#data.find(at), at), into);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#damaged.add(frame);
      return 'lost';
    }
    return isAllZero(into) ? 'zero' : 'data';
  }

  nextInFile(from: Pfn): Pfn | undefined {
    let at = Math.max(0, from) * PAGE_SIZE;
    for (let i = this.#data.firstEndingAfter(at); i < this.#data.length; i++) {
      at = Math.max(at, Math.ceil(this.#data.startAt(i) / PAGE_SIZE) * PAGE_SIZE);
      if (at + PAGE_SIZE <= this.#data.endAt(i)) return pfn(at / PAGE_SIZE);
    }
    return undefined;
  }

  close(): void {
    this.#source.close();
  }
}
