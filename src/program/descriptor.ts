/**
 * A program as a small plain object, for JSON and for structured clone: which files it is of, and where in the kernel's
 * memory its tables were found. Whoever opens it again (`reopenProgram`: a worker, or the next run) need not search, and
 * is told when the file is not the same any more. What the tables hold is not in it: that is read again.
 *
 * A descriptor may come from a file that anybody wrote: it is checked, and its addresses are tried before a search, never
 * believed.
 */
import { resolve } from 'node:path';
import { hex, parseAddress, type VirtAddr } from '../base/address.ts';
import { FormatError, StaleDescriptorError, UsageError } from '../base/errors.ts';
import type { VirtRange } from '../base/memory.ts';
import type { KallsymsPlace } from '../debuginfo/kallsyms.ts';
import type { OrcPlace } from '../debuginfo/orc.ts';
import type { OpenedFile } from '../dump/open.ts';
import type { KernelPlace } from './bootstrap.ts';
import type { Program } from './program.ts';

const FORMAT = 'descriptor';
const VERSION = 1;

/** Where the kernel's tables lie; undefined for what was not found. */
export interface Places {
  /** Undefined when VMCOREINFO told. */
  readonly kernel?: KernelPlace | undefined;
  readonly kallsyms?: KallsymsPlace | undefined;
  readonly btf?: VirtRange | undefined;
  readonly orc?: OrcPlace | undefined;
}

export interface Opened {
  readonly files: readonly OpenedFile[];
  readonly places: Places;
}

/** Which kernel it is, as VMCOREINFO says. */
export interface KernelIdentity {
  /** `uname -r`. */
  readonly release?: string;
  /** Lower-case hex; since Linux 5.9. */
  readonly buildId?: string;
}

/** Addresses are text, `0x` and 16 hexadecimal digits; keys that are not known are missing. */
export interface ProgramDescriptor {
  readonly format: 'kwhy-program';
  readonly version: number;
  readonly files: readonly {
    /** Absolute. */
    readonly path: string;
    /** Bytes. */
    readonly size: number;
    /** Nanoseconds since 1970, in decimal. */
    readonly mtimeNs: string;
  }[];
  readonly kernel: KernelIdentity;
  /** For people, and for other tools: kwhy finds them again in the headers. */
  readonly bases: {
    /** Bytes by which KASLR moved the image. */
    readonly kernelOffset?: string;
    /** Physical address of the image less its place in the mapping of the kernel; may be "negative". */
    readonly physBase?: string;
  };
  /** Where the kernel itself took a search: what VMCOREINFO would have told, and how it was found. */
  readonly found?: KernelPlace;
  readonly kallsyms?: {
    readonly count: number;
    readonly names: string;
    readonly tokenTable: string;
    readonly tokenIndex: string;
    readonly addresses: { readonly kind: string; readonly at: string; readonly base?: string };
  };
  readonly btf?: { readonly start: string; readonly end: string };
  readonly orc?: { readonly ip: string; readonly entries: string; readonly count: number; readonly version: number };
}

/** @throws UsageError when it was not opened from files */
export function describeProgram(program: Program, opened: Opened | undefined): ProgramDescriptor {
  if (opened === undefined) throw new UsageError('a dump that was not opened from files has no descriptor');
  const { vmcoreinfo, dump } = program;
  const { kernel, kallsyms, btf, orc } = opened.places;
  const physBase = vmcoreinfo.number('phys_base') ?? dump.physBase;
  return {
    format: 'kwhy-program',
    version: VERSION,
    files: opened.files.map(({ path, size, mtimeNs }) => ({ path: resolve(path), size, mtimeNs: `${mtimeNs}` })),
    kernel: known({ release: vmcoreinfo.osRelease, buildId: vmcoreinfo.buildId }),
    bases: known({
      kernelOffset: vmcoreinfo.kernelOffset === undefined ? undefined : hex(vmcoreinfo.kernelOffset),
      physBase: physBase === undefined ? undefined : hex(BigInt.asUintN(64, physBase)),
    }),
    ...known({
      found: kernel,
      kallsyms: kallsyms === undefined ? undefined : kallsymsText(kallsyms),
      btf: btf === undefined ? undefined : { start: hex(btf.start), end: hex(btf.end) },
      orc: orc === undefined ? undefined : { ...orc, ip: hex(orc.ip), entries: hex(orc.entries) },
    }),
  };
}

function kallsymsText({ location, table }: KallsymsPlace): NonNullable<ProgramDescriptor['kallsyms']> {
  const { count, names, tokenTable, tokenIndex } = location;
  const base = 'base' in table ? { base: hex(table.base) } : {};
  return {
    count,
    names: hex(names),
    tokenTable: hex(tokenTable),
    tokenIndex: hex(tokenIndex),
    addresses: { kind: table.kind, at: hex(table.at), ...base },
  };
}

/** Without the keys whose value is undefined. */
function known<T extends object>(object: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

export interface ReadDescriptor {
  readonly files: readonly OpenedFile[];
  readonly kernel: KernelIdentity;
  readonly places: Places;
}

/** @throws FormatError */
export function readDescriptor(descriptor: unknown): ReadDescriptor {
  const all = record(descriptor, 'it');
  if (all.format !== 'kwhy-program') throw new FormatError(FORMAT, 'it is not that of a program');
  if (all.version !== VERSION) throw new FormatError(FORMAT, `version ${String(all.version)}, where 1 is known`);
  if (!Array.isArray(all.files) || all.files.length === 0) throw new FormatError(FORMAT, 'it names no file');
  const kernel = record(all.kernel, 'kernel');
  return {
    files: all.files.map((each: unknown) => {
      const file = record(each, 'files');
      const mtime = text(file, 'mtimeNs');
      if (!/^-?\d{1,20}$/.test(mtime)) throw new FormatError(FORMAT, 'mtimeNs is no number');
      return { path: text(file, 'path'), size: count(file, 'size'), mtimeNs: BigInt(mtime) };
    }),
    kernel: {
      ...(kernel.release === undefined ? {} : { release: text(kernel, 'release') }),
      ...(kernel.buildId === undefined ? {} : { buildId: text(kernel, 'buildId') }),
    },
    places: {
      kernel: all.found === undefined ? undefined : kernelPlace(record(all.found, 'found')),
      kallsyms: all.kallsyms === undefined ? undefined : kallsymsPlace(record(all.kallsyms, 'kallsyms')),
      btf: all.btf === undefined ? undefined : range(record(all.btf, 'btf')),
      orc: all.orc === undefined ? undefined : orcPlace(record(all.orc, 'orc')),
    },
  };
}

type Fields = { readonly [key: string]: unknown };

function record(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null) throw new FormatError(FORMAT, `${what} is no object`);
  return Object.fromEntries(Object.entries(value));
}

function text(from: Fields, key: string): string {
  const value = from[key];
  if (typeof value !== 'string') throw new FormatError(FORMAT, `${key} is no text`);
  return value;
}

function count(from: Fields, key: string): number {
  const value = from[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new FormatError(FORMAT, `${key} is no count`);
  return value;
}

function address(from: Fields, key: string): VirtAddr {
  const value = parseAddress(text(from, key));
  if (value === undefined) throw new FormatError(FORMAT, `${key} is no address`);
  return value;
}

function range(from: Fields): VirtRange {
  return { start: address(from, 'start'), end: address(from, 'end') };
}

function kernelPlace(from: Fields): KernelPlace {
  const { problems } = from;
  if (!Array.isArray(problems) || !problems.every((each) => typeof each === 'string'))
    throw new FormatError(FORMAT, 'problems are no list of texts');
  return { vmcoreinfo: text(from, 'vmcoreinfo'), how: text(from, 'how'), problems };
}

function kallsymsPlace(from: Fields): KallsymsPlace {
  const table = record(from.addresses, 'addresses');
  const kind = text(table, 'kind');
  const at = address(table, 'at');
  const location = {
    count: count(from, 'count'),
    names: address(from, 'names'),
    tokenTable: address(from, 'tokenTable'),
    tokenIndex: address(from, 'tokenIndex'),
  };
  if (kind === 'absolute' || kind === 'place-relative') return { location, table: { kind, at } };
  if (kind === 'relative' || kind === 'absolute-percpu')
    return { location, table: { kind, at, base: address(table, 'base') } };
  throw new FormatError(FORMAT, `addresses of a kind that is not known`);
}

function orcPlace(from: Fields): OrcPlace {
  const version = count(from, 'version');
  if (version !== 1 && version !== 2 && version !== 3 && version !== 4) throw new FormatError(FORMAT, 'version of orc');
  return { ip: address(from, 'ip'), entries: address(from, 'entries'), count: count(from, 'count'), version };
}

/** @throws StaleDescriptorError */
export function refuseChanged(file: OpenedFile, expected: readonly OpenedFile[]): void {
  const was = expected.find(({ path }) => path === file.path);
  // A folder in place of the file leads to others.
  if (was === undefined) throw new FormatError(FORMAT, `${file.path} is not one of its files`);
  if (was.size !== file.size) throw new StaleDescriptorError(file.path, 'size', `${was.size}`, `${file.size}`);
  if (was.mtimeNs !== file.mtimeNs)
    throw new StaleDescriptorError(file.path, 'mtime', `${was.mtimeNs}`, `${file.mtimeNs}`);
}

/** @throws StaleDescriptorError */
export function refuseOther({ vmcoreinfo }: Program, path: string, was: KernelIdentity): void {
  const { osRelease, buildId } = vmcoreinfo;
  if (was.release !== osRelease) throw new StaleDescriptorError(path, 'release', `${was.release}`, `${osRelease}`);
  if (was.buildId !== buildId) throw new StaleDescriptorError(path, 'build-id', `${was.buildId}`, `${buildId}`);
}
