/**
 * kdump-compressed files read the slow way, for comparison: bits are counted one by one, pages are decompressed by the
 * public calls of node:zlib. Layout: makedumpfile's diskdump_mod.h. No opinion on what it does not know: split files, other
 * compressions than zlib and zstd.
 */
import { inflateSync, zstdDecompressSync } from 'node:zlib';
import type { Model } from '../targets/dump.ts';

const ZLIB = 1;
const ZSTD = 0x20;

/** Of a file that was accepted as a dump. */
export function kdumpModel(file: Uint8Array): Model {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const version = view.getInt32(8, true);
  const block = view.getInt32(428, true);
  const bitmaps = (1 + view.getInt32(432, true)) * block;
  const size = view.getUint32(436, true) * block;
  const frames = version >= 6 ? Number(view.getBigUint64(block + 96, true)) : view.getUint32(440, true);
  if (version >= 2 && view.getInt32(block + 12, true) !== 0) return () => undefined;
  const two = (size / block) % 2 === 0 && frames <= (size / 2) * 8;
  const present = bitmaps + (two ? size / 2 : 0);
  const descriptors = bitmaps + size;
  const bit = (bitmap: number, frame: number): boolean =>
    (((file[bitmap + Math.floor(frame / 8)] ?? 0) >> (frame % 8)) & 1) === 1;
  // Set bits before each byte.
  const before = new Map<number, number>();
  const rank = (frame: number): number => {
    let from = Math.floor(frame / 8);
    while (from > 0 && !before.has(from)) from--;
    let total = before.get(from) ?? 0;
    for (let at = from * 8; at < frame; at++) {
      if (at % 8 === 0) before.set(at / 8, total);
      if (bit(present, at)) total++;
    }
    return total;
  };
  return (frame) => {
    if (!(frame >= 0) || frame >= frames) return { status: 'absent' };
    if (!bit(present, frame)) return { status: !two || bit(bitmaps, frame) ? 'excluded' : 'absent' };
    const at = descriptors + rank(frame) * 24;
    if (at + 24 > file.length) return { status: 'lost' };
    const offset = Number(view.getBigUint64(at, true));
    const stored = view.getUint32(at + 8, true);
    const flags = view.getUint32(at + 12, true);
    const sound = offset >= descriptors && stored > 0 && stored <= block && offset + stored <= file.length;
    if (!sound) return { status: 'lost' };
    const bytes = unpacked(file.subarray(offset, offset + stored), flags, block);
    // Node takes some frames of zstd that are cut off, or followed by something else, for whole ones.
    return bytes === undefined ? { status: 'data' } : { status: 'data', bytes, doubtful: flags === ZSTD };
  };
}

/** Undefined where it is damaged, or not known here. */
function unpacked(stored: Uint8Array, compression: number, size: number): Uint8Array | undefined {
  let bytes: Uint8Array;
  try {
    if (compression === 0) bytes = stored;
    else if (compression === ZLIB) bytes = inflateSync(stored, { maxOutputLength: size });
    else if (compression === ZSTD) bytes = zstdDecompressSync(stored, { maxOutputLength: size });
    else return undefined;
  } catch {
    return undefined;
  }
  return bytes.length === size ? bytes : undefined;
}
