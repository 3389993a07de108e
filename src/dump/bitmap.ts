/**
 * One of the two bitmaps of a kdump file: a bit per page frame, lowest bit of a byte first. It is read where it is
 * asked for, never held whole (32 MB per terabyte). `RankedBitmap` adds the number of set bits before a frame, which is
 * the index of the frame's page descriptor: one Uint32 per 4096 frames (256 KB per terabyte), filled in one pass.
 */
import { FormatError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';

/** Frames per index entry. */
const CHUNK_SHIFT = 12;
const CHUNK_BITS = 1 << CHUNK_SHIFT;
const CHUNK_BYTES = CHUNK_BITS / 8;
/** Bytes read at once in the counting pass; a multiple of CHUNK_BYTES. */
const PASS_BYTES = 256 * 1024;

export class Bitmap {
  protected readonly source: ByteSource;
  protected readonly offset: number;
  readonly bits: number;

  /**
   * @param offset - byte offset of the bitmap in the source; all of its bytes must lie inside
   * @param bits - number of page frames
   */
  constructor(source: ByteSource, offset: number, bits: number) {
    this.source = source;
    this.offset = offset;
    this.bits = bits;
  }

  /** @throws FormatError when the bitmap cannot be read there */
  has(bit: number): boolean {
    if (!(bit >= 0) || bit >= this.bits) return false;
    const byte = this.source.peek(this.offset + Math.floor(bit / 8), 1)[0] ?? 0;
    return ((byte >> (bit % 8)) & 1) === 1;
  }

  /** Calls `visit` with every whole chunk; the bits behind `bits` are cleared. */
  protected pass(visit: (words: Uint32Array, chunk: number) => void): void {
    const total = Math.ceil(this.bits / 8);
    const buffer = new Uint8Array(Math.min(PASS_BYTES, Math.ceil(total / CHUNK_BYTES) * CHUNK_BYTES));
    for (let at = 0; at < total; at += buffer.length) {
      const part = Math.min(buffer.length, total - at);
      this.source.read(this.offset + at, buffer.subarray(0, part));
      buffer.fill(0, part);
      if (at + part === total && this.bits % 8 !== 0) {
        buffer[part - 1] = (buffer[part - 1] ?? 0) & ((1 << (this.bits % 8)) - 1);
      }
      for (let chunk = 0; chunk < part; chunk += CHUNK_BYTES) {
        visit(new Uint32Array(buffer.buffer, chunk, CHUNK_BYTES / 4), (at + chunk) / CHUNK_BYTES);
      }
    }
  }

  /** Number of set bits. One pass over the bitmap. */
  count(): number {
    let total = 0;
    this.pass((words) => {
      total += popcountWords(words, words.length);
    });
    return total;
  }
}

export class RankedBitmap extends Bitmap {
  /** Set bits before each chunk, and in all. */
  readonly #before: Uint32Array;
  readonly total: number;

  /** @throws FormatError when the bitmap cannot be read or has more set bits than can be counted */
  constructor(source: ByteSource, offset: number, bits: number) {
    super(source, offset, bits);
    const chunks = Math.ceil(bits / CHUNK_BITS);
    const before = new Uint32Array(chunks + 1);
    let total = 0;
    this.pass((words, chunk) => {
      before[chunk] = total;
      total += popcountWords(words, words.length);
    });
    if (total >= 2 ** 32) throw new FormatError('kdump', `${total} pages are more than can be indexed`);
    before[chunks] = total;
    this.#before = before;
    this.total = total;
  }

  /**
   * How many set bits stand before `bit` when it is set itself, else -1.
   * @throws FormatError when the bitmap cannot be read there
   */
  rank(bit: number): number {
    if (!(bit >= 0) || bit >= this.bits) return -1;
    const chunk = Math.floor(bit / CHUNK_BITS);
    const within = bit % CHUNK_BITS;
    const bytes = this.source.peek(this.offset + chunk * CHUNK_BYTES, (within >> 3) + 1);
    if ((((bytes[within >> 3] ?? 0) >> (within & 7)) & 1) === 0) return -1;
    return (this.#before[chunk] ?? 0) + bitsBefore(bytes, within);
  }

  /**
   * How many set bits stand before `bit`, which may be one above the last.
   * @throws FormatError when the bitmap cannot be read there
   */
  before(bit: number): number {
    if (bit >= this.bits) return this.total;
    const chunk = Math.floor(bit / CHUNK_BITS);
    const within = bit % CHUNK_BITS;
    const bytes = this.source.peek(this.offset + chunk * CHUNK_BYTES, (within >> 3) + 1);
    return (this.#before[chunk] ?? 0) + bitsBefore(bytes, within);
  }

  /**
   * The first set bit at or above `from`, or -1.
   * @throws FormatError when the bitmap cannot be read there
   */
  next(from: number): number {
    let bit = Math.max(0, from);
    while (bit < this.bits) {
      const chunk = Math.floor(bit / CHUNK_BITS);
      if (this.#before[chunk] !== this.#before[chunk + 1]) {
        const base = chunk * CHUNK_BITS;
        const length = Math.min(CHUNK_BITS, this.bits - base);
        const bytes = this.source.peek(this.offset + chunk * CHUNK_BYTES, Math.ceil(length / 8));
        for (let within = bit - base; within < length; ) {
          const rest = (bytes[within >> 3] ?? 0) >> (within & 7);
          if (rest === 0) within = (within | 7) + 1;
          else if ((rest & 1) === 1) return base + within;
          else within++;
        }
      }
      bit = (chunk + 1) * CHUNK_BITS;
    }
    return -1;
  }
}

/** Set bits among the first `count`, the byte of the next bit included in `bytes`. */
function bitsBefore(bytes: Uint8Array, count: number): number {
  const whole = count >> 3;
  let bits = popcount((bytes[whole] ?? 0) & ((1 << (count & 7)) - 1));
  let at = 0;
  for (; at + 4 <= whole; at += 4) {
    bits += popcount(
      (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24),
    );
  }
  for (; at < whole; at++) bits += popcount(bytes[at] ?? 0);
  return bits;
}

/** Number of set bits in 32. */
function popcount(word: number): number {
  let v = word;
  v -= (v >>> 1) & 0x55555555;
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function popcountWords(words: Uint32Array, length: number): number {
  let total = 0;
  for (let i = 0; i < length; i++) {
    const word = words[i] ?? 0;
    if (word !== 0) total += popcount(word);
  }
  return total;
}
