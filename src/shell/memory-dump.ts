/** Memory in rows, as `rd` and `struct -r` show it. */
import { add, type VirtAddr, virt } from '../base/address.ts';
import type { TextLine } from '../model/shape.ts';
import { hex16 } from './format.ts';

export interface DumpFormat {
  /** Bytes of a unit. */
  readonly size: 1 | 2 | 4 | 8;
  readonly numbers: 'hex' | 'signed' | 'unsigned';
  /** Characters at the right of each row. */
  readonly text: boolean;
  /** The most significant byte first. */
  readonly network: boolean;
  /** What stands for a unit instead of its number: a symbol, a slab cache. */
  readonly name?: (value: bigint) => string | undefined;
}

export const WORDS: DumpFormat = { size: 8, numbers: 'hex', text: true, network: false };

/** How wide a unit is, by its size: with hex digits, or with decimal ones. */
const DECIMAL_WIDTH = { 1: 4, 2: 6, 4: 12, 8: 15 };
const UNSIGNED_WIDTH = { 1: 3, 2: 5, 4: 10, 8: 20 };

/**
 * Rows of 16 bytes.
 * @param read - bytes at an address. @throws FaultError
 */
export function* dumpRows(
  start: VirtAddr,
  count: number,
  format: DumpFormat,
  read: (address: VirtAddr, length: number) => Uint8Array,
): Generator<TextLine> {
  const perRow = 16 / format.size;
  const width = unitWidth(format);
  for (let done = 0; done < count; done += perRow) {
    const units = Math.min(perRow, count - done);
    const at = add(start, done * format.size);
    const bytes = read(at, units * format.size);
    const cells = Array.from({ length: units }, (_, i) =>
      unitText(bytes.subarray(i * format.size, (i + 1) * format.size), format),
    );
    const row = cells.map((cell) => cell.padStart(width)).join(' ');
    const full = perRow * (width + 1) - 1;
    const text = format.text ? `   ${printable(bytes)}` : ' ';
    yield [
      { text: at.toString(16).padStart(16), style: 'address' },
      `:  ${format.text ? row.padEnd(full) : row}${text}`,
    ];
  }
}

function unitWidth({ size, numbers, name }: DumpFormat): number {
  if (name !== undefined) return 0;
  return numbers === 'hex' ? size * 2 : numbers === 'signed' ? DECIMAL_WIDTH[size] : UNSIGNED_WIDTH[size];
}

function unitText(bytes: Uint8Array, { size, numbers, network, name }: DumpFormat): string {
  let value = 0n;
  for (let i = 0; i < size; i++) value = (value << 8n) | BigInt(bytes[network ? i : size - 1 - i] ?? 0);
  if (name !== undefined) return (name(value) ?? hex16(value)).padEnd(16);
  if (numbers === 'signed') return BigInt.asIntN(size * 8, value).toString();
  if (numbers === 'unsigned') return value.toString();
  return value.toString(16).padStart(size * 2, '0');
}

/** A dot for what is no printable ASCII. */
export function printable(bytes: Uint8Array): string {
  let out = '';
  for (const code of bytes) out += code >= 32 && code < 127 ? String.fromCharCode(code) : '.';
  return out;
}

/** The start of a dump that ends before `end`. */
export function countUntil(start: VirtAddr, end: VirtAddr, size: number): number {
  const bytes = virt(end - start);
  return bytes > 1n << 40n ? 0 : Math.ceil(Number(bytes) / size);
}
