/**
 * kdump-compressed files ("diskdump"), as makedumpfile and QEMU write them: bitmaps, one page descriptor per page in
 * page frame order, compressed pages. Layout: makedumpfile's diskdump_mod.h and IMPLEMENTATION. Neither bitmaps nor
 * descriptors are held in memory, so a terabyte costs what a gigabyte costs, but for 256 KB of index.
 *
 * `absent` is a frame not in bitmap 1, `excluded` one in bitmap 1 and not in bitmap 2. A descriptor of a page in bitmap
 * 2 that is zero (the writer ran out of space), points behind the end of the file or has impossible sizes is `lost`:
 * a page of zeros has data like any other (makedumpfile stores it once).
 * One file of a split dump is read like any other, but that pages outside its window are `lost`; kdump-split.ts joins
 * them. Does not handle: 32-bit and big-endian machines.
 */
import { type Pfn, pfn } from '../base/address.ts';
import { isAllZero } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';
import { Bitmap, RankedBitmap } from './bitmap.ts';
import type { ByteSource, Container } from './byte-source.ts';
import { type Codec, CodecError } from './codec.ts';
import { codecName, makeCodec } from './codecs/index.ts';
import { DamagedPages } from './damaged-pages.ts';
import { erasedProblems, eraseNote, MAX_ERASEINFO } from './erased.ts';
import type { DumpFile, ElfNote, Machine, PageCounts, PageStatus } from './dump-file.ts';
import {
  type ByteRange,
  DESCRIPTOR_SIZE,
  type FrameWindow,
  type KdumpHeader,
  readKdumpHeader,
  STATUS_EXCLUDED_VMEMMAP,
  STATUS_FLAGS,
  STATUS_INCOMPLETE,
} from './kdump-header.ts';
import { MAX_NOTES, MAX_NOTES_BYTES, parseNotes, vmcoreinfoNote } from './notes.ts';
import { refuseXenHost } from './xen.ts';

/** The kernel limits VMCOREINFO to a page. */
const MAX_VMCOREINFO = 64 * 1024;
/** Descriptors read at once when all of them are looked at. */
const PASS_DESCRIPTORS = 8192;
/** Descriptors from the end that tell whether a file is truncated: data is in descriptor order, zero pages aside. */
const TAIL_DESCRIPTORS = 4096;

/**
 * @param name - the file as the user named it, for messages
 * @throws UsageError for machines that are not supported; FormatError when headers or bitmaps are damaged or missing
 */
export function openKdump(source: ByteSource, name: string): KdumpFile {
  const file = new KdumpFile(source, readKdumpHeader(source, name));
  refuseXenHost(name, file.notes);
  return file;
}

/** Pages whose descriptors point nowhere: behind the end of the file, or nowhere in any file. */
interface Losses {
  behind: number;
  senseless: number;
}

export class KdumpFile implements DumpFile {
  readonly format = 'kdump';
  readonly description: string;
  readonly machine: Machine;
  readonly pageSize: number;
  readonly vmcoreinfo: Uint8Array | undefined;
  readonly notes: readonly ElfNote[];
  readonly physBase: bigint;
  readonly pageOffset = undefined;
  readonly dumpLevel: number | undefined;
  readonly maxPfn: number;
  readonly fileSize: number;
  /** Set when this is one file of a split dump; `counts` then counts the pages of the window. */
  readonly window: FrameWindow | undefined;
  /** Equal in all files of one split dump. */
  readonly identity: string;

  readonly #source: ByteSource;
  /** Set when bytes inside the file may be missing. */
  readonly #holes: Container | undefined;
  /** Of the descriptors: the first one is of this page, counted from the dump's first one, and there are so many. */
  readonly #first: number;
  readonly #count: number;
  readonly #descriptors: number;
  readonly #exists: Bitmap | undefined;
  readonly #present: RankedBitmap;
  /** By compression bit. */
  readonly #codecs = new Map<number, Codec>();
  readonly #problems: readonly string[];
  readonly #damaged = new DamagedPages();
  /** All descriptors were looked at, and `#problems` says how many point nowhere. */
  readonly #lossKnown: boolean;
  #counts: PageCounts | undefined;
  // The descriptor found last.
  #offset = 0;
  #size = 0;
  #flags = 0;

  constructor(source: ByteSource, header: KdumpHeader) {
    const problems = [...(source.container?.problems ?? []), ...header.problems];
    this.#source = source;
    this.machine = header.machine;
    this.pageSize = header.blockSize;
    this.physBase = header.physBase;
    this.dumpLevel = header.dumpLevel;
    this.maxPfn = header.maxPfn;
    this.fileSize = source.container?.fileSize ?? source.size;
    this.window = header.window;
    this.identity = header.identity;
    this.#holes = (source.container?.problems.length ?? 0) > 0 ? source.container : undefined;
    this.#descriptors = header.descriptorsOffset;
    this.#exists =
      header.existsOffset === undefined ? undefined : new Bitmap(source, header.existsOffset, header.maxPfn);
    this.#present = new RankedBitmap(source, header.presentOffset, header.maxPfn);
    const { start, end } = header.window ?? { start: 0, end: header.maxPfn };
    this.#first = this.#present.before(start);
    this.#count = this.#present.before(end) - this.#first;

    const notes = this.#readNotes(header.notes, problems);
    const erased =
      header.eraseinfo === undefined ? undefined : this.#readRange(header.eraseinfo, MAX_ERASEINFO, problems);
    this.notes = erased === undefined ? notes : [...notes, eraseNote(erased)];
    problems.push(...erasedProblems(this.notes));
    this.vmcoreinfo = this.#readVmcoreinfo(header.vmcoreinfo, problems) ?? vmcoreinfoNote(this.notes);
    const incomplete = (header.status & STATUS_INCOMPLETE) !== 0;
    if (incomplete) problems.push('the dump is incomplete: it was cut off while it was written (no space left)');
    this.#lossKnown = incomplete || this.#endsEarly();
    if (this.#lossKnown) problems.push(...this.#lossProblems(incomplete));
    // What is no known flag is a compression of later days.
    const codec = header.status & ~STATUS_FLAGS;
    if (codec !== 0 && this.#codec(codec) === undefined) {
      problems.push(`the header names no compression that is known (status 0x${header.status.toString(16)})`);
    }
    this.#problems = problems;
    const level = header.dumpLevel === undefined ? '' : `, dump level ${header.dumpLevel}`;
    const container = source.container === undefined ? '' : `, ${source.container.name}`;
    const vmemmap = (header.status & STATUS_EXCLUDED_VMEMMAP) === 0 ? '' : ', without unused page structures';
    const flags = `${vmemmap}${incomplete ? ', incomplete' : ''}`;
    this.description = `kdump-compressed v${header.version}, ${codecName(codec)}${level}${flags}${container}`;
  }

  get problems(): readonly string[] {
    return [...this.#problems, ...this.#damaged.problems];
  }

  /** Counted when first asked for: one pass over both bitmaps and all descriptors. */
  get counts(): PageCounts {
    this.#counts ??= this.#countPages();
    return this.#counts;
  }

  /** How many pages of these frames the whole dump has, in this file or in others. */
  pagesBetween(start: number, end: number): number {
    return this.#present.before(end) - this.#present.before(start);
  }

  status(frame: Pfn): PageStatus {
    try {
      const index = this.#present.rank(frame);
      if (index >= 0) return this.#locate(index - this.#first) ? 'data' : 'lost';
      if (this.#exists === undefined) return frame >= 0 && frame < this.maxPfn ? 'excluded' : 'absent';
      return this.#exists.has(frame) ? 'excluded' : 'absent';
    } catch (error) {
      if (error instanceof FormatError) return 'lost';
      throw error;
    }
  }

  readPage(frame: Pfn, into: Uint8Array): PageStatus {
    const status = this.status(frame);
    if (status === 'lost' && !this.#lossKnown && this.#isOwn(frame)) this.#damaged.add(frame);
    if (status !== 'data') return status;
    if (this.#decompress(into)) return isAllZero(into) ? 'zero' : 'data';
    this.#damaged.add(frame);
    return 'lost';
  }

  nextInFile(from: Pfn): Pfn | undefined {
    const { start, end } = this.window ?? { start: 0, end: this.maxPfn };
    try {
      for (let bit = this.#present.next(Math.max(from, start)); bit >= 0; bit = this.#present.next(bit + 1)) {
        if (bit >= end) return undefined;
        if (this.status(pfn(bit)) === 'data') return pfn(bit);
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
    return undefined;
  }

  close(): void {
    this.#source.close();
  }

  /** Reads descriptor `index`; false when it cannot be that of a page in this file. */
  #locate(index: number): boolean {
    if (index < 0 || index >= this.#count) return false;
    const at = this.#descriptors + index * DESCRIPTOR_SIZE;
    if (at + DESCRIPTOR_SIZE > this.#source.size || this.#holes?.has(at, DESCRIPTOR_SIZE) === false) return false;
    const bytes = this.#source.peek(at, DESCRIPTOR_SIZE);
    // Hot: words instead of a ByteView. An offset above 2^53 fails the range check whatever its low bits.
    this.#offset = word(bytes, 0) + word(bytes, 4) * 2 ** 32;
    this.#size = word(bytes, 8);
    this.#flags = word(bytes, 12);
    return this.#verdict(this.#offset, this.#size) === 'sound';
  }

  /** The page of the descriptor found last; false when its data is not that of a page. */
  #decompress(into: Uint8Array): boolean {
    try {
      const stored = this.#source.peek(this.#offset, this.#size);
      if (this.#flags === 0) {
        if (stored.length !== this.pageSize) return false;
        into.set(stored);
        return true;
      }
      const codec = this.#codec(this.#flags);
      return codec !== undefined && codec.decompress(stored, into) === this.pageSize;
    } catch (error) {
      if (error instanceof FormatError || error instanceof CodecError) return false;
      throw error;
    }
  }

  /** What a descriptor with this offset and size says. */
  #verdict(offset: number, size: number): 'sound' | keyof Losses {
    if (!(offset >= this.#descriptors && size > 0 && size <= this.pageSize)) return 'senseless';
    if (offset + size > this.#source.size || this.#holes?.has(offset, size) === false) return 'behind';
    return 'sound';
  }

  /** Of a dump that is not split, all are. */
  #isOwn(frame: Pfn): boolean {
    return this.window === undefined || (frame >= this.window.start && frame < this.window.end);
  }

  #codec(bit: number): Codec | undefined {
    const known = this.#codecs.get(bit);
    if (known !== undefined) return known;
    const made = makeCodec(bit);
    if (made !== undefined) this.#codecs.set(bit, made);
    return made;
  }

  #endsEarly(): boolean {
    const { behind, senseless } = this.#lossesBetween(Math.max(0, this.#count - TAIL_DESCRIPTORS), this.#count);
    return behind + senseless > 0;
  }

  #lossProblems(incomplete: boolean): string[] {
    const { behind, senseless } = this.#lossesBetween(0, this.#count);
    const truncated = this.#holes === undefined ? 'lie behind the end of the file, which is truncated' : 'are missing';
    const lines: [number, string][] = incomplete
      ? [[behind + senseless, 'were never written']]
      : [
          [behind, truncated],
          [senseless, 'have descriptors that make no sense'],
        ];
    return lines.filter(([lost]) => lost > 0).map(([lost, why]) => `${lost} of ${this.#count} pages ${why}`);
  }

  /** How many of the descriptors from..to point nowhere. */
  #lossesBetween(from: number, to: number): Losses {
    const losses = { behind: 0, senseless: 0 };
    const buffer = new Uint8Array(Math.min(PASS_DESCRIPTORS, to - from) * DESCRIPTOR_SIZE);
    for (let index = from; index < to; index += PASS_DESCRIPTORS) {
      const count = Math.min(PASS_DESCRIPTORS, to - index);
      const at = this.#descriptors + index * DESCRIPTOR_SIZE;
      const whole = Math.max(0, Math.min(count, Math.floor((this.#source.size - at) / DESCRIPTOR_SIZE)));
      losses.behind += count - whole;
      const part = buffer.subarray(0, whole * DESCRIPTOR_SIZE);
      if (!this.#readDescriptors(at, part)) {
        for (let i = 0; i < whole; i++) if (!this.#locate(index + i)) losses.behind++;
        continue;
      }
      const view = new DataView(buffer.buffer);
      for (let i = 0; i < part.length; i += DESCRIPTOR_SIZE) {
        const offset = view.getUint32(i, true) + view.getUint32(i + 4, true) * 2 ** 32;
        const verdict = this.#verdict(offset, view.getUint32(i + 8, true));
        if (verdict !== 'sound') losses[verdict]++;
      }
    }
    return losses;
  }

  /** False when not all of them can be read. */
  #readDescriptors(at: number, into: Uint8Array): boolean {
    if (this.#holes?.has(at, into.length) === false) return false;
    try {
      this.#source.read(at, into);
      return true;
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  }

  #countPages(): PageCounts {
    const { behind, senseless } = this.#lossesBetween(0, this.#count);
    const lost = behind + senseless;
    const inFile = this.#count - lost;
    let excluded: number | undefined;
    try {
      if (this.#exists !== undefined) excluded = Math.max(0, this.#exists.count() - this.#present.total);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
    return { inFile, excluded, lost };
  }

  #readNotes(range: ByteRange | undefined, problems: string[]): readonly ElfNote[] {
    if (range === undefined) return [];
    if (range.size > MAX_NOTES_BYTES)
      problems.push(`only ${MAX_NOTES_BYTES} of ${range.size} bytes of ELF notes are read`);
    const bytes = this.#readRange(range, MAX_NOTES_BYTES, problems);
    if (bytes === undefined) return [];
    const parsed = parseNotes(bytes, MAX_NOTES, range.offset);
    if (parsed.problem !== undefined) problems.push(parsed.problem);
    return parsed.notes;
  }

  #readVmcoreinfo(range: ByteRange | undefined, problems: string[]): Uint8Array | undefined {
    return range === undefined ? undefined : this.#readRange(range, MAX_VMCOREINFO, problems);
  }

  #readRange(range: ByteRange, limit: number, problems: string[]): Uint8Array | undefined {
    const bytes = new Uint8Array(Math.min(range.size, limit));
    try {
      this.#source.read(range.offset, bytes);
      return bytes;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      problems.push(error.message);
      return undefined;
    }
  }
}

/** Little-endian 32 bits. */
function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}
