/**
 * Call frame information as a type pack keeps it: the functions by rising start, column by column, which compresses to a
 * fifth; equal common entries once. Their instructions stay as they are. Not DWARF's format: see `packCfi`.
 */
import { FormatError } from '../../base/errors.ts';
import type { Cie, CfiIndex } from './cfi-records.ts';
import { Cursor } from './cursor.ts';

const FORMAT = 'unwind rules of a type pack';

/**
 * Numbers are ULEB128: the base (8 bytes), the number of common entries, each with its alignments (that of data less its
 * sign, which is negative), return register, whether it is of a signal frame, and its instructions with their length before
 * them; then the number of functions, their starts, each less the one before, their lengths, common entries, lengths of
 * instructions, and all instructions.
 */
export function packCfi(index: CfiIndex): Uint8Array {
  const { bytes, starts, lengths, cieOf, froms, tos } = index;
  const out = new Writer();
  for (let i = 0n; i < 8n; i++) out.byte(Number((index.base >> (8n * i)) & 0xffn));
  const numbers = new Map<string, number>();
  const distinct: Cie[] = [];
  const numberOf = index.cies.map((cie) => {
    const program = Buffer.from(bytes.subarray(cie.from, cie.to)).toString('hex');
    const key = `${cie.codeAlign} ${cie.dataAlign} ${cie.returnRegister} ${cie.signal} ${program}`;
    const number = numbers.get(key) ?? distinct.push(cie) - 1;
    numbers.set(key, number);
    return number;
  });
  out.uleb(distinct.length);
  for (const cie of distinct) {
    out.uleb(cie.codeAlign);
    out.uleb(Math.abs(cie.dataAlign));
    out.uleb(cie.returnRegister);
    out.byte(cie.signal ? 1 : 0);
    out.uleb(cie.to - cie.from);
    out.bytes(bytes.subarray(cie.from, cie.to));
  }
  out.uleb(starts.length);
  starts.forEach((start, i) => out.uleb(start - (i === 0 ? 0 : (starts[i - 1] ?? 0))));
  lengths.forEach((length) => out.uleb(length));
  cieOf.forEach((cie) => out.uleb(numberOf[cie] ?? 0));
  const ends = tos.map((to, i) => withoutPadding(bytes, froms[i] ?? 0, to));
  ends.forEach((end, i) => out.uleb(end - (froms[i] ?? 0)));
  ends.forEach((end, i) => out.bytes(bytes.subarray(froms[i] ?? 0, end)));
  return out.done();
}

/** Programs are filled up with DW_CFA_nop (0). One is left: it may belong to the last instruction. */
function withoutPadding(bytes: Uint8Array, from: number, to: number): number {
  let end = to;
  while (end - 2 >= from && bytes[end - 1] === 0 && bytes[end - 2] === 0) end--;
  return end;
}

/** @throws FormatError */
export function unpackCfi(bytes: Uint8Array): CfiIndex {
  const cursor = new Cursor(bytes, FORMAT);
  const base = cursor.big();
  const limited = (count: number): number => {
    cursor.check();
    if (count > bytes.length) throw new FormatError(FORMAT, `claim ${count} entries`, cursor.at);
    return count;
  };
  const cies = Array.from({ length: limited(cursor.uleb()) }, (): Cie => {
    const [codeAlign, dataAlign, returnRegister] = [cursor.uleb(), -cursor.uleb(), cursor.uleb()];
    const signal = cursor.u8() !== 0;
    const size = limited(cursor.uleb());
    const from = cursor.at;
    cursor.at += size;
    return { codeAlign, dataAlign, returnRegister, signal, from, to: from + size };
  });
  const count = limited(cursor.uleb());
  const starts = new Float64Array(count);
  let start = 0;
  for (let i = 0; i < count; i++) starts[i] = start += cursor.uleb();
  const lengths = Float64Array.from({ length: count }, () => cursor.uleb());
  const cieOf = Uint32Array.from({ length: count }, () => cursor.uleb());
  const tos = Uint32Array.from({ length: count }, () => cursor.uleb());
  cursor.check();
  const froms = new Uint32Array(count);
  let at = cursor.at;
  for (let i = 0; i < count; i++) {
    froms[i] = at;
    at += tos[i] ?? 0;
    tos[i] = at;
  }
  if (at > bytes.length) throw new FormatError(FORMAT, `end after ${bytes.length} bytes`);
  return { bytes, cies, base, starts, lengths, cieOf, froms, tos, damage: undefined };
}

class Writer {
  #bytes = new Uint8Array(1 << 20);
  #size = 0;

  #room(more: number): void {
    if (this.#size + more <= this.#bytes.length) return;
    const grown = new Uint8Array((this.#size + more) * 2);
    grown.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = grown;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#size++] = value;
  }

  bytes(values: Uint8Array): void {
    this.#room(values.length);
    this.#bytes.set(values, this.#size);
    this.#size += values.length;
  }

  /** Below 2^53. */
  uleb(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
}
