/**
 * Dumps whose pages are parts of the input: the real sample, cores, and hand-built machines, opened again and again on changed
 * pages without reading a file. The fields are the places that a run on the sound dump reads, grouped by the line of code
 * that reads them, so that each line meets damaged values as often as any other.
 */
import { join } from 'node:path';
import { add, distance, pageNumber, pageOffset, pfn, type VirtAddr } from '../../src/base/address.ts';
import { FaultError } from '../../src/base/errors.ts';
import type { Btf } from '../../src/debuginfo/btf.ts';
import { OrcTable } from '../../src/debuginfo/orc.ts';
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';
import { openDump } from '../../src/dump/open.ts';
import { PageCache } from '../../src/dump/page-cache.ts';
import type { Arch } from '../../src/program/arch/arch.ts';
import { X86_64 } from '../../src/program/arch/x86-64.ts';
import { programOf } from '../../src/program/open.ts';
import { PhysicalMemory } from '../../src/program/physical-memory.ts';
import { Program, type ProgramParts } from '../../src/program/program.ts';
import { VirtualMemory } from '../../src/program/virtual-memory.ts';
import { CoreStore } from '../../test/builders/core-store.ts';
import type { Field, Parts } from '../input.ts';
import { modelBtf, modelString } from '../models/btf-model.ts';
import { SAMPLE } from './kdump.ts';

const nothing = new Uint8Array(0);
const CORES = join(import.meta.dirname, '../../test/cores');

/** States that a page can be given: a part `states` of records {u32 frame; u32 state}. */
export const STATES: readonly PageStatus[] = ['lost', 'excluded', 'absent', 'excluded-or-zero', 'zero'];

export type MakeMemory = (physical: PhysicalMemory, arch: Arch) => VirtualMemory;

/** A dump that can be opened on other pages. */
export interface Machine {
  readonly dump: DumpFile;
  /** Frames that opening reads. When they are changed, the dump is opened anew, symbols and types included. */
  readonly opening: ReadonlySet<number>;
  /** Opens without reading symbols, types and unwind tables again. */
  readonly reopen: (dump: DumpFile, make?: MakeMemory) => Program;
  /** Opens as people do. */
  readonly open: (dump: DumpFile) => Program;
  /** Where the records of these types, by their names, stand in the memory of the dump. */
  readonly typeFields: (names: ReadonlySet<string>) => readonly Field[];
}

const plainMemory: MakeMemory = (physical, arch) => new VirtualMemory(physical, (address) => arch.translate(address));

const machines = new Map<string, Machine>();

/** The sample, or a core of test/cores by its name; opened once in a process. */
export function realMachine(name: string): Machine {
  const machine = machines.get(name) ?? openReal(name);
  machines.set(name, machine);
  return machine;
}

function openReal(name: string): Machine {
  const dump = cached(name === 'sample' ? openDump(SAMPLE) : new CoreStore(CORES).open(name));
  const opening = new Set<number>();
  const program = programOf(dump, { onPage: (frame) => opening.add(frame) });
  const { vmcoreinfo, orcVersion } = program;
  const kallsyms = program.symbols.kernel;
  // The only source of a program that was just opened.
  const btf = program.types.sources[0] as Btf | undefined;
  const ip = program.symbol('__start_orc_unwind_ip').address;
  const entries = program.symbol('__start_orc_unwind').address;
  const count = Number(program.symbol('__stop_orc_unwind_ip').address - ip) / 4;
  const root = vmcoreinfo.symbol('init_top_pgt');
  const physBase = vmcoreinfo.number('phys_base');
  if (root === undefined || physBase === undefined || orcVersion === undefined)
    throw new RangeError(`${name} is not as expected`);
  const reopen = (changed: DumpFile, make: MakeMemory = plainMemory): Program => {
    const physical = new PhysicalMemory(new PageCache(changed));
    const arch = new X86_64(physical, vmcoreinfo, physBase, root);
    const memory = make(physical, arch);
    const orc = new OrcTable(memory, { ip, entries, count, version: orcVersion });
    const { problems } = program;
    return new Program({ dump: changed, vmcoreinfo, memory, arch, kallsyms, btf, orc, orcVersion, problems });
  };
  const start = program.symbol('__start_BTF').address;
  const bytes = program.memory.readBytes(start, distance(program.symbol('__stop_BTF').address, start));
  const typeFields = (names: ReadonlySet<string>): readonly Field[] =>
    placesOfTypes(bytes, names).flatMap(({ at, size, role, group }) => {
      const address = program.memory.translate(add(start, at));
      const inPage = pageOffset(address, 4096);
      if (inPage + size > 4096) return [];
      return [{ part: String(pageNumber(address, 12)), at: inPage, size, role, group }];
    });
  return { dump, opening, reopen, open: (changed) => programOf(changed), typeFields };
}

/** The records of some named types in BTF: sizes, counts, kinds, and the words of their members. */
function placesOfTypes(bytes: Uint8Array, names: ReadonlySet<string>): readonly Omit<Field, 'part'>[] {
  const model = modelBtf(bytes);
  const places: Omit<Field, 'part'>[] = [];
  for (const { at, nameOffset, extra } of model?.records ?? []) {
    const name = model === undefined ? undefined : modelString(model.strings, nameOffset);
    if (name === undefined || !names.has(name)) continue;
    places.push({ at: at + 4, size: 2, role: 'count', group: `type ${name}` });
    places.push({ at: at + 7, size: 1, role: 'kind', group: `type ${name}` });
    places.push({ at: at + 8, size: 4, role: 'length', group: `type ${name}` });
    // Name, type, offset of a member.
    extra.forEach((_, i) => {
      places.push({
        at: at + 12 + i * 4,
        size: 4,
        role: i % 3 === 1 ? 'index' : 'offset',
        group: `members of ${name}`,
      });
    });
  }
  return places;
}

/** A machine of a test builder: its symbols and types are no part of its memory. */
export function builtMachine(program: Program): Machine {
  const { dump, vmcoreinfo } = program;
  const arch = tolerant(program.arch);
  const reopen = (changed: DumpFile, make: MakeMemory = plainMemory): Program => {
    const memory = make(new PhysicalMemory(new PageCache(changed)), arch);
    const parts: ProgramParts = {
      dump: changed,
      vmcoreinfo,
      memory,
      arch,
      kallsyms: program.symbols.kernel,
      btf: undefined,
      orc: undefined,
      orcVersion: undefined,
      problems: [],
    };
    const opened = new Program(parts);
    for (const source of program.types.sources) opened.types.add(source);
    return opened;
  };
  return { dump: cached(dump), opening: new Set(), reopen, open: reopen, typeFields: () => [] };
}

/** A builder's registers and stacks are looked up by the task; for damaged tasks it has none, which a dump would say by type. */
function tolerant(arch: Arch): Arch {
  const laid = <T>(find: () => T): T => {
    try {
      return find();
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('no stack was laid out')) {
        throw new FaultError('virtual', 0n, 'unmapped', { cause: error });
      }
      throw error;
    }
  };
  return {
    ...arch,
    prstatusRegisters: (desc) => laid(() => arch.prstatusRegisters(desc)),
    switchedOutRegisters: (program, task) => laid(() => arch.switchedOutRegisters(program, task)),
    unwind: (program, start) => laid(() => arch.unwind(program, start)),
  };
}

/** Pages are decompressed once. */
function cached(dump: DumpFile): DumpFile {
  const pages = new Map<number, { readonly status: PageStatus; readonly bytes: Uint8Array }>();
  return {
    ...fieldsOf(dump),
    status: (frame) => dump.status(frame),
    nextInFile: (from) => dump.nextInFile(from),
    close: () => dump.close(),
    readPage(frame, into) {
      let page = pages.get(frame);
      if (page === undefined) {
        const bytes = new Uint8Array(dump.pageSize);
        page = { status: dump.readPage(frame, bytes), bytes };
        pages.set(frame, page);
      }
      into.set(page.bytes);
      return page.status;
    },
  };
}

/** What the part `states` says of pages, by frame. */
export function statesOf(parts: Parts): ReadonlyMap<number, PageStatus> {
  const states = new Map<number, PageStatus>();
  const records = Buffer.from(parts.get('states'));
  for (let at = 0; at + 8 <= records.length; at += 8) {
    const state = STATES[records.readUInt32LE(at + 4) % STATES.length];
    if (state !== undefined) states.set(records.readUInt32LE(at), state);
  }
  return states;
}

/** The same dump with the changed parts in the place of its pages. */
export function changedDump(dump: DumpFile, parts: Parts, names: ReadonlySet<string>): DumpFile {
  const states = statesOf(parts);
  const text = names.has('vmcoreinfo') ? parts.get('vmcoreinfo') : (dump.vmcoreinfo ?? nothing);
  return {
    ...fieldsOf(dump),
    vmcoreinfo: text.length === 0 ? undefined : text,
    notes: dump.notes.map((note, i) => ({
      ...note,
      desc: names.has(`note ${i}`) ? parts.get(`note ${i}`) : note.desc,
    })),
    status: (frame) => states.get(frame) ?? dump.status(frame),
    nextInFile: (from) => dump.nextInFile(from),
    close() {},
    readPage(frame, into) {
      const state = states.get(frame);
      if (state !== undefined) {
        if (state === 'zero') into.fill(0);
        return state;
      }
      const name = String(frame);
      if (!names.has(name)) return dump.readPage(frame, into);
      into.set(parts.get(name));
      return 'data';
    },
  };
}

function fieldsOf(dump: DumpFile): Omit<DumpFile, 'status' | 'readPage' | 'nextInFile' | 'close'> {
  const { description, format, machine, pageSize, vmcoreinfo, notes, physBase, pageOffset, dumpLevel } = dump;
  const { maxPfn, fileSize, counts, problems } = dump;
  return {
    description,
    format,
    machine,
    pageSize,
    vmcoreinfo,
    notes,
    physBase,
    pageOffset,
    dumpLevel,
    maxPfn,
    fileSize,
    counts,
    problems,
  };
}

/** One read: a place in physical memory, and the line of code. */
export interface Read {
  readonly frame: number;
  readonly at: number;
  readonly size: number;
  readonly virtual: VirtAddr;
  readonly place: string;
}

/** Virtual memory that notes what is read, and by which line. */
export class RecordingMemory extends VirtualMemory {
  readonly reads = new Map<string, Read>();
  readonly #physical: PhysicalMemory;

  constructor(physical: PhysicalMemory, arch: Arch) {
    super(physical, (address) => arch.translate(address));
    this.#physical = physical;
  }

  override readU8(address: VirtAddr): number {
    this.#note(address, 1);
    return super.readU8(address);
  }
  override readU16(address: VirtAddr): number {
    this.#note(address, 2);
    return super.readU16(address);
  }
  override readU32(address: VirtAddr): number {
    this.#note(address, 4);
    return super.readU32(address);
  }
  override readU64(address: VirtAddr): bigint {
    this.#note(address, 8);
    return super.readU64(address);
  }
  override readBytes(address: VirtAddr, length: number): Uint8Array {
    this.#note(address, length);
    return super.readBytes(address, length);
  }
  override readCString(address: VirtAddr, max: number): Uint8Array {
    this.#note(address, Math.min(max, 32));
    return super.readCString(address, max);
  }

  #note(address: VirtAddr, size: number): void {
    let frame: number;
    try {
      frame = pageNumber(this.translate(address), this.#physical.pageShift);
    } catch {
      return;
    }
    const at = pageOffset(address, this.#physical.pageSize);
    const key = `${frame} ${at} ${size}`;
    if (!this.reads.has(key)) this.reads.set(key, { frame, at, size, virtual: address, place: placeOf() });
  }
}

/** The innermost line of what reads kernels: `kernel/list.ts:25`. */
function placeOf(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 24;
  const { stack = '' } = new Error('here');
  Error.stackTraceLimit = stackTraceLimit;
  const lines = [...stack.matchAll(/\/src\/((?:kernel|diagnosis|slim|program)\/[\w/.-]+\.ts:\d+)/g)].map(
    (match) => match[1] ?? '',
  );
  const reader = lines.find((line) => !/^program\/(?:field|object|virtual-memory)/.test(line));
  return reader ?? lines[0] ?? 'elsewhere';
}

/** Copies of all pages that were asked for, by frame. */
export function pagesRead(dump: DumpFile, frames: Iterable<number>): Map<string, Uint8Array> {
  const parts = new Map<string, Uint8Array>();
  for (const frame of [...frames].sort((a, b) => a - b)) {
    const bytes = new Uint8Array(dump.pageSize);
    const status = dump.readPage(pfn(frame), bytes);
    if (status === 'data' || status === 'zero') parts.set(String(frame), bytes);
  }
  return parts;
}
