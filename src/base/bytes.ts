/**
 * Reading integers out of bytes with checked bounds. One `ByteView` covers a byte range of one byte order; offsets are
 * relative to it. Every read outside throws FormatError, never a RangeError, and never returns a made-up value.
 */
import { FormatError } from './errors.ts';

const latin1 = new TextDecoder('latin1');
const utf8 = new TextDecoder('utf-8');

export class ByteView {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  /** What these bytes are, for error messages: 'kdump header', '.BTF'. */
  readonly format: string;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, format: string, littleEndian = true) {
    this.bytes = bytes;
    this.format = format;
    this.littleEndian = littleEndian;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  #check(offset: number, size: number): void {
    if (!(offset >= 0) || offset + size > this.bytes.length) {
      throw new FormatError(this.format, `needs ${size} bytes, has ${this.bytes.length}`, offset);
    }
  }

  u8(offset: number): number {
    this.#check(offset, 1);
    return this.#view.getUint8(offset);
  }
  u16(offset: number): number {
    this.#check(offset, 2);
    return this.#view.getUint16(offset, this.littleEndian);
  }
  u32(offset: number): number {
    this.#check(offset, 4);
    return this.#view.getUint32(offset, this.littleEndian);
  }
  s8(offset: number): number {
    this.#check(offset, 1);
    return this.#view.getInt8(offset);
  }
  s16(offset: number): number {
    this.#check(offset, 2);
    return this.#view.getInt16(offset, this.littleEndian);
  }
  s32(offset: number): number {
    this.#check(offset, 4);
    return this.#view.getInt32(offset, this.littleEndian);
  }
  u64(offset: number): bigint {
    this.#check(offset, 8);
    return this.#view.getBigUint64(offset, this.littleEndian);
  }
  s64(offset: number): bigint {
    this.#check(offset, 8);
    return this.#view.getBigInt64(offset, this.littleEndian);
  }
  /** A 64-bit field that must fit a number, such as a file offset; throws FormatError above 2^53. */
  size64(offset: number): number {
    const value = this.u64(offset);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError(this.format, `value ${value} is too large`, offset);
    return Number(value);
  }

  slice(offset: number, length: number): Uint8Array {
    this.#check(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  /** A NUL-terminated string of at most `max` bytes; without a NUL, all `max` bytes. Latin-1: every byte survives. */
  cstring(offset: number, max: number): string {
    this.#check(offset, 0);
    return cstring(this.bytes.subarray(offset, Math.min(this.bytes.length, offset + max)));
  }
}

/** Text up to the first NUL, as Latin-1: every byte of a hostile name survives to be escaped on output. */
export function cstring(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return latin1.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Text up to the first NUL as UTF-8, as for file names and log lines; invalid bytes become U+FFFD. */
export function utf8String(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** True when all bytes are zero. */
export function isAllZero(bytes: Uint8Array): boolean {
  let i = 0;
  if (bytes.byteOffset % 4 === 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
    for (let w = 0; w < words.length; w++) if (words[w] !== 0) return false;
    i = words.length * 4;
  }
  for (; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
