/**
 * Makes LZO1X and snappy streams together with what they stand for: instruction by instruction, after the descriptions of
 * the formats (the kernel's Documentation/staging/lzo.rst, snappy's format_description.txt). Shares nothing with the decoders.
 */
import type { Random } from '../random.ts';

export interface Stream {
  readonly packed: Uint8Array;
  readonly plain: Uint8Array;
}

class Plain {
  readonly bytes: number[] = [];

  literals(random: Random, count: number): readonly number[] {
    const added = [...random.bytes(count)];
    this.bytes.push(...added);
    return added;
  }

  copy(distance: number, length: number): void {
    for (let i = 0; i < length; i++) this.bytes.push(this.bytes[this.bytes.length - distance] ?? 0);
  }
}

/** A length that does not fit the instruction: zeros for 255 each, then the rest. */
function longLength(over: number): readonly number[] {
  const zeros = Math.floor((over - 1) / 255);
  return [...Array<number>(zeros).fill(0), over - zeros * 255];
}

export function lzoStream(random: Random, size: number): Stream {
  const plain = new Plain();
  const packed: number[] = [];
  let state = random.between(1, 40);
  packed.push(17 + state, ...plain.literals(random, state));
  while (plain.bytes.length < size) {
    const have = plain.bytes.length;
    const kind = random.below(5);
    const after = random.below(4);
    if (kind === 0 && state === 0) {
      const length = random.pick([4, 5, 18, 19, 40, 280, 600]);
      packed.push(
        ...(length <= 18 ? [length - 3] : [0, ...longLength(length - 18)]),
        ...plain.literals(random, length),
      );
      state = length;
      continue;
    }
    if (kind === 1 && state > 0 && state < 4 && have >= 1) {
      const distance = random.between(1, Math.min(have, 1024));
      packed.push((((distance - 1) & 3) << 2) | after, (distance - 1) >> 2);
      plain.copy(distance, 2);
    } else if (kind === 1 && state >= 4 && have >= 2049) {
      const distance = random.between(2049, Math.min(have, 3072));
      packed.push((((distance - 2049) & 3) << 2) | after, (distance - 2049) >> 2);
      plain.copy(distance, 3);
    } else if (kind === 2) {
      const length = random.between(3, 8);
      const distance = random.between(1, Math.min(have, 2048));
      packed.push(((length - 1) << 5) | (((distance - 1) & 7) << 2) | after, (distance - 1) >> 3);
      plain.copy(distance, length);
    } else {
      const far = kind === 4 && have > 16384;
      const length = random.pick([3, 4, 9, 10, 33, 34, 289, 700]);
      const distance = far ? random.between(16385, Math.min(have, 49151)) : random.between(1, Math.min(have, 16384));
      const most = far ? 9 : 33;
      const field = far ? distance - 16384 : distance - 1;
      packed.push((far ? 16 | ((field >> 14) << 3) : 32) | (length <= most ? length - 2 : 0));
      if (length > most) packed.push(...longLength(length - most));
      packed.push(((field & 63) << 2) | after, (field >> 6) & 255);
      plain.copy(distance, length);
    }
    packed.push(...plain.literals(random, after));
    state = after;
  }
  return { packed: Uint8Array.from([...packed, 17, 0, 0]), plain: Uint8Array.from(plain.bytes) };
}

export function snappyStream(random: Random, size: number): Stream {
  const plain = new Plain();
  const packed: number[] = [];
  while (plain.bytes.length < size) {
    const have = plain.bytes.length;
    const kind = have === 0 ? 0 : random.below(4);
    if (kind === 0) {
      const length = random.pick([1, 2, 59, 60, 61, 256, 257, 900]);
      const bytes = length <= 60 ? 0 : random.between(length <= 256 ? 1 : 2, 4);
      const field = bytes === 0 ? length - 1 : 59 + bytes;
      packed.push(field << 2);
      for (let i = 0; i < bytes; i++) packed.push(((length - 1) >>> (8 * i)) & 255);
      packed.push(...plain.literals(random, length));
    } else if (kind === 1) {
      const length = random.between(4, 11);
      const distance = random.between(1, Math.min(have, 2047));
      packed.push(1 | ((length - 4) << 2) | ((distance >> 8) << 5), distance & 255);
      plain.copy(distance, length);
    } else {
      const length = random.between(1, 64);
      const distance = random.between(1, Math.min(have, 65535));
      packed.push(kind | ((length - 1) << 2), distance & 255, distance >> 8);
      if (kind === 3) packed.push(0, 0);
      plain.copy(distance, length);
    }
  }
  const length = plain.bytes.length;
  const varint =
    length < 128
      ? [length]
      : [(length & 127) | 128, ...(length < 16384 ? [length >> 7] : [((length >> 7) & 127) | 128, length >> 14])];
  return { packed: Uint8Array.from([...varint, ...packed]), plain: Uint8Array.from(plain.bytes) };
}
