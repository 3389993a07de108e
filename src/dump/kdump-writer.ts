/**
 * Writes a kdump-compressed file, header version 6, as makedumpfile lays it out (diskdump_mod.h, IMPLEMENTATION):
 * header block, sub header with the notes behind it, two bitmaps, descriptors, page data with one zero page first that
 * all pages of zeros share. crash, drgn and makedumpfile open it.
 *
 * Streams: the frames are walked twice (to count and mark them, then to store them), nothing is held but buffers, so
 * the size does not matter.
 */
import { type Pfn, pfn } from '../base/address.ts';
import { isAllZero } from '../base/bytes.ts';
import { ZLIB, ZSTD } from './codecs/index.ts';
import { type PageCompressor, zlibCompressor, zstdCompressor } from './codecs/compress.ts';
import type { ElfNote, Machine } from './dump-file.ts';
import {
  DESCRIPTOR_SIZE,
  HEADER,
  KDUMP_SIGNATURE,
  KDUMP_VERSION,
  STATUS_INCOMPLETE,
  SUB_HEADER,
  UTSNAME_FIELD,
} from './kdump-header.ts';
import { createFile, type NewFile, type NewFileOptions, type Output } from './new-file.ts';
import { encodeNotes, vmcoreinfoNote } from './notes.ts';

/** `struct new_utsname`: readers tell the machine and its kernel by it. */
export interface Utsname {
  readonly sysname: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
  readonly machine: Machine;
  readonly domainname: string;
}

export interface KdumpContent {
  readonly utsname: Utsname;
  readonly pageSize: number;
  /** One above the highest page frame. */
  readonly maxPfn: number;
  readonly physBase: bigint;
  /** makedumpfile's bits: which kinds of pages were left out. */
  readonly dumpLevel: number;
  readonly cpus: number;
  /** Seconds since 1970 of the crash or the dump. */
  readonly timestamp: bigint;
  readonly notes: readonly ElfNote[];
  /** Becomes a note when `notes` has none. */
  readonly vmcoreinfo: Uint8Array | undefined;
  /** The page frames to store, ascending. Asked for twice and must answer alike. */
  frames(): Iterable<Pfn>;
  /**
   * Fills `into` with a page that `frames` gave. 'lost' when its data is not to be had: it then reads as lost in the
   * new file too, which is marked incomplete.
   */
  read(frame: Pfn, into: Uint8Array): 'lost' | void;
  /** True for every frame of memory, stored or not; it must be for those that are stored. */
  exists(frame: Pfn): boolean;
}

export interface KdumpWriteOptions extends NewFileOptions {
  /** 'zstd' when absent. */
  readonly compression?: 'zstd' | 'zlib';
  /** Of the compression; 6 when absent. */
  readonly level?: number;
}

export interface KdumpWritten {
  readonly pages: number;
  readonly zeroPages: number;
  /** Of `pages`, those without data. */
  readonly lostPages: number;
  readonly bytes: number;
}

/**
 * @throws UsageError when the target exists, is the input, or cannot be written; what `content` throws passes. Nothing
 *   is left behind then.
 */
export function writeKdump(path: string, content: KdumpContent, options: KdumpWriteOptions = {}): KdumpWritten {
  return createFile(path, options, (file) => writeTo(file, content, options));
}

function writeTo(file: NewFile, content: KdumpContent, options: KdumpWriteOptions): KdumpWritten {
  const { pageSize, maxPfn } = content;
  const level = options.level ?? 6;
  const [bit, compress] =
    options.compression === 'zlib' ? [ZLIB, zlibCompressor(level)] : [ZSTD, zstdCompressor(level)];
  const notes = withVmcoreinfo(content);
  const notesBytes = encodeNotes(notes);
  const subBlocks = Math.ceil((SUB_HEADER.size + notesBytes.length) / pageSize);
  const bitmapSize = Math.ceil(maxPfn / 8 / pageSize) * pageSize;
  const bitmap1 = (1 + subBlocks) * pageSize;
  const descriptors = bitmap1 + 2 * bitmapSize;

  writeBitmap(file.from(bitmap1), bitmapSize, existing(content));
  const pages = writeBitmap(file.from(bitmap1 + bitmapSize), bitmapSize, content.frames());
  const table = file.from(descriptors);
  const data = file.from(descriptors + pages * DESCRIPTOR_SIZE);
  const { zeroPages, lostPages } = writePages(content, table, data, bit, compress);
  table.flush();
  data.flush();
  if (table.position !== descriptors + pages * DESCRIPTOR_SIZE) {
    throw new RangeError('the frames to store changed while they were written');
  }
  const headers = file.from(0);
  const status = lostPages > 0 ? bit | STATUS_INCOMPLETE : bit;
  headers.append(header(content, status, subBlocks, (2 * bitmapSize) / pageSize));
  headers.append(subHeader(content, notes, notesBytes));
  headers.flush();
  return { pages, zeroPages, lostPages, bytes: data.position };
}

function writePages(
  content: KdumpContent,
  table: Output,
  data: Output,
  bit: number,
  compress: PageCompressor,
): Pick<KdumpWritten, 'zeroPages' | 'lostPages'> {
  const { pageSize } = content;
  const page = new Uint8Array(pageSize);
  const entry = new DataView(new ArrayBuffer(DESCRIPTOR_SIZE));
  const entryBytes = new Uint8Array(entry.buffer);
  const describe = (offset: number, size: number, flags: number): void => {
    entry.setBigUint64(0, BigInt(offset), true);
    entry.setUint32(8, size, true);
    entry.setUint32(12, flags, true);
    table.append(entryBytes);
  };
  const zeroAt = data.position;
  data.append(page);
  let zeroPages = 0;
  let lostPages = 0;
  for (const frame of content.frames()) {
    if (content.read(frame, page) === 'lost') {
      lostPages++;
      // As makedumpfile leaves the descriptors that it came not to.
      describe(0, 0, 0);
      continue;
    }
    if (isAllZero(page)) {
      zeroPages++;
      describe(zeroAt, pageSize, 0);
      continue;
    }
    const packed = compress(page);
    const shorter = packed.length < pageSize;
    describe(data.position, shorter ? packed.length : pageSize, shorter ? bit : 0);
    data.append(shorter ? packed : page);
  }
  return { zeroPages, lostPages };
}

/** `struct disk_dump_header`, one block. */
function header(content: KdumpContent, status: number, subBlocks: number, bitmapBlocks: number): Uint8Array {
  const bytes = Buffer.alloc(content.pageSize);
  bytes.write(KDUMP_SIGNATURE, 0, 'latin1');
  bytes.writeInt32LE(KDUMP_VERSION, HEADER.version);
  const { sysname, nodename, release, version, machine, domainname } = content.utsname;
  [sysname, nodename, release, version, machine, domainname].forEach((text, i) => {
    bytes.write(text.slice(0, UTSNAME_FIELD - 1), HEADER.utsname + i * UTSNAME_FIELD, 'latin1');
  });
  bytes.writeBigInt64LE(content.timestamp, HEADER.timestamp);
  bytes.writeUInt32LE(status, HEADER.status);
  bytes.writeInt32LE(content.pageSize, HEADER.blockSize);
  bytes.writeInt32LE(subBlocks, HEADER.subHeaderBlocks);
  bytes.writeUInt32LE(bitmapBlocks, HEADER.bitmapBlocks);
  bytes.writeUInt32LE(Math.min(content.maxPfn, 0xffffffff), HEADER.maxMapnr);
  bytes.writeInt32LE(content.cpus, HEADER.cpus);
  return bytes;
}

/** `struct kdump_sub_header` and, right behind it, the notes; VMCOREINFO is where it stands among them. */
function subHeader(content: KdumpContent, notes: readonly ElfNote[], notesBytes: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(Math.ceil((SUB_HEADER.size + notesBytes.length) / content.pageSize) * content.pageSize);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, content.physBase), SUB_HEADER.physBase);
  bytes.writeInt32LE(content.dumpLevel, SUB_HEADER.dumpLevel);
  const notesAt = content.pageSize + SUB_HEADER.size;
  const info = vmcoreinfoNote(notes);
  if (info !== undefined) {
    const before = notes.findIndex((note) => note.desc === info);
    const upTo = encodeNotes(notes.slice(0, before + 1)).length;
    bytes.writeBigUInt64LE(BigInt(notesAt + upTo - Math.ceil(info.length / 4) * 4), SUB_HEADER.vmcoreinfoOffset);
    bytes.writeBigUInt64LE(BigInt(info.length), SUB_HEADER.vmcoreinfoSize);
  }
  if (notesBytes.length > 0) {
    bytes.writeBigUInt64LE(BigInt(notesAt), SUB_HEADER.notesOffset);
    bytes.writeBigUInt64LE(BigInt(notesBytes.length), SUB_HEADER.notesSize);
  }
  bytes.writeBigUInt64LE(BigInt(content.maxPfn), SUB_HEADER.maxMapnr64);
  bytes.set(notesBytes, SUB_HEADER.size);
  return bytes;
}

function withVmcoreinfo(content: KdumpContent): readonly ElfNote[] {
  if (content.vmcoreinfo === undefined || vmcoreinfoNote(content.notes) !== undefined) return content.notes;
  return [...content.notes, { name: 'VMCOREINFO', type: 0, desc: content.vmcoreinfo }];
}

function* existing(content: KdumpContent): Iterable<Pfn> {
  for (let frame = 0; frame < content.maxPfn; frame++) {
    if (content.exists(pfn(frame))) yield pfn(frame);
  }
}

/** Returns how many bits were set. `frames` must ascend. */
function writeBitmap(out: Output, size: number, frames: Iterable<Pfn>): number {
  const chunk = new Uint8Array(4096);
  let start = 0;
  let count = 0;
  let last = -1;
  for (const frame of frames) {
    const at = Math.floor(frame / 8);
    if (frame <= last || at >= size) throw new RangeError(`page frame ${frame} after ${last}: must ascend to maxPfn`);
    last = frame;
    while (at >= start + chunk.length) {
      out.append(chunk);
      chunk.fill(0);
      start += chunk.length;
    }
    chunk[at - start] = (chunk[at - start] ?? 0) | (1 << (frame % 8));
    count++;
  }
  for (; start < size; start += chunk.length) {
    out.append(chunk);
    chunk.fill(0);
  }
  out.flush();
  return count;
}
