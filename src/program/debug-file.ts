/**
 * A file with the types of a kernel, given beside the dump: a vmlinux with DWARF. Which of the files that the user names is
 * one is told by content, never by name. Whether it is that of the very kernel in the dump is checked by build-id, else by
 * the banner (`linux_banner`).
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { attempt, FormatError, UsageError } from '../base/errors.ts';
import { openCfi } from '../debuginfo/dwarf/cfi-sections.ts';
import type { CfiRow, CfiTable } from '../debuginfo/dwarf/cfi.ts';
import { DwarfLines, type SourceFrame } from '../debuginfo/dwarf/dwarf-lines.ts';
import { DwarfTypes } from '../debuginfo/dwarf/dwarf-types.ts';
import { DwarfVariables, type VariablesAt } from '../debuginfo/dwarf/dwarf-variables.ts';
import { ElfImage, isElf } from '../debuginfo/elf-image.ts';
import { ImageFile } from '../debuginfo/image-file.ts';
import type { TypeSource } from '../debuginfo/type.ts';
import type { Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import { openUnpacked, packedHead } from './packed-file.ts';
import { PACK_MAGIC, readPack } from './type-pack.ts';

const ET_REL = 1;
const ET_CORE = 4;
/** Bytes that tell an ELF file's type. */
const HEAD = 20;
const MAX_BANNER = 512;
const MAX_PACK = 1 << 27;

export interface DebugFile {
  readonly path: string;
  /** For messages: without control characters. */
  readonly name: string;
  /** Lower-case hex. */
  readonly buildId: string | undefined;
  /** 'Linux version 6.1.0 ...', in one line. */
  readonly banner: string | undefined;
  readonly types: TypeSource;
  /** Where a symbol lies in the file: without what KASLR adds. */
  addressOf(name: string): bigint | undefined;
  /** Source lines of an address of the file, inlined functions first. @throws FormatError */
  lineAt(address: bigint): readonly SourceFrame[];
  /** Parameters and locals of the functions there. @throws FormatError */
  variablesAt(address: bigint): VariablesAt | undefined;
  /** The unwind rule of an address of the file; undefined for code that it does not cover. @throws FormatError */
  cfiAt(address: bigint): CfiRow | undefined;
  /** All of them, to be packed. @throws FormatError */
  readonly cfi?: () => CfiTable | undefined;
  close(): void;
}

/** What the dump says about its kernel. */
export interface DumpIdentity {
  readonly vmcoreinfo: Vmcoreinfo;
  /** `linux_banner` of the dump; undefined when it cannot be read. */
  readonly banner: string | undefined;
}

/**
 * Parts the files that the user named: dumps, the file with the kernel's debug information, and those of modules. Without a
 * dump all are left as they are, so that who opens them says what they are.
 * @throws UsageError when several have debug information of a kernel
 */
export function partPaths(paths: readonly string[]): {
  readonly dumps: readonly string[];
  readonly debug: string | undefined;
  readonly modules: readonly string[];
} {
  const kinds = new Map(paths.map((path) => [path, debugKind(path)]));
  const dumps = paths.filter((path) => kinds.get(path) === undefined);
  if (dumps.length === 0 || dumps.length === paths.length) return { dumps: paths, debug: undefined, modules: [] };
  const debug = paths.filter((path) => kinds.get(path) === 'kernel');
  if (debug.length > 1)
    throw new UsageError(`${debug.join(', ')}: one file with debug information of a kernel at a time`);
  return { dumps, debug: debug[0], modules: paths.filter((path) => kinds.get(path) === 'module') };
}

type DebugKind = 'kernel' | 'module';

function isDebugFile(path: string): boolean {
  return debugKind(path) !== undefined;
}

/**
 * A kernel's for an ELF file that is no core, and for a type pack; a module's for one that is not linked; packed or not.
 * What cannot be read is none: whoever opens it says why.
 */
function debugKind(path: string): DebugKind | undefined {
  let fd: number | undefined;
  try {
    if (!statSync(path).isFile()) return undefined;
    fd = openSync(path, 'r');
    const head = Buffer.alloc(HEAD);
    readSync(fd, head, 0, head.length, 0);
    return kindByHead(Buffer.from(packedHead(path, HEAD) ?? head));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function kindByHead(head: Buffer): DebugKind | undefined {
  if (head.toString('latin1').startsWith(PACK_MAGIC)) return 'kernel';
  if (!isElf(head) || head.length < HEAD) return undefined;
  const type = head.readUInt16LE(16);
  if (type === ET_REL) return 'module';
  return type !== ET_CORE && type < 256 ? 'kernel' : undefined;
}

/** @throws UsageError when it cannot be used */
export function openDebugFile(path: string): DebugFile {
  const name = path.replace(/\p{Cc}/gu, '?');
  const file = imageFile(path);
  const isPack =
    file.size >= PACK_MAGIC.length && Buffer.from(file.read(0, PACK_MAGIC.length)).equals(Buffer.from(PACK_MAGIC));
  try {
    if (isPack) return openPack(path, name, file);
  } catch (error) {
    if (error instanceof FormatError) throw new UsageError(`${name}: ${error.message}`, { cause: error });
    throw error;
  } finally {
    if (isPack) file.close();
  }
  const image = openImage(file, name);
  try {
    const linked = image.section('.debug_info') === undefined ? linkedImage(image, path) : undefined;
    const types = new DwarfTypes(linked ?? image);
    const lines = new DwarfLines(types.info);
    const variables = new DwarfVariables(types, lines);
    const symbols = (linked ?? image).symbols();
    const cfi = once(() => openCfi(linked ?? image));
    return {
      path,
      name,
      buildId: image.buildId,
      banner: attempt(() => bannerOf(image)),
      types,
      addressOf: (symbol) => symbols?.find(symbol)?.address,
      lineAt: (address) => lines.at(address),
      variablesAt: (address) => variables.at(address),
      cfiAt: (address) => cfi()?.lookup(address),
      cfi,
      close: () => {
        linked?.close();
        image.close();
      },
    };
  } catch (error) {
    image.close();
    if (error instanceof FormatError) throw new UsageError(`${name}: ${error.detail}`, { cause: error });
    throw error;
  }
}

function openPack(path: string, name: string, file: ImageFile): DebugFile {
  if (file.size > MAX_PACK) throw new FormatError('type pack', `of ${file.size} bytes`);
  const { buildId, banner, types, text, cfi } = readPack(file.read(0, file.size), `types of ${basename(name)}`);
  return {
    path,
    name,
    buildId,
    banner,
    types,
    addressOf: (symbol) => (symbol === '_stext' ? text : undefined),
    lineAt: () => [],
    variablesAt: () => undefined,
    cfiAt: (address) => cfi()?.lookup(address),
    cfi,
    close: () => {},
  };
}

/**
 * Which kernel a file with debug information is of, and no more of it; undefined when it is no such file or has none.
 * @throws UsageError, FormatError, system errors
 */
export function debugIdentity(path: string): { readonly buildId: string | undefined } | undefined {
  if (!isDebugFile(path)) return undefined;
  const file = imageFile(path);
  try {
    const head = Buffer.from(file.read(0, Math.min(file.size, PACK_MAGIC.length))).toString('latin1');
    if (head === PACK_MAGIC) return { buildId: readPack(file.read(0, Math.min(file.size, MAX_PACK)), path).buildId };
    const image = new ElfImage(file, basename(path));
    const told = image.section('.debug_info') ?? image.section('.gnu_debuglink');
    return told === undefined ? undefined : { buildId: image.buildId };
  } finally {
    file.close();
  }
}

/** The file, or what is packed in it. @throws UsageError when it does not unpack; system errors */
export function imageFile(path: string): ImageFile {
  return new ImageFile(openUnpacked(path) ?? path);
}

function openImage(file: ImageFile, name: string): ElfImage {
  try {
    return new ElfImage(file, basename(name));
  } catch (error) {
    file.close();
    if (error instanceof FormatError) throw new UsageError(`${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** The file of debug symbols that a stripped one names, where debuggers look for it; its build-id has to be the same. */
function linkedImage(image: ElfImage, path: string): ElfImage | undefined {
  const link = image.debugLink?.file;
  if (link === undefined || link === '' || basename(link) !== link) return undefined;
  for (const folder of [dirname(path), join(dirname(path), '.debug')]) {
    const candidate = join(folder, link);
    const found = isDebugFile(candidate) ? openImage(imageFile(candidate), candidate) : undefined;
    if (found === undefined) continue;
    if (found.buildId === image.buildId && found.section('.debug_info') !== undefined) return found;
    found.close();
  }
  return undefined;
}

function bannerOf(image: ElfImage): string | undefined {
  const symbol = image.symbols()?.find('linux_banner');
  return symbol === undefined ? undefined : oneLine(image.atAddress(symbol.address, MAX_BANNER));
}

/** Text up to its NUL, without the end of line that banners have. */
export function oneLine(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end))
    .toString('latin1')
    .replace(/\p{Cc}/gu, ' ')
    .trim();
}

/**
 * What is to be said about a file whose kernel may not be that of the dump; undefined when it is.
 * @throws UsageError when it is another kernel, with both build-ids and both banners
 */
export function checkIdentity(file: DebugFile, { vmcoreinfo, banner }: DumpIdentity): string | undefined {
  const { buildId, osRelease } = vmcoreinfo;
  if (buildId !== undefined && file.buildId === buildId) return undefined;
  const sameBanner = banner !== undefined && file.banner !== undefined ? banner === file.banner : undefined;
  const differ = buildId !== undefined && file.buildId !== undefined;
  const both =
    `the dump has build-id ${buildId ?? 'unknown'}, "${banner ?? osRelease ?? 'no banner'}"; ` +
    `the file has build-id ${file.buildId ?? 'none'}, "${file.banner ?? 'no banner'}"`;
  if (sameBanner === true) {
    if (!differ) return undefined;
    if (notesGarbage(osRelease ?? ''))
      return `${file.name}: taken by its banner, as this kernel notes a wrong build-id: ${both}`;
  }
  if (differ || sameBanner === false) throw new UsageError(`${file.name}: not of the kernel in the dump: ${both}`);
  return `${file.name}: whether it is of the kernel in the dump cannot be told: ${both}`;
}

/** Kernels that note a build-id that is none: 6.11.3-9, 6.10.14, 6.6.55-62, 6.1.113-118 and 5.15 since .168. */
function notesGarbage(release: string): boolean {
  const [, version = '', patch = '0'] = /^(\d+\.\d+)\.(\d+)/.exec(release) ?? [];
  const [from, to] = GARBAGE[version] ?? [1, 0];
  // Distributions leave the number of the patch out ('6.1.0-26-amd64'): it may be one of them.
  return GARBAGE[version] !== undefined && (patch === '0' || (Number(patch) >= from && Number(patch) <= to));
}

const GARBAGE: { readonly [version: string]: readonly [from: number, to: number] } = {
  '6.11': [3, 9],
  '6.10': [14, 99],
  '6.6': [55, 62],
  '6.1': [113, 118],
  '5.15': [168, 999],
};

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
