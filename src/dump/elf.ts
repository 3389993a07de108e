/**
 * ELF64 vmcores: /proc/vmcore, `makedumpfile -E`, QEMU's dump-guest-memory, `virsh dump --memory-only`. Little endian,
 * x86-64 and arm64. p_paddr decides; p_vaddr only tells PAGE_OFFSET and phys_base, and from QEMU not even that.
 *
 * What a segment's memory behind p_filesz is, differs: makedumpfile leaves out excluded and zero pages there, so it is
 * `excluded-or-zero`. Memory that no segment names is `absent`; in a dump marked incomplete (e_flags & 1, makedumpfile
 * ran out of space and left later headers zero) it is `lost`. Segment data behind the end of the file is `lost`.
 * A page that segments cover only in part (the ragged edge of a RAM bank) takes the answer of its uncovered part:
 * the kernel never uses such a page; when several segments cover it together it is read from all of them.
 *
 * Does not handle: 32-bit and big-endian files, core files of processes (UsageError each).
 */
import { type Pfn, pfn } from '../base/address.ts';
import { isAllZero } from '../base/bytes.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { DamagedPages } from './damaged-pages.ts';
import type { DumpFile, ElfNote, Machine, PageCounts, PageStatus } from './dump-file.ts';
import { erasedProblems } from './erased.ts';
import { type ElfSegments, machineOf, readElfHeader, readSegments } from './elf-headers.ts';
import { MAX_NOTES, MAX_NOTES_BYTES, pageSizeOf, parseNotes, vmcoreinfoNote } from './notes.ts';
import { RangeTable } from './range-table.ts';
import { refuseXenGuest, refuseXenHost } from './xen.ts';

const ELF_INCOMPLETE = 0x1;
const START_KERNEL_MAP = 0xffffffff80000000n;

const NT_PRPSINFO = 3;
const NT_TASKSTRUCT = 4;
const NT_AUXV = 6;
const NT_FILE = 0x46494c45;

/**
 * @param name - the file as the user named it, for messages
 * @throws UsageError when it is no dump of a kernel; FormatError when it is damaged beyond use
 */
export function openElf(source: ByteSource, name: string): DumpFile {
  const header = readElfHeader(source, name);
  const machine = machineOf(header.machine);
  if (machine === undefined) {
    throw new UsageError(`${name}: dump of an unsupported machine (ELF machine ${header.machine})`);
  }
  const segments = readSegments(source, header);
  const problems = [...(source.container?.problems ?? []), ...segments.problems];
  const notes = readNotes(source, segments, problems);
  problems.push(...erasedProblems(notes));
  refuseProcessCore(name, notes, segments);
  refuseXenHost(name, notes);
  if (segments.count === 0) refuseXenGuest(name, source);
  if (segments.count === 0) throw new FormatError('ELF', 'no memory in it (no PT_LOAD segment)');
  return new ElfDump(source, machine, segments, notes, problems, (header.flags & ELF_INCOMPLETE) !== 0);
}

class ElfDump implements DumpFile {
  readonly format = 'elf';
  readonly description: string;
  readonly machine: Machine;
  readonly pageSize: number;
  readonly vmcoreinfo: Uint8Array | undefined;
  readonly notes: readonly ElfNote[];
  readonly physBase: bigint | undefined;
  readonly pageOffset: bigint | undefined;
  readonly dumpLevel = undefined;
  readonly maxPfn: number;
  readonly fileSize: number;
  readonly counts: PageCounts;

  readonly #source: ByteSource;
  readonly #data: RangeTable;
  /** Parts that the headers place behind the end of the file. */
  readonly #missing: RangeTable;
  /** p_filesz..p_memsz. */
  readonly #tail: RangeTable;
  readonly #uncovered: PageStatus;
  readonly #problems: readonly string[];
  readonly #damaged = new DamagedPages();

  constructor(
    source: ByteSource,
    machine: Machine,
    segments: ElfSegments,
    notes: readonly ElfNote[],
    problems: string[],
    incomplete: boolean,
  ) {
    this.#source = source;
    this.machine = machine;
    this.notes = notes;
    this.vmcoreinfo = vmcoreinfoNote(notes);
    this.pageSize = pageSizeOf(this.vmcoreinfo, machine);
    this.fileSize = source.container?.fileSize ?? source.size;
    this.physBase = machine === 'x86_64' ? physBaseOf(segments) : undefined;
    this.pageOffset = machine === 'x86_64' ? pageOffsetOf(segments) : undefined;
    this.#uncovered = incomplete ? 'lost' : 'absent';

    const { count, physStart, fileSize, memSize, offset } = segments;
    const inFile = new Float64Array(count);
    const missingStart = new Float64Array(count);
    const missingSize = new Float64Array(count);
    const tailStart = new Float64Array(count);
    const tailSize = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const start = physStart[i] ?? 0;
      const stored = Math.min(fileSize[i] ?? 0, memSize[i] ?? 0);
      const present = Math.min(stored, Math.max(0, source.size - (offset[i] ?? 0)));
      inFile[i] = present;
      missingStart[i] = start + present;
      missingSize[i] = stored - present;
      tailStart[i] = start + stored;
      tailSize[i] = (memSize[i] ?? 0) - stored;
    }
    this.#data = RangeTable.from(physStart, inFile, offset);
    this.#missing = RangeTable.from(missingStart, missingSize, offset);
    this.#tail = RangeTable.from(tailStart, tailSize, offset);

    this.maxPfn = Math.ceil(Math.max(this.#data.end, this.#missing.end, this.#tail.end) / this.pageSize);
    const missing = this.#missing.bytesOutside(this.#data);
    const lost = Math.ceil(missing / this.pageSize);
    this.counts = { inFile: Math.floor(this.#data.bytes / this.pageSize), excluded: undefined, lost };
    if (incomplete) problems.push('the dump is incomplete: it was cut off while it was written (no space left)');
    if (lost > 0) {
      const share = Math.ceil((100 * missing) / (missing + this.#data.bytes));
      problems.push(`the file is truncated: ${lost} pages (${share} %) lie behind its end`);
    }
    this.#problems = problems;
    const note = this.vmcoreinfo === undefined ? ', no VMCOREINFO' : '';
    const container = source.container === undefined ? '' : `, ${source.container.name}`;
    this.description = `ELF vmcore, ${count} segments${note}${incomplete ? ', incomplete' : ''}${container}`;
  }

  get problems(): readonly string[] {
    return [...this.#problems, ...this.#damaged.problems];
  }

  status(frame: Pfn): PageStatus {
    const start = frame * this.pageSize;
    const index = this.#data.find(start);
    if (index >= 0 && this.#data.endAt(index) >= start + this.pageSize) return 'data';
    return this.#assemble(start, undefined);
  }

  readPage(frame: Pfn, into: Uint8Array): PageStatus {
    const start = frame * this.pageSize;
    const index = this.#data.find(start);
    if (index >= 0 && this.#data.endAt(index) >= start + this.pageSize) {
      if (!this.#readInto(this.#data.offsetIn(index, start), into)) return this.#lose(frame);
    } else {
      // What its uncovered part is, the page is, whatever becomes of the rest: so it is asked before anything is read.
      const status = this.#assemble(start, undefined);
      if (status !== 'data') return status;
      if (this.#assemble(start, into) !== 'data') return this.#lose(frame);
    }
    return isAllZero(into) ? 'zero' : 'data';
  }

  nextInFile(from: Pfn): Pfn | undefined {
    let frame: number = Math.max(0, from);
    while (frame < this.maxPfn) {
      const index = this.#data.firstEndingAfter(frame * this.pageSize);
      if (index >= this.#data.length) return undefined;
      frame = Math.max(frame, Math.floor(this.#data.startAt(index) / this.pageSize));
      if (this.status(pfn(frame)) === 'data') return pfn(frame);
      frame++;
    }
    return undefined;
  }

  close(): void {
    this.#source.close();
  }

  /** A page put together from several segments; `data` only when they cover all of it. */
  #assemble(start: number, into: Uint8Array | undefined): PageStatus {
    if (!(start >= 0)) return 'absent';
    const end = start + this.pageSize;
    for (let at = start; at < end; ) {
      const index = this.#data.find(at);
      if (index < 0) {
        if (this.#missing.find(at) >= 0) return 'lost';
        return this.#tail.find(at) >= 0 ? 'excluded-or-zero' : this.#uncovered;
      }
      const upTo = Math.min(end, this.#data.endAt(index));
      if (into !== undefined) {
        const part = into.subarray(at - start, upTo - start);
        if (!this.#readInto(this.#data.offsetIn(index, at), part)) return 'lost';
      }
      at = upTo;
    }
    return 'data';
  }

  #lose(frame: Pfn): PageStatus {
    this.#damaged.add(frame);
    return 'lost';
  }

  #readInto(offset: number, into: Uint8Array): boolean {
    try {
      this.#source.read(offset, into);
      return true;
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  }
}

function readNotes(source: ByteSource, segments: ElfSegments, problems: string[]): readonly ElfNote[] {
  const all: ElfNote[] = [];
  let left = MAX_NOTES_BYTES;
  for (const { offset, size } of segments.notes) {
    const wanted = Math.min(size, left, Math.max(0, source.size - offset));
    if (wanted < size) problems.push(`only ${wanted} of ${size} bytes of ELF notes can be read`);
    if (wanted === 0) continue;
    left -= wanted;
    const bytes = new Uint8Array(wanted);
    try {
      source.read(offset, bytes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      problems.push(`ELF notes: ${error.message}`);
      continue;
    }
    const parsed = parseNotes(bytes, MAX_NOTES - all.length, offset);
    for (const note of parsed.notes) all.push(note);
    if (parsed.problem !== undefined) problems.push(parsed.problem);
    if (parsed.problem !== undefined && all.length >= MAX_NOTES) break;
  }
  return all;
}

/** A process' core has NT_PRPSINFO, NT_AUXV or NT_FILE, no VMCOREINFO and no kernel address; /proc/kcore a task_struct. */
function refuseProcessCore(name: string, notes: readonly ElfNote[], segments: ElfSegments): void {
  const core = notes.filter((note) => note.name === 'CORE').map((note) => note.type);
  if (core.includes(NT_TASKSTRUCT)) {
    throw new UsageError(`${name}: this is /proc/kcore, memory of a running kernel, not a dump`);
  }
  if (vmcoreinfoNote(notes) !== undefined || segments.virtStart.some((address) => address >> 56n === 0xffn)) return;
  if (core.includes(NT_PRPSINFO) || core.includes(NT_AUXV) || core.includes(NT_FILE)) {
    throw new UsageError(`${name}: this is the core file of a process, not a dump of a kernel (gdb opens it)`);
  }
}

/** makedumpfile arch/x86_64.c: the segment mapped at or above __START_KERNEL_map is the kernel's text. */
function physBaseOf(segments: ElfSegments): bigint | undefined {
  for (let i = 0; i < segments.count; i++) {
    const start = segments.virtStart[i] ?? 0n;
    if (start >= START_KERNEL_MAP) {
      return BigInt.asUintN(64, BigInt(segments.physStart[i] ?? 0) - (start - START_KERNEL_MAP));
    }
  }
  return undefined;
}

/** p_vaddr - p_paddr of the direct map's segments, when they all agree. */
function pageOffsetOf(segments: ElfSegments): bigint | undefined {
  let found: bigint | undefined;
  for (let i = 0; i < segments.count; i++) {
    const start = segments.virtStart[i] ?? 0n;
    if (start >> 56n !== 0xffn || start >= START_KERNEL_MAP) continue;
    const offset = BigInt.asUintN(64, start - BigInt(segments.physStart[i] ?? 0));
    if (found !== undefined && found !== offset) return undefined;
    found = offset;
  }
  return found;
}
