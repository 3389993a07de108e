/**
 * LZO1X, as makedumpfile -l writes it (lzo1x_1_compress of liblzo2; any LZO1X-* level reads the same). Written after the
 * kernel's description of the stream, Documentation/staging/lzo.rst. A stream is literals and copies of what was written
 * before; how many literals came last decides what the next instruction means. It ends with an end mark.
 *
 * Hostile input: no byte outside `input` is used and none outside `into` is written, each round of a loop consumes input,
 * and bytes behind the end mark are damage. Does not handle: LZO-RLE (the kernel's zram only), LZO1X with a dictionary.
 */
import { type Codec, CodecError } from '../codec.ts';
import { copyBack } from './copy-back.ts';

/** Four literals or more came last. Up to 3 are counted exactly, as they stand in the instruction before. */
const LONG_LITERALS = 4;
const END_MARK = 16384;

export function lzoCodec(): Codec {
  return { name: 'lzo', decompress };
}

function decompress(input: Uint8Array, into: Uint8Array): number {
  const end = input.length;
  const room = into.length;
  let ip = 0;
  let op = 0;
  let state = 0;

  // Bytes behind the end read as undefined, which counts as 0; `ip > end` tells, before anything comes of it.
  const first = input[0] ?? 0;
  if (first > 17) {
    ip = 1;
    const literals = first - 17;
    if (ip + literals > end || literals > room) throw new CodecError('lzo');
    for (let n = literals; n > 0; n--) into[op++] = input[ip++] ?? 0;
    state = Math.min(literals, LONG_LITERALS);
  }

  while (ip < end) {
    const code = input[ip++] ?? 0;
    let length: number;
    let distance: number;
    let low: number;
    if (code >= 64) {
      // 1 L L D D D S S  or  0 1 L D D D S S, then 8 bits of distance
      low = code;
      length = (code >> 5) + 1;
      distance = ((input[ip++] ?? 0) << 3) + ((code >> 2) & 7) + 1;
    } else if (code >= 16) {
      // 0 0 1 L L L L L  or  0 0 0 1 H L L L, more length, then 14 bits of distance and 2 of literals
      const mask = code >= 32 ? 31 : 7;
      length = code & mask;
      if (length === 0) {
        while (ip < end && input[ip] === 0) {
          length += 255;
          ip++;
        }
        length += mask + (input[ip++] ?? 0);
      }
      length += 2;
      low = input[ip++] ?? 0;
      distance = (low >> 2) + ((input[ip++] ?? 0) << 6);
      if (code >= 32) {
        distance += 1;
      } else {
        distance += END_MARK + ((code & 8) << 11);
        if (distance === END_MARK) {
          if (ip !== end || length !== 3) throw new CodecError('lzo');
          return op;
        }
      }
    } else if (state === 0) {
      // 0 0 0 0 L L L L: a run of literals
      length = code;
      if (length === 0) {
        while (ip < end && input[ip] === 0) {
          length += 255;
          ip++;
        }
        length += 15 + (input[ip++] ?? 0);
      }
      length += 3;
      if (ip + length > end || op + length > room) throw new CodecError('lzo');
      if (length > 32) {
        into.set(input.subarray(ip, ip + length), op);
        op += length;
        ip += length;
      } else {
        for (let n = length; n > 0; n--) into[op++] = input[ip++] ?? 0;
      }
      state = LONG_LITERALS;
      continue;
    } else {
      // 0 0 0 0 D D S S: a short copy; from farther away behind a run of literals, where nearer ones would be of it
      low = code;
      length = state === LONG_LITERALS ? 3 : 2;
      distance = ((input[ip++] ?? 0) << 2) + (code >> 2) + (state === LONG_LITERALS ? 2049 : 1);
    }

    if (ip > end || distance > op || op + length > room) throw new CodecError('lzo');
    op = copyBack(into, op, distance, length);
    state = low & 3;
    if (ip + state > end || op + state > room) throw new CodecError('lzo');
    for (let n = state; n > 0; n--) into[op++] = input[ip++] ?? 0;
  }
  throw new CodecError('lzo');
}
