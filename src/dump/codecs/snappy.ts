/**
 * Snappy in its raw format, as makedumpfile -p writes it (snappy_compress of libsnappy). Written after the project's
 * format_description.txt: the length of the page, then literals and copies of what was written before.
 *
 * Hostile input: no byte outside `input` is used and none outside `into` is written, and each round consumes input. The
 * stated length must come out exactly. Does not handle: the framing format (its chunks and checksums).
 */
import { type Codec, CodecError } from '../codec.ts';
import { copyBack } from './copy-back.ts';

/** 2^32 - 1 needs five. */
const LENGTH_BYTES = 5;

export function snappyCodec(): Codec {
  return { name: 'snappy', decompress };
}

function decompress(input: Uint8Array, into: Uint8Array): number {
  const end = input.length;
  let ip = 0;
  let size = 0;
  for (let shift = 1; ; shift *= 128) {
    if (ip >= end || ip >= LENGTH_BYTES) throw new CodecError('snappy');
    const byte = input[ip++] ?? 0;
    size += (byte & 0x7f) * shift;
    if (byte < 0x80) break;
  }
  if (size > into.length) throw new CodecError('snappy');

  let op = 0;
  while (ip < end) {
    const tag = input[ip++] ?? 0;
    const kind = tag & 3;
    if (kind === 0) {
      // A literal: its length less one stands in the tag, or in 1 to 4 bytes behind it. `* 2 ** 24` stays positive.
      let length = (tag >> 2) + 1;
      if (length > 60) {
        const bytes = length - 60;
        length = 1;
        for (let n = 0; n < bytes; n++) length += (input[ip + n] ?? 0) * 2 ** (8 * n);
        ip += bytes;
      }
      if (ip + length > end || op + length > size) throw new CodecError('snappy');
      if (length > 32) {
        into.set(input.subarray(ip, ip + length), op);
        op += length;
        ip += length;
      } else {
        for (let n = length; n > 0; n--) into[op++] = input[ip++] ?? 0;
      }
      continue;
    }
    let length = (tag >> 2) + 1;
    let distance: number;
    if (kind === 1) {
      length = ((tag >> 2) & 7) + 4;
      distance = ((tag >> 5) << 8) + (input[ip++] ?? 0);
    } else {
      distance = (input[ip] ?? 0) + ((input[ip + 1] ?? 0) << 8);
      ip += 2;
      if (kind === 3) {
        distance += ((input[ip] ?? 0) + ((input[ip + 1] ?? 0) << 8)) * 2 ** 16;
        ip += 2;
      }
    }
    if (ip > end || distance === 0 || distance > op || op + length > size) throw new CodecError('snappy');
    op = copyBack(into, op, distance, length);
  }
  if (op !== size) throw new CodecError('snappy');
  return size;
}
