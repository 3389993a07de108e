/**
 * Real dumps as small as they get, for tests: the cores in test/cores, each of them the pages of a slim file. What two
 * boots of one kernel have in common (types, symbols, constants) is stored once: `pages.KERNEL.zst` holds the pages of
 * one core, `NAME.core.zst` what is left of another, compressed with the first as its dictionary, as most of the other
 * pages differ in some pointers only.
 *
 *   const store = new CoreStore(folder);
 *   const program = programOf(store.open('03-abba-mutex-6.1'));
 *
 * tools/pack-cores.ts writes them. A file is, once decompressed: the length of the header (u32), the header as JSON,
 * padded to 4 bytes; the page id of each frame that has data (u32 each, ascending frames); own pages. Ids count the pages
 * of `pages.KERNEL` first, then the own ones.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { type Pfn, pfn } from '../../src/base/address.ts';
import type { DumpFile, Machine, PageStatus } from '../../src/dump/dump-file.ts';

export const PAGE = 4096;
const CORE = '.core.zst';
const ZERO = new Uint8Array(PAGE);

export interface CoreHeader {
  readonly description: string;
  readonly format: DumpFile['format'];
  readonly machine: Machine;
  readonly dumpLevel: number | undefined;
  readonly maxPfn: number;
  readonly fileSize: number;
  /** Hex. */
  readonly physBase: string | undefined;
  readonly pageOffset: string | undefined;
  /** Base64, like the notes' descriptors. */
  readonly vmcoreinfo: string | undefined;
  readonly notes: readonly { readonly name: string; readonly type: number; readonly desc: string }[];
  readonly counts: DumpFile['counts'];
  readonly problems: readonly string[];
  /** Statuses from frame 0 on, and for how many frames. */
  readonly runs: readonly (readonly [PageStatus, number])[];
  /** The file with the common pages, and its SHA-256 decompressed. */
  readonly base: { readonly file: string; readonly sha256: string };
}

/** Pages one after the other, by id. */
export class Pages {
  readonly #parts: readonly Uint8Array[];

  constructor(...parts: readonly Uint8Array[]) {
    this.#parts = parts;
  }

  read(id: number, into: Uint8Array): void {
    let at = id * PAGE;
    for (const part of this.#parts) {
      if (at < part.length) return into.set(part.subarray(at, at + PAGE));
      at -= part.length;
    }
    throw new Error(`there is no page ${id}`);
  }
}

export class CoreStore {
  readonly #folder: string;
  readonly #baseFolder: string;
  readonly #bases = new Map<string, Buffer>();

  /** @param baseFolder - where the common pages are, when not beside the cores */
  constructor(folder: string, baseFolder = folder) {
    this.#folder = folder;
    this.#baseFolder = baseFolder;
  }

  /** What `open` opens. */
  names(): readonly string[] {
    const files = readdirSync(this.#folder).filter((file) => file.endsWith(CORE));
    return files.map((file) => file.slice(0, -CORE.length)).sort();
  }

  /** The common pages of a kernel, decompressed: `pages.6.1.zst`. */
  base(file: string): Buffer {
    let base = this.#bases.get(file);
    if (base === undefined)
      this.#bases.set(file, (base = zstdDecompressSync(readFileSync(join(this.#baseFolder, file)))));
    return base;
  }

  open(name: string): DumpFile {
    // Which base it needs stands in front, as that is needed to decompress the rest.
    const file = readFileSync(join(this.#folder, `${name}${CORE}`));
    const end = file.indexOf(0);
    const dictionary = this.base(file.toString('latin1', 0, end));
    const bytes = zstdDecompressSync(file.subarray(end + 1), { dictionary });
    const headerEnd = 4 + bytes.readUInt32LE();
    const header = JSON.parse(bytes.toString('utf8', 4, headerEnd).trimEnd()) as CoreHeader;
    if (createHash('sha256').update(dictionary).digest('hex') !== header.base.sha256)
      throw new Error(`${name} was packed with another ${header.base.file}: pack all cores of this kernel again`);
    return new Core(header, bytes.subarray(headerEnd), dictionary);
  }
}

/** The index of one core, and its pages. */
class Core implements DumpFile {
  readonly description: string;
  readonly format: DumpFile['format'];
  readonly machine: Machine;
  readonly pageSize = PAGE;
  readonly vmcoreinfo: Uint8Array | undefined;
  readonly notes: DumpFile['notes'];
  readonly physBase: bigint | undefined;
  readonly pageOffset: bigint | undefined;
  readonly dumpLevel: number | undefined;
  readonly maxPfn: number;
  readonly fileSize: number;
  readonly counts: DumpFile['counts'];
  readonly problems: readonly string[];
  readonly #runs: CoreHeader['runs'];
  /** First frame of each run. */
  readonly #starts: readonly number[];
  /** Frames with data, ascending, and the page of each. */
  readonly #frames: Uint32Array;
  readonly #ids: Uint32Array;
  readonly #pages: Pages;

  constructor(header: CoreHeader, rest: Buffer, base: Uint8Array) {
    this.description = header.description;
    this.format = header.format;
    this.machine = header.machine;
    this.vmcoreinfo = header.vmcoreinfo === undefined ? undefined : Buffer.from(header.vmcoreinfo, 'base64');
    this.notes = header.notes.map(({ name, type, desc }) => ({ name, type, desc: Buffer.from(desc, 'base64') }));
    this.physBase = header.physBase === undefined ? undefined : BigInt(header.physBase);
    this.pageOffset = header.pageOffset === undefined ? undefined : BigInt(header.pageOffset);
    this.dumpLevel = header.dumpLevel;
    this.maxPfn = header.maxPfn;
    this.fileSize = header.fileSize;
    this.counts = header.counts;
    this.problems = header.problems;
    this.#runs = header.runs;
    const starts: number[] = [];
    const frames: number[] = [];
    let at = 0;
    for (const [status, count] of header.runs) {
      starts.push(at);
      if (status === 'data') for (let i = 0; i < count; i++) frames.push(at + i);
      at += count;
    }
    this.#starts = starts;
    this.#frames = Uint32Array.from(frames);
    this.#ids = Uint32Array.from(frames, (_, i) => rest.readUInt32LE(4 * i));
    this.#pages = new Pages(base, rest.subarray(4 * frames.length));
  }

  status(frame: Pfn): PageStatus {
    if (frame < 0 || frame >= this.maxPfn) return 'absent';
    return this.#runs[below(this.#starts, frame + 1) - 1]?.[0] ?? 'absent';
  }

  readPage(frame: Pfn, into: Uint8Array): PageStatus {
    const status = this.status(frame);
    if (status !== 'data') return status;
    this.#pages.read(this.#ids[below(this.#frames, frame)] ?? -1, into);
    return Buffer.compare(into, ZERO) === 0 ? 'zero' : 'data';
  }

  nextInFile(from: Pfn): Pfn | undefined {
    const frame = this.#frames[below(this.#frames, from)];
    return frame === undefined ? undefined : pfn(frame);
  }

  close(): void {}
}

/** How many of ascending numbers are below `limit`. */
function below(sorted: ArrayLike<number>, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
