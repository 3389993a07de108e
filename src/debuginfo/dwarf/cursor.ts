/**
 * Reads DWARF's integers one after the other. What is read behind the end is zero, and the next `check` says so: hot loops
 * check once per entry and not once per byte. Numbers above 2^53 are not exact, but for `big` and `sleb`.
 */
import { FormatError } from '../../base/errors.ts';

export class Cursor {
  readonly bytes: Uint8Array;
  readonly format: string;
  readonly #view: DataView;
  /** Offset of the next byte. */
  at: number;

  /** @throws FormatError for a place before the beginning, which offsets that count backwards can lead to */
  constructor(bytes: Uint8Array, format: string, at = 0) {
    if (!(at >= 0)) throw new FormatError(format, 'refers to what lies before its beginning', at);
    this.bytes = bytes;
    this.format = format;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  /** @throws FormatError when something behind the end was read */
  check(): void {
    if (!(this.at <= this.bytes.length))
      throw new FormatError(this.format, `ends after ${this.bytes.length} bytes, in the middle of something`, this.at);
  }

  u8(): number {
    return this.bytes[this.at++] ?? 0;
  }

  u16(): number {
    const at = this.at;
    this.at += 2;
    return at + 2 <= this.bytes.length ? this.#view.getUint16(at, true) : 0;
  }

  u24(): number {
    return this.u8() | (this.u8() << 8) | (this.u8() << 16);
  }

  u32(): number {
    const at = this.at;
    this.at += 4;
    return at + 4 <= this.bytes.length ? this.#view.getUint32(at, true) : 0;
  }

  u64(): number {
    const low = this.u32();
    return low + this.u32() * 2 ** 32;
  }

  big(): bigint {
    const low = BigInt(this.u32());
    return low | (BigInt(this.u32()) << 32n);
  }

  /** 4 or 8 bytes. */
  offset(size: number): number {
    return size === 8 ? this.u64() : this.u32();
  }

  uleb(): number {
    let byte = this.u8();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let factor = 128; byte >= 0x80; factor *= 128) {
      byte = this.u8();
      value += (byte & 0x7f) * factor;
      // Ten bytes hold 64 bits; zeros may be padded, but not without end.
      if (factor > 2 ** 84) throw new FormatError(this.format, 'a number without end', this.at);
    }
    return value;
  }

  ulebBig(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 128n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new FormatError(this.format, 'a number without end', this.at);
  }

  sleb(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 128n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, (byte & 0x40) === 0 ? value : value - (1n << (shift + 7n)));
    }
    throw new FormatError(this.format, 'a number without end', this.at);
  }

  /** Leaves out a number. */
  skipLeb(): void {
    const { bytes } = this;
    while ((bytes[this.at++] ?? 0) >= 0x80);
  }

  /** Leaves out a string. */
  skipString(): void {
    const end = this.bytes.indexOf(0, this.at);
    this.at = end < 0 ? this.bytes.length + 1 : end + 1;
  }

  /** Latin-1: every byte survives. */
  string(): string {
    const from = Math.min(this.at, this.bytes.length);
    this.skipString();
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + from, Math.max(0, this.at - 1 - from)).toString(
      'latin1',
    );
  }
}
