/**
 * Reading integers out of bytes with checked bounds. One `ByteView` covers a byte range of one byte order; offsets are
 * relative to it. Every read outside throws FormatError, never a RangeError, and never returns a made-up value.
 */
import { FormatError } from './errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

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
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new FormatError(this.format, `value ${value} is too large`, offset);
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

function upToNul(bytes: Uint8Array): Buffer {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end);
}

/** Text up to the first NUL, as Latin-1: for identifiers, and wherever every byte of a hostile name must survive. */
export function cstring(bytes: Uint8Array): string {
  return upToNul(bytes).toString('latin1');
}

/** Text up to the first NUL: UTF-8 where it is valid, as names of tasks, files and log lines are, else Latin-1. */
export function textString(bytes: Uint8Array): string {
  const raw = upToNul(bytes);
  try {
    return utf8.decode(raw);
  } catch {
    return raw.toString('latin1');
  }
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
