/**
 * The tables that a kernel brings with it: symbols (kallsyms), types (BTF), unwind rules (ORC). Each is found by what the
 * ones before it tell, or searched in the image's constants. What is missing is noted and costs the answers that need it,
 * not the rest.
 */
import type { VirtAddr } from '../base/address.ts';
import { attempt, FormatError, isDataError } from '../base/errors.ts';
import type { VirtRange } from '../base/memory.ts';
import type { Btf } from '../debuginfo/btf.ts';
import { findBtf } from '../debuginfo/find-btf.ts';
import { findOrc } from '../debuginfo/find-orc.ts';
import { Kallsyms, openKallsyms } from '../debuginfo/kallsyms.ts';
import { openBtf } from '../debuginfo/open-btf.ts';
import { detectOrcVersion, OrcTable, type OrcVersion } from '../debuginfo/orc.ts';
import { orcVersionByLooks } from '../debuginfo/orc-looks.ts';
import type { SymbolTable } from '../debuginfo/symbol.ts';
import type { TypeSource } from '../debuginfo/type.ts';
import { vmcoreinfoSymbols } from '../debuginfo/vmcoreinfo-symbols.ts';
import type { Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { Arch } from './arch/arch.ts';
import type { Places } from './descriptor.ts';
import type { VirtualMemory } from './virtual-memory.ts';

const NAMED = { name: 'BTF of vmlinux' };
const MAX_ORC_ENTRIES = 1 << 24;

export interface KernelTables {
  readonly kallsyms: SymbolTable;
  readonly btf: Btf | undefined;
  readonly orc: OrcTable | undefined;
  readonly orcVersion: OrcVersion | undefined;
  /** Where they were found. */
  readonly places: Places;
  /** What was not found, one line each. */
  readonly problems: readonly string[];
}

export interface TablesOptions {
  readonly memory: VirtualMemory;
  readonly vmcoreinfo: Vmcoreinfo;
  readonly arch: Arch;
  /** Where they were found before: looked at first. */
  readonly known?: Places | undefined;
  /** When they were needed to find the kernel. */
  readonly symbols?: SymbolTable | undefined;
  /** With the types of this kernel. */
  readonly debugFile?: { readonly types: TypeSource } | undefined;
  /** Left aside. */
  readonly without: readonly ('BTF' | 'ORC')[];
}

/** Never throws for what the dump holds. */
export function openTables({
  memory,
  vmcoreinfo,
  arch,
  known = {},
  symbols,
  debugFile,
  without,
}: TablesOptions): KernelTables {
  const problems: string[] = [];
  const kallsyms = symbols ?? openSymbols(memory, vmcoreinfo, arch, problems, known);
  const btfProblems: string[] = [];
  const types = without.includes('BTF')
    ? undefined
    : orProblem(btfProblems, 'BTF', () => openTypes(memory, kallsyms, arch, known.btf));
  const btf = types?.btf;
  // With the types in a file, nothing is missing.
  if (debugFile === undefined) problems.push(...btfProblems);
  const named = namingOrc(memory, kallsyms, vmcoreinfo, arch);
  const isThere = !without.includes('ORC') && named.lookup('__start_orc_unwind_ip') !== undefined;
  const version = isThere
    ? orProblem(problems, 'ORC', () => orcVersionOf(memory, named, btf ?? debugFile?.types))
    : undefined;
  const orc = version === undefined ? undefined : orProblem(problems, 'ORC', () => readOrc(memory, named, version));
  problems.push(...damageOf(kallsyms, btf));
  if (btf === undefined && debugFile === undefined) problems.push(withoutTypes(vmcoreinfo));
  const places = {
    kallsyms: kallsyms instanceof Kallsyms ? kallsyms.place : undefined,
    btf: types?.at,
    orc: orc?.place,
  };
  return { kallsyms, btf, orc, orcVersion: version, places, problems };
}

/** kallsyms; without it the few symbols that VMCOREINFO names, which still give the kernel's name and its log. */
function openSymbols(
  memory: VirtualMemory,
  vmcoreinfo: Vmcoreinfo,
  arch: Arch,
  problems: string[],
  known: Places,
): SymbolTable {
  try {
    return openKallsyms(memory, vmcoreinfo, () => arch.imageRanges(), [], known.kallsyms);
  } catch (error) {
    if (!isDataError(error)) throw error;
    problems.push(`the kernel's symbol table cannot be read: ${error.message}`);
    return vmcoreinfoSymbols(vmcoreinfo);
  }
}

/** Which file would give the rest. */
function withoutTypes({ osRelease, buildId }: Vmcoreinfo): string {
  const file = osRelease === undefined ? 'vmlinux' : `vmlinux-${osRelease.replace(/[^\w.+~-]/g, '?')}`;
  const build = buildId === undefined ? 'of this very build' : `of build id ${buildId}`;
  return (
    "without the kernel's types only its log, its symbols and the stacks of its tasks can be told; the rest needs " +
    `${file} with debug information, ${build}, from the distribution's package of debug symbols`
  );
}

/** What of them is damaged although they can be used. */
function damageOf(kallsyms: SymbolTable, btf: Btf | undefined): string[] {
  const { lost = 0, count } = kallsyms;
  const share = (part: number): string => `${Math.ceil(part * 1000) / 10} %`;
  const { lostTypes = 0, lostNames = 0 } = btf?.damage ?? {};
  return [
    ...(lost > 0 ? [`${lost} of the kernel's ${count} symbols are lost in damaged pages`] : []),
    ...(lostTypes + lostNames > 0
      ? [`BTF is damaged: ${share(lostTypes)} of the types and ${share(lostNames)} of the names are lost`]
      : []),
  ];
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

/** @param known - where it was found before: looked at first */
function openTypes(
  memory: VirtualMemory,
  kallsyms: SymbolTable,
  arch: Arch,
  known: VirtRange | undefined,
): { readonly at: VirtRange; readonly btf: Btf } | undefined {
  const there =
    known === undefined
      ? undefined
      : attempt(() => openBtf(memory, known.start, Number(known.end - known.start), NAMED));
  if (known !== undefined && there !== undefined) return { at: known, btf: there };
  const at = locateBtf(memory, kallsyms, arch);
  return at === undefined ? undefined : { at, btf: openBtf(memory, at.start, Number(at.end - at.start), NAMED) };
}

/** By its symbols (since 5.5); else by its looks, in the constants of the kernel image. */
function locateBtf(memory: VirtualMemory, kallsyms: SymbolTable, arch: Arch): VirtRange | undefined {
  const start = kallsyms.lookup('__start_BTF')?.address;
  const end = kallsyms.lookup('__stop_BTF')?.address;
  return start === undefined || end === undefined ? findBtf(memory, arch.imageRanges()) : { start, end };
}

const ORC_SYMBOLS = ['__start_orc_unwind_ip', '__stop_orc_unwind_ip', '__start_orc_unwind'];

/** The symbols, with those of the ORC tables found by their looks where they are lost; else every stack would be. */
function namingOrc(memory: VirtualMemory, kallsyms: SymbolTable, vmcoreinfo: Vmcoreinfo, arch: Arch): SymbolTable {
  const text = vmcoreinfo.symbol('_stext');
  const { lost = 0 } = kallsyms;
  if (lost === 0 || text === undefined || ORC_SYMBOLS.every((name) => kallsyms.lookup(name) !== undefined))
    return kallsyms;
  const found = findOrc(memory, arch.imageRanges(), text);
  if (found === undefined) return kallsyms;
  const { header, ip, entries } = found;
  const places: ReadonlyMap<string, VirtAddr> = new Map([
    ['__start_orc_header', header],
    ['__start_orc_unwind_ip', ip],
    ['__stop_orc_unwind_ip', entries],
    ['__start_orc_unwind', entries],
  ]);
  return {
    count: kallsyms.count,
    lookup(name) {
      const address = places.get(name);
      return address === undefined ? kallsyms.lookup(name) : { name, address, size: 0, type: 'r', module: undefined };
    },
    lookupAll: (name) => kallsyms.lookupAll(name),
    at: (address) => kallsyms.at(address),
    entries: () => kallsyms.entries(),
  };
}

/** As header or types tell; else, when there are neither, by what is in the tables. */
function orcVersionOf(
  memory: VirtualMemory,
  kallsyms: SymbolTable,
  types: TypeSource | undefined,
): OrcVersion | undefined {
  try {
    return detectOrcVersion(memory, kallsyms, types);
  } catch (error) {
    const seen = isDataError(error) ? orcVersionByLooks(memory, kallsyms) : undefined;
    if (seen === undefined) throw error;
    return seen;
  }
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
