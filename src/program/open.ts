/**
 * Opens a dump as a Program with nothing but the dump: VMCOREINFO, then the kernel image by phys_base, its kallsyms, its
 * BTF and its ORC tables. What is missing is noted in `problems` and costs the answers that need it, not the rest.
 */
import type { Pfn } from '../base/address.ts';
import { type Budget, Checkpoint } from '../base/budget.ts';
import { FormatError, isDataError, UsageError } from '../base/errors.ts';
import { parseBtf, type Btf } from '../debuginfo/btf.ts';
import { findBtf } from '../debuginfo/find-btf.ts';
import { openKallsyms } from '../debuginfo/kallsyms.ts';
import { detectOrcVersion, OrcTable, type OrcVersion } from '../debuginfo/orc.ts';
import type { SymbolTable } from '../debuginfo/symbol.ts';
import { vmcoreinfoSymbols } from '../debuginfo/vmcoreinfo-symbols.ts';
import { parseVmcoreinfo, type Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { openDump } from '../dump/open.ts';
import { PageCache } from '../dump/page-cache.ts';
import type { Arch } from './arch/arch.ts';
import { X86_64 } from './arch/x86-64.ts';
import { PhysicalMemory } from './physical-memory.ts';
import { Program } from './program.ts';
import { VirtualMemory } from './virtual-memory.ts';

export interface OpenOptions {
  /** Bound of the page cache in bytes. */
  readonly cacheBytes?: number;
  /** Called with each page frame that is asked for, at least once, from the first look on: whoever wants to know what was read. */
  readonly onPage?: (frame: Pfn) => void;
  /**
   * Holds for the opening and for everything that is read of the program afterwards; `Program.within` sets one for a
   * part of it.
   */
  readonly budget?: Budget;
}

/** For whoever opened the dump with a Checkpoint already. */
export interface ProgramOptions extends OpenOptions {
  /** Instead of `budget`. */
  readonly checkpoint?: Checkpoint;
}

const MAX_BTF = 1 << 28;
const MAX_ORC_ENTRIES = 1 << 24;

/**
 * @param paths - a dump; or the files of a split dump, in any order; or a folder that holds one dump or the files of one
 * @throws UsageError when the file is no dump that can be opened, FormatError when it is too damaged to start with,
 *   CancelledError; no file stays open then
 */
export function openProgram(paths: string | readonly string[], options: OpenOptions = {}): Program {
  const checkpoint = new Checkpoint(options.budget);
  const dump = openDump(paths, { checkpoint });
  try {
    return programOf(dump, { ...options, checkpoint });
  } catch (error) {
    dump.close();
    throw error;
  }
}

/** A Program on a dump that is open already. */
export function programOf(dump: DumpFile, options: ProgramOptions = {}): Program {
  if (dump.vmcoreinfo === undefined) {
    throw new UsageError('the dump has no VMCOREINFO note, and finding the kernel without it is not supported yet');
  }
  const vmcoreinfo = parseVmcoreinfo(dump.vmcoreinfo);
  const checkpoint = options.checkpoint ?? new Checkpoint(options.budget);
  const physical = new PhysicalMemory(new PageCache(dump, options.cacheBytes, options.onPage), checkpoint);
  const arch = archOf(dump, vmcoreinfo, physical);
  const memory = new VirtualMemory(physical, (address) => arch.translate(address));
  const problems: string[] = [];
  const kallsyms = openSymbols(memory, vmcoreinfo, arch, problems);
  const btf = orProblem(problems, 'BTF', () => readBtf(memory, kallsyms, arch));
  const version = orProblem(problems, 'ORC', () => detectOrcVersion(memory, kallsyms, btf));
  const orc = version === undefined ? undefined : orProblem(problems, 'ORC', () => readOrc(memory, kallsyms, version));
  return new Program({ dump, vmcoreinfo, memory, arch, kallsyms, btf, orc, orcVersion: version, problems });
}

function archOf(dump: DumpFile, vmcoreinfo: Vmcoreinfo, physical: PhysicalMemory): Arch {
  if (dump.machine !== 'x86_64')
    throw new UsageError(`the dump is of a machine of type ${dump.machine}; only x86_64 is supported yet`);
  // NUMBER(phys_base) since 4.10; the kdump sub header and the ELF segments have it as well.
  const physBase = vmcoreinfo.number('phys_base') ?? dump.physBase;
  // Named init_level4_pgt until 4.12 (commit 65ade2f872b4).
  const root =
    vmcoreinfo.symbol('init_top_pgt') ?? vmcoreinfo.symbol('init_level4_pgt') ?? vmcoreinfo.symbol('swapper_pg_dir');
  if (physBase === undefined) throw new FormatError('VMCOREINFO', 'does not tell phys_base');
  if (root === undefined) throw new FormatError('VMCOREINFO', 'does not tell where the kernel page table is');
  return new X86_64(physical, vmcoreinfo, physBase, root);
}

/** kallsyms; without it the few symbols that VMCOREINFO names, which still give the kernel's name and its log. */
function openSymbols(memory: VirtualMemory, vmcoreinfo: Vmcoreinfo, arch: Arch, problems: string[]): SymbolTable {
  try {
    return openKallsyms(memory, vmcoreinfo, () => arch.imageRanges());
  } catch (error) {
    if (!isDataError(error)) throw error;
    problems.push(`the kernel's symbol table cannot be read: ${error.message}`);
    return vmcoreinfoSymbols(vmcoreinfo);
  }
}

function orProblem<T>(problems: string[], what: string, read: () => T | undefined): T | undefined {
  try {
    const value = read();
    if (value === undefined) problems.push(`no ${what} was found in the kernel`);
    return value;
  } catch (error) {
    if (!isDataError(error)) throw error;
    problems.push(`${what} of the kernel cannot be read: ${error.message}`);
    return undefined;
  }
}

/** By its symbols (since 5.5); else by its looks, in the constants of the kernel image. */
function readBtf(memory: VirtualMemory, kallsyms: SymbolTable, arch: Arch): Btf | undefined {
  const start = kallsyms.lookup('__start_BTF')?.address;
  const stop = kallsyms.lookup('__stop_BTF')?.address;
  if (start === undefined || stop === undefined) {
    const found = findBtf(memory, arch.imageRanges());
    return found === undefined
      ? undefined
      : parseBtf(memory.readBytes(found.start, Number(found.end - found.start)), { name: 'BTF of vmlinux' });
  }
  const size = Number(stop - start);
  if (!(size > 0 && size <= MAX_BTF)) throw new FormatError('BTF', `claims ${size} bytes`);
  return parseBtf(memory.readBytes(start, size), { name: 'BTF of vmlinux' });
}

function readOrc(memory: VirtualMemory, kallsyms: SymbolTable, version: OrcVersion): OrcTable | undefined {
  const ip = kallsyms.lookup('__start_orc_unwind_ip')?.address;
  const ipEnd = kallsyms.lookup('__stop_orc_unwind_ip')?.address;
  const entries = kallsyms.lookup('__start_orc_unwind')?.address;
  if (ip === undefined || ipEnd === undefined || entries === undefined) return undefined;
  const count = Number(ipEnd - ip) / 4;
  if (!(count > 0 && count <= MAX_ORC_ENTRIES)) throw new FormatError('ORC', `claims ${count} entries`);
  return new OrcTable(memory, { ip, entries, count: Math.floor(count), version });
}
