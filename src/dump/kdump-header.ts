/**
 * The headers of a kdump-compressed ("diskdump") file, 64-bit little endian, versions 1 to 6. Layout: makedumpfile's
 * diskdump_mod.h `struct disk_dump_header` (block 0) and `struct kdump_sub_header` (block 1, grown with the versions):
 * v1 dump_level, v2 split and its frames, v3 VMCOREINFO, v4 notes, v5 erase information, v6 64-bit frame numbers.
 * A field that the version does not have is undefined. Everything is checked against the size of the file.
 * 32-bit and big-endian files are named and refused.
 */
import { ByteView } from '../base/bytes.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { Machine } from './dump-file.ts';
import { crashOf } from './foreign.ts';
import { isPageSize } from './notes.ts';

export const KDUMP_SIGNATURE = 'KDUMP   ';
export const KDUMP_VERSION = 6;
/** Offsets in block 0. */
export const HEADER = {
  version: 8,
  utsname: 12,
  timestamp: 408,
  status: 424,
  blockSize: 428,
  subHeaderBlocks: 432,
  bitmapBlocks: 436,
  maxMapnr: 440,
  totalRamBlocks: 444,
  deviceBlocks: 448,
  writtenBlocks: 452,
  currentCpu: 456,
  cpus: 460,
  size: 464,
} as const;
/** Offsets in block 1. */
export const SUB_HEADER = {
  physBase: 0,
  dumpLevel: 8,
  split: 12,
  startPfn: 16,
  endPfn: 24,
  vmcoreinfoOffset: 32,
  vmcoreinfoSize: 40,
  notesOffset: 48,
  notesSize: 56,
  eraseinfoOffset: 64,
  eraseinfoSize: 72,
  startPfn64: 80,
  endPfn64: 88,
  maxMapnr64: 96,
  size: 104,
} as const;
/** `struct new_utsname`: six strings of 65 bytes; machine is the fifth. */
export const UTSNAME_FIELD = 65;

export const DESCRIPTOR_SIZE = 24;
export const STATUS_INCOMPLETE = 0x8;
/** makedumpfile -e: `struct page` of pages that were left out is left out too (DUMP_DH_EXCLUDED_VMEMMAP). */
export const STATUS_EXCLUDED_VMEMMAP = 0x10;
/** The bits of the header's status that are not a compression. */
export const STATUS_FLAGS = STATUS_INCOMPLETE | STATUS_EXCLUDED_VMEMMAP;
/** Page frames of 64 TiB in 4 KiB pages, what x86-64 with 4 levels can have; bounds the index that is built. */
const MAX_FRAMES = 2 ** 34;
/** Bytes of the sub header by header version, up to its last field; version 6 has all. */
const SUB_HEADER_SIZES = [12, 12, 32, 48, 64, 80] as const;

export interface ByteRange {
  readonly offset: number;
  readonly size: number;
}

/** The page frames whose pages one file of a split dump holds, end exclusive. May be empty. */
export interface FrameWindow {
  readonly start: number;
  readonly end: number;
}

export interface KdumpHeader {
  readonly version: number;
  readonly machine: Machine;
  readonly status: number;
  readonly blockSize: number;
  readonly cpus: number;
  readonly physBase: bigint;
  readonly dumpLevel: number | undefined;
  /** One above the highest page frame. */
  readonly maxPfn: number;
  /** Of the bitmap of existing memory; undefined when the file has one bitmap only. */
  readonly existsOffset: number | undefined;
  /** Of the bitmap of pages in the file. */
  readonly presentOffset: number;
  readonly descriptorsOffset: number;
  readonly vmcoreinfo: ByteRange | undefined;
  readonly notes: ByteRange | undefined;
  readonly eraseinfo: ByteRange | undefined;
  /** Of one file of a split dump. Its bitmaps are those of the whole dump, its descriptors those of the window. */
  readonly window: FrameWindow | undefined;
  /** What the files of one split dump have in common, and hardly two dumps: machine, kernel, time, sizes. */
  readonly identity: string;
  readonly problems: readonly string[];
}

/**
 * @param name - the file as the user named it, for messages
 * @throws UsageError for machines that are not supported; FormatError for damaged headers
 */
export function readKdumpHeader(source: ByteSource, name: string): KdumpHeader {
  if (source.size < HEADER.size)
    throw new FormatError('kdump', `the file ends inside its header (${source.size} bytes)`);
  const header = new ByteView(Uint8Array.from(source.peek(0, HEADER.size)), 'kdump header');
  const version = header.s32(HEADER.version);
  const machine = machineOf(header, name);
  const blockSize = header.s32(HEADER.blockSize);
  if (!isPageSize(blockSize)) throw new FormatError('kdump', `block size ${blockSize}`, HEADER.blockSize);
  if (version < 1) throw new FormatError('kdump', `header version ${version}`, HEADER.version);
  const problems: string[] = [];
  if (version > KDUMP_VERSION)
    problems.push(`kdump header version ${version} is newer than ${KDUMP_VERSION}; read as ${KDUMP_VERSION}`);

  const subBlocks = header.s32(HEADER.subHeaderBlocks);
  const bitmapBlocks = header.u32(HEADER.bitmapBlocks);
  const bitmapOffset = (1 + subBlocks) * blockSize;
  const descriptorsOffset = bitmapOffset + bitmapBlocks * blockSize;
  if (subBlocks < 1 || subBlocks * blockSize < SUB_HEADER.size) {
    throw new FormatError('kdump', `sub header of ${subBlocks} blocks`, HEADER.subHeaderBlocks);
  }
  if (descriptorsOffset > source.size) {
    throw new FormatError('kdump', `headers and bitmaps need ${descriptorsOffset} bytes, the file has ${source.size}`);
  }
  const sub = readSubHeader(source, blockSize, version);
  const maxPfn = version >= 6 ? sub.size64(SUB_HEADER.maxMapnr64) : header.u32(HEADER.maxMapnr);
  const bitmapBytes = bitmapBlocks * blockSize;
  if (maxPfn === 0 || maxPfn > MAX_FRAMES || maxPfn > bitmapBytes * 8) {
    throw new FormatError('kdump', `${maxPfn} page frames do not fit a bitmap of ${bitmapBytes} bytes`);
  }
  // Each bitmap is of whole blocks; files of the first days have only that of the pages in the file.
  const twoBitmaps = bitmapBlocks % 2 === 0 && maxPfn <= (bitmapBytes / 2) * 8;
  const range = (since: number, what: string, at: number): ByteRange | undefined => {
    if (version < since) return undefined;
    const offset = Number(sub.u64(at));
    const size = Number(sub.u64(at + 8));
    if (offset === 0 || size === 0) return undefined;
    if (offset + size <= source.size) return { offset, size };
    problems.push(`${what} (${size} bytes at ${offset}) lies behind the end of the file`);
    return undefined;
  };
  return {
    version,
    machine,
    status: header.u32(HEADER.status),
    blockSize,
    cpus: header.s32(HEADER.cpus),
    physBase: sub.u64(SUB_HEADER.physBase),
    dumpLevel: version >= 1 ? sub.s32(SUB_HEADER.dumpLevel) : undefined,
    maxPfn,
    existsOffset: twoBitmaps ? bitmapOffset : undefined,
    presentOffset: twoBitmaps ? bitmapOffset + bitmapBytes / 2 : bitmapOffset,
    descriptorsOffset,
    vmcoreinfo: range(3, 'VMCOREINFO', SUB_HEADER.vmcoreinfoOffset),
    notes: range(4, 'the ELF note area', SUB_HEADER.notesOffset),
    eraseinfo: range(5, 'erase information', SUB_HEADER.eraseinfoOffset),
    window: windowOf(sub, version, maxPfn),
    identity: `${identityOf(header)} ${maxPfn}`,
    problems,
  };
}

/** What lies behind the fields of its version reads as zero. */
function readSubHeader(source: ByteSource, blockSize: number, version: number): ByteView {
  const bytes = new Uint8Array(SUB_HEADER.size);
  bytes.set(source.peek(blockSize, SUB_HEADER_SIZES[version] ?? SUB_HEADER.size));
  return new ByteView(bytes, 'kdump sub header');
}

function windowOf(sub: ByteView, version: number, maxPfn: number): FrameWindow | undefined {
  if (version < 2 || sub.s32(SUB_HEADER.split) === 0) return undefined;
  const [first, behind] =
    version >= 6 ? [SUB_HEADER.startPfn64, SUB_HEADER.endPfn64] : [SUB_HEADER.startPfn, SUB_HEADER.endPfn];
  // Above 2^53 not exact, and refused.
  const start = Number(sub.u64(first));
  const end = Number(sub.u64(behind));
  if (start > end || end > maxPfn) {
    throw new FormatError('kdump', `part of a split dump, of page frames ${start} to ${end} of ${maxPfn}`, first);
  }
  return { start, end };
}

/** Version, names, time, and block counts; the status may differ, as one file may be incomplete. */
function identityOf(header: ByteView): string {
  const common = [header.slice(HEADER.version, HEADER.status - HEADER.version), header.slice(HEADER.blockSize, 16)];
  return Buffer.concat(common).toString('latin1');
}

/**
 * True when a file is one part of a split dump, by its headers alone.
 * @throws FormatError when it ends inside them
 */
export function isSplitPart(source: ByteSource): boolean {
  const header = new ByteView(Uint8Array.from(source.peek(0, HEADER.size)), 'kdump header');
  const blockSize = header.s32(HEADER.blockSize);
  const version = header.s32(HEADER.version);
  if (version < 2 || !isPageSize(blockSize)) return false;
  return readSubHeader(source, blockSize, version).s32(SUB_HEADER.split) !== 0;
}

function machineOf(header: ByteView, name: string): Machine {
  const version = header.s32(HEADER.version);
  if (version < 0 || version > 0xffff) {
    const swapped = new ByteView(header.bytes, 'kdump header', false).s32(HEADER.version);
    if (swapped > 0 && swapped < 0x100) {
      const called = utsMachine(header) ?? 'machine not named';
      throw new UsageError(
        `${name}: big-endian dump (${called}); only little-endian ones are supported${crashOf(called)}`,
      );
    }
    throw new FormatError('kdump', `header version ${version}`, HEADER.version);
  }
  const machine = utsMachine(header);
  if (machine === 'x86_64' || machine === 'aarch64') return machine;
  if (machine !== undefined)
    throw new UsageError(`${name}: dump of a machine that is not supported (${machine})${crashOf(machine)}`);
  throw new FormatError('kdump', 'no machine name in the header', HEADER.utsname + 4 * UTSNAME_FIELD);
}

/** Printable names are a machine; anything else is damage. */
function utsMachine(header: ByteView): string | undefined {
  const machine = header.cstring(HEADER.utsname + 4 * UTSNAME_FIELD, UTSNAME_FIELD);
  return /^[\w.-]{2,20}$/.test(machine) ? machine : undefined;
}
