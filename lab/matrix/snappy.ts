/**
 * Makes a kdump-compressed file of uncompressed pages one whose pages are compressed with snappy, as makedumpfile -p would
 * with a libsnappy that Debian's does not have. Written after snappy's format_description.txt; takes the first match that
 * it finds, so its pages are somewhat larger than libsnappy's.
 */
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { LabError } from '../run.ts';

const DESCRIPTOR_SIZE = 24;
/** `DUMP_DH_COMPRESSED_SNAPPY` of makedumpfile's diskdump_mod.h. */
const SNAPPY = 4;

function putLiteral(out: number[], page: Uint8Array, from: number, to: number): void {
  if (to === from) return;
  const length = to - from - 1;
  if (length < 60) out.push(length << 2);
  else if (length < 256) out.push(60 << 2, length);
  else out.push(61 << 2, length & 0xff, length >> 8);
  for (let at = from; at < to; at++) out.push(page[at] ?? 0);
}

/** Compresses up to 64 KiB in snappy's raw format. */
export function snappyCompress(page: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (let left = page.length; ; left >>>= 7) {
    out.push(left < 128 ? left : (left & 127) | 128);
    if (left < 128) break;
  }
  const seen = new Map<number, number>();
  const word = (at: number): number =>
    ((page[at] ?? 0) | ((page[at + 1] ?? 0) << 8) | ((page[at + 2] ?? 0) << 16) | ((page[at + 3] ?? 0) << 24)) >>> 0;
  let written = 0;
  for (let at = 0; at + 4 <= page.length; ) {
    const before = seen.get(word(at));
    seen.set(word(at), at);
    if (before === undefined) {
      at += 1;
      continue;
    }
    let length = 4;
    while (length < 64 && at + length < page.length && page[before + length] === page[at + length]) length += 1;
    putLiteral(out, page, written, at);
    const offset = at - before;
    // A copy of 4 to 11 bytes from less than 2 KiB back takes two bytes, any other three.
    if (length <= 11 && offset < 2048) out.push(1 | ((length - 4) << 2) | ((offset >> 8) << 5), offset & 0xff);
    else out.push(2 | ((length - 1) << 2), offset & 0xff, offset >> 8);
    at += length;
    written = at;
  }
  putLiteral(out, page, written, page.length);
  return Uint8Array.from(out);
}

/** @throws LabError when `input` is no file of the form that makedumpfile writes for little-endian 64-bit machines */
export function toSnappy(input: string, output: string): void {
  const from = openSync(input, 'r');
  const to = openSync(output, 'w');
  const size = statSync(input).size;
  const read = (at: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    if (at + length > size || readSync(from, bytes, 0, length, at) !== length)
      throw new LabError(`${input} is cut off`);
    return bytes;
  };
  try {
    const header = read(0, 464);
    if (header.toString('latin1', 0, 8) !== 'KDUMP   ') throw new LabError(`${input} is not kdump-compressed`);
    const block = header.readInt32LE(428);
    const bitmapBlocks = header.readUInt32LE(436);
    const bitmapAt = block * (1 + header.readInt32LE(432));
    const descriptorsAt = bitmapAt + block * bitmapBlocks;
    const present = read(bitmapAt + (block * bitmapBlocks) / 2, (block * bitmapBlocks) / 2);
    let count = 0;
    for (const byte of present) for (let bit = 0; bit < 8; bit++) count += (byte >> bit) & 1;
    const descriptors = read(descriptorsAt, count * DESCRIPTOR_SIZE);
    writeSync(to, read(0, descriptorsAt), 0, descriptorsAt, 0);
    let end = descriptorsAt + descriptors.length;
    const shared = new Map<bigint, { readonly at: number; readonly length: number; readonly flags: number }>();
    for (let at = 0; at < descriptors.length; at += DESCRIPTOR_SIZE) {
      const offset = descriptors.readBigInt64LE(at);
      let place = shared.get(offset);
      if (place === undefined) {
        if (descriptors.readUInt32LE(at + 12) !== 0) throw new LabError(`${input} has compressed pages`);
        const page = read(Number(offset), descriptors.readUInt32LE(at + 8));
        const packed = snappyCompress(page);
        const smaller = packed.length < page.length;
        const bytes = smaller ? packed : page;
        place = { at: end, length: bytes.length, flags: smaller ? SNAPPY : 0 };
        writeSync(to, bytes, 0, bytes.length, end);
        end += bytes.length;
        shared.set(offset, place);
      }
      descriptors.writeBigInt64LE(BigInt(place.at), at);
      descriptors.writeUInt32LE(place.length, at + 8);
      descriptors.writeUInt32LE(place.flags, at + 12);
    }
    writeSync(to, descriptors, 0, descriptors.length, descriptorsAt);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}
