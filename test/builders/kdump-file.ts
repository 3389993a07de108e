/**
 * Hand-built kdump-compressed files for tests, by makedumpfile's diskdump_mod.h alone: shares nothing with the reader
 * or the writer. 64-bit little endian, header versions 1 to 6. Every field can be set to nonsense.
 */
import { deflateSync, zstdCompressSync } from 'node:zlib';
import { type NoteSpec, noteBytes } from './elf-file.ts';
import { lzoCompress, snappyCompress } from './lz.ts';

export interface PageDescriptor {
  readonly offset: number | bigint;
  readonly size: number;
  readonly flags: number;
}

export interface KdumpSpec {
  /** One above the highest page frame. */
  readonly maxPfn: number;
  /** The pages in the file. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
  /** Frames that exist and were left out. */
  readonly excluded?: readonly number[];
  /** 6 when absent. */
  readonly version?: number;
  /** 'x86_64' when absent. */
  readonly machine?: string;
  /** 4096 when absent. */
  readonly blockSize?: number;
  /** 'none' when absent. */
  readonly compression?: 'none' | keyof typeof compressions;
  /** Added to the compression's bit. */
  readonly status?: number;
  readonly dumpLevel?: number;
  readonly physBase?: bigint;
  /** The field alone; 1 when there is a window. */
  readonly split?: number;
  /** Makes it one file of a split dump: of these frames, end exclusive. The bitmaps stay those of all `pages`. */
  readonly window?: readonly [number | bigint, number | bigint];
  readonly vmcoreinfo?: string;
  /** Without VMCOREINFO, which is added at the end. */
  readonly notes?: readonly NoteSpec[];
  /** One bitmap instead of two. */
  readonly singleBitmap?: boolean;
  /** Changes a descriptor before it is written. */
  readonly descriptor?: (frame: number, made: PageDescriptor) => PageDescriptor;
}

/** Where the parts of a built file are, so that a test can damage them. */
export interface KdumpLayout {
  readonly bytes: Uint8Array;
  readonly subHeader: number;
  readonly bitmap1: number;
  readonly bitmap2: number;
  readonly descriptors: number;
  readonly data: number;
}

/** The bit of each compression, and the compression. */
const compressions = {
  zlib: [1, deflateSync],
  lzo: [2, lzoCompress],
  snappy: [4, snappyCompress],
  zstd: [0x20, zstdCompressSync],
} as const;
const SUB_HEADER = 104;

export function kdumpFile(spec: KdumpSpec): Uint8Array {
  return kdumpLayout(spec).bytes;
}

export function kdumpLayout(spec: KdumpSpec): KdumpLayout {
  const block = spec.blockSize ?? 4096;
  const version = spec.version ?? 6;
  const all = [...spec.pages.keys()].sort((a, b) => a - b);
  const [start, end] = spec.window ?? [0, spec.maxPfn];
  const frames = all.filter((frame) => frame >= start && frame < end);
  const others = spec.notes ?? [];
  const info = Buffer.from(spec.vmcoreinfo ?? '');
  const infoNote: NoteSpec[] = info.length === 0 ? [] : [{ name: 'VMCOREINFO', type: 0, desc: info }];
  const notes = noteBytes([...others, ...infoNote]);
  const notesAt = block + SUB_HEADER;
  // 12 bytes of note header and 12 of padded name stand before the text.
  const infoAt = notesAt + noteBytes(others).length + 24;

  const subBlocks = Math.ceil((SUB_HEADER + notes.length) / block);
  const bitmapSize = Math.ceil(spec.maxPfn / 8 / block) * block;
  const bitmaps = spec.singleBitmap === true ? 1 : 2;
  const bitmap1 = (1 + subBlocks) * block;
  const bitmap2 = bitmap1 + (bitmaps - 1) * bitmapSize;
  const descriptors = bitmap2 + bitmapSize;
  // makedumpfile leaves room for the descriptors of the whole dump in each file of a split one.
  const data = descriptors + all.length * 24;

  const { compression = 'none' } = spec;
  const [bit, compress] =
    compression === 'none' ? ([0, (page: Uint8Array) => page] as const) : compressions[compression];
  const stored: Buffer[] = [];
  const table = Buffer.alloc(frames.length * 24);
  let at = data;
  frames.forEach((frame, i) => {
    const page = spec.pages.get(frame) ?? new Uint8Array(block);
    const packed = compress(page);
    const shorter = packed.length < page.length;
    const made = { offset: at, size: shorter ? packed.length : page.length, flags: shorter ? bit : 0 };
    const kept = spec.descriptor?.(frame, made) ?? made;
    table.writeBigInt64LE(BigInt(kept.offset), i * 24);
    table.writeUInt32LE(kept.size, i * 24 + 8);
    table.writeUInt32LE(kept.flags, i * 24 + 12);
    stored.push(Buffer.from(shorter ? packed : page));
    at += made.size;
  });

  const file = Buffer.alloc(at);
  file.write('KDUMP   ', 0, 'latin1');
  file.writeInt32LE(version, 8);
  ['Linux', 'node', '6.1.0-test', '#1 SMP', spec.machine ?? 'x86_64', '(none)'].forEach((text, i) => {
    file.write(text.slice(0, 64), 12 + 65 * i, 'latin1');
  });
  file.writeUInt32LE(bit | (spec.status ?? 0), 424);
  file.writeInt32LE(block, 428);
  file.writeInt32LE(subBlocks, 432);
  file.writeUInt32LE((bitmaps * bitmapSize) / block, 436);
  file.writeUInt32LE(Math.min(spec.maxPfn, 0xffffffff), 440);
  file.writeInt32LE(2, 460);

  file.writeBigUInt64LE(BigInt.asUintN(64, spec.physBase ?? 0n), block);
  if (version >= 1) file.writeInt32LE(spec.dumpLevel ?? 31, block + 8);
  if (version >= 2) file.writeInt32LE(spec.split ?? (spec.window === undefined ? 0 : 1), block + 12);
  const pair = (offset: number, start: number, size: number): void => {
    if (size === 0) return;
    file.writeBigUInt64LE(BigInt(start), block + offset);
    file.writeBigUInt64LE(BigInt(size), block + offset + 8);
  };
  if (spec.window !== undefined) {
    const at = version >= 6 ? 80 : 16;
    file.writeBigUInt64LE(BigInt(start), block + at);
    file.writeBigUInt64LE(BigInt(end), block + at + 8);
  }
  if (version >= 3) pair(32, infoAt, info.length);
  if (version >= 4) pair(48, notesAt, notes.length);
  if (version >= 6) file.writeBigUInt64LE(BigInt(spec.maxPfn), block + 96);
  file.set(notes, notesAt);

  const mark = (bitmap: number, frame: number): void => {
    file[bitmap + (frame >> 3)] = (file[bitmap + (frame >> 3)] ?? 0) | (1 << (frame & 7));
  };
  for (const frame of all) {
    mark(bitmap1, frame);
    mark(bitmap2, frame);
  }
  if (bitmaps === 2) for (const frame of spec.excluded ?? []) mark(bitmap1, frame);
  file.set(table, descriptors);
  file.set(Buffer.concat(stored), data);
  return { bytes: file, subHeader: block, bitmap1, bitmap2, descriptors, data };
}
