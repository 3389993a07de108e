/**
 * The files that `makedumpfile --split` writes of one dump, as one dump. Each file has the headers and both bitmaps of
 * all of it, and descriptors and data of the page frames of its window. Pages of a file that is not there are `lost`.
 * Does not handle: files of different dumps (UsageError).
 */
import { type Pfn, pfn } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import type { DumpFile, ElfNote, Machine, PageCounts, PageStatus } from './dump-file.ts';
import type { KdumpFile } from './kdump.ts';
import type { FrameWindow } from './kdump-header.ts';

export interface SplitPart {
  /** The file as the user named it, for messages. */
  readonly name: string;
  readonly file: KdumpFile;
  readonly window: FrameWindow;
}

/**
 * @param parts - at least one; the dump closes them
 * @throws UsageError when they are not of one dump or hold the same page frames
 */
export function joinParts(parts: readonly [SplitPart, ...SplitPart[]]): DumpFile {
  const [first] = parts;
  const info = (part: SplitPart): Uint8Array => part.file.vmcoreinfo ?? new Uint8Array(0);
  for (const part of parts) {
    // A file whose notes are damaged has no VMCOREINFO to compare.
    const sameInfo = Buffer.compare(info(part), info(first)) === 0 || info(part).length * info(first).length === 0;
    if (part.file.identity !== first.file.identity || !sameInfo) {
      throw new UsageError(`${part.name}: of another dump than ${first.name}`);
    }
  }
  const filled = parts.filter(({ window }) => window.start < window.end);
  filled.sort((a, b) => a.window.start - b.window.start || b.window.end - a.window.end);
  filled.forEach((part, i) => {
    const before = filled[i - 1];
    if (before !== undefined && part.window.start < before.window.end) {
      throw new UsageError(`${part.name}: holds page frames that ${before.name} holds too; is one of them a copy?`);
    }
  });
  return new SplitDump(parts, filled);
}

class SplitDump implements DumpFile {
  readonly format = 'kdump';
  readonly description: string;
  readonly machine: Machine;
  readonly pageSize: number;
  readonly vmcoreinfo: Uint8Array | undefined;
  readonly notes: readonly ElfNote[];
  readonly physBase: bigint | undefined;
  readonly pageOffset = undefined;
  readonly dumpLevel: number | undefined;
  readonly maxPfn: number;
  readonly fileSize: number;

  readonly #parts: readonly SplitPart[];
  readonly #missing: readonly string[];
  readonly #all: readonly KdumpFile[];
  /** Answers for frames of no window: its bitmaps are those of the whole dump. */
  readonly #any: KdumpFile;
  /** Those with a window that is not empty, by ascending windows. */
  readonly #filled: readonly SplitPart[];
  #last: SplitPart | undefined;
  #counts: PageCounts | undefined;

  constructor(parts: readonly [SplitPart, ...SplitPart[]], filled: readonly SplitPart[]) {
    const any = parts[0].file;
    this.#all = parts.map(({ file }) => file);
    this.#any = any;
    this.#filled = filled;
    this.machine = any.machine;
    this.pageSize = any.pageSize;
    this.physBase = any.physBase;
    this.dumpLevel = any.dumpLevel;
    this.maxPfn = any.maxPfn;
    this.vmcoreinfo = this.#all.find((file) => file.vmcoreinfo !== undefined)?.vmcoreinfo;
    this.notes = this.#all.find((file) => file.notes.length > 0)?.notes ?? [];
    this.fileSize = this.#all.reduce((sum, file) => sum + file.fileSize, 0);
    this.#parts = parts;
    this.#missing = gapsOf(filled, any).map(({ start, end, pages }) => {
      const lost = pages === 1 ? '1 page is lost' : `${pages} pages are lost`;
      return `the file with page frames ${start} to ${end - 1} is missing: ${lost}`;
    });
    const count = `${parts.length} ${parts.length > 1 ? 'files' : 'file'} of a split dump`;
    this.description = `${any.description}, ${count}${this.#missing.length > 0 ? ', not all' : ''}`;
  }

  get problems(): readonly string[] {
    const several = this.#parts.length > 1;
    const own = this.#parts.flatMap(({ name, file }) =>
      file.problems.map((problem) => (several ? `${name}: ${problem}` : problem)),
    );
    return [...this.#missing, ...own];
  }

  get counts(): PageCounts {
    if (this.#counts === undefined) {
      const inFile = this.#all.reduce((sum, file) => sum + file.counts.inFile, 0);
      const total = this.#any.pagesBetween(0, this.maxPfn);
      // The files' bitmaps should be the same; where one is damaged, there may be more pages than the first one says.
      this.#counts = { inFile, excluded: this.#any.counts.excluded, lost: Math.max(0, total - inFile) };
    }
    return this.#counts;
  }

  status(frame: Pfn): PageStatus {
    return this.#fileOf(frame).status(frame);
  }

  readPage(frame: Pfn, into: Uint8Array): PageStatus {
    return this.#fileOf(frame).readPage(frame, into);
  }

  nextInFile(from: Pfn): Pfn | undefined {
    for (const { file, window } of this.#filled) {
      if (window.end <= from) continue;
      const found = file.nextInFile(pfn(Math.max(from, window.start)));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  close(): void {
    for (const file of this.#all) file.close();
  }

  #fileOf(frame: Pfn): KdumpFile {
    const last = this.#last;
    if (last !== undefined && frame >= last.window.start && frame < last.window.end) return last.file;
    const found = this.#filled.find(({ window }) => frame >= window.start && frame < window.end);
    this.#last = found ?? last;
    return found?.file ?? this.#any;
  }
}

/** The frames with pages that are in no window. */
function gapsOf(filled: readonly SplitPart[], any: KdumpFile): { start: number; end: number; pages: number }[] {
  const starts = [...filled.map(({ window }) => window.start), any.maxPfn];
  return starts
    .map((end, i) => ({ start: filled[i - 1]?.window.end ?? 0, end }))
    .map((gap) => ({ ...gap, pages: any.pagesBetween(gap.start, gap.end) }))
    .filter(({ pages }) => pages > 0);
}
