/**
 * Hand-built DWARF by the standard alone: entries as a tree, of which .debug_info and .debug_abbrev are written. Shares
 * nothing with the reader. Values are written in the form that is given, be it nonsense.
 */
import type { SectionSpec } from './elf-image.ts';

/** Attribute, form, value: a number, bytes, a string (in place), or the label of another entry of the unit. */
export type Attribute = readonly [
  attribute: number,
  form: number,
  value?: number | bigint | string | Uint8Array | { readonly to: string },
];

export interface EntrySpec {
  readonly tag: number;
  readonly label?: string;
  readonly attributes: readonly Attribute[];
  readonly children?: readonly EntrySpec[];
}

export interface UnitSpec {
  readonly version: 2 | 3 | 4 | 5;
  readonly root: EntrySpec;
  /** Signature of a type unit, and the label of its type. */
  readonly type?: { readonly signature: bigint; readonly label: string };
}

export function uleb(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return bytes;
}

export function sleb(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    const last = (rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0);
    bytes.push(last ? byte : byte | 0x80);
    if (last) return bytes;
  }
}

function little(value: number | bigint, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

const SIZES: { readonly [form: number]: number } = {
  0x01: 8,
  0x05: 2,
  0x06: 4,
  0x07: 8,
  0x0b: 1,
  0x0c: 1,
  0x0e: 4,
  0x10: 4,
  0x11: 1,
  0x12: 2,
  0x13: 4,
  0x14: 8,
  0x17: 4,
  0x1f: 4,
  0x20: 8,
  0x25: 1,
  0x26: 2,
  0x27: 3,
  0x28: 4,
  0x29: 1,
  0x2a: 2,
  0x2b: 3,
  0x2c: 4,
};
const REF4 = 0x13;

export function dwarfSections(units: readonly UnitSpec[]): SectionSpec[] {
  const info: number[] = [];
  const abbrev: number[] = [];
  for (const unit of units) writeUnit(unit, info, abbrev);
  return [
    { name: '.debug_info', data: Uint8Array.from(info) },
    { name: '.debug_abbrev', data: Uint8Array.from(abbrev) },
  ];
}

function writeUnit(unit: UnitSpec, info: number[], abbrev: number[]): void {
  const start = info.length;
  const abbrevOffset = abbrev.length;
  const kind = unit.type === undefined ? 1 : 2;
  info.push(0, 0, 0, 0, ...little(unit.version, 2));
  if (unit.version >= 5) info.push(kind, 8, ...little(abbrevOffset, 4));
  else info.push(...little(abbrevOffset, 4), 8);
  const typeAt = info.length;
  if (unit.type !== undefined) info.push(...little(unit.type.signature, 8), 0, 0, 0, 0);
  const labels = new Map<string, number>();
  const fixups: { readonly at: number; readonly size: number; readonly to: string }[] = [];
  let codes = 0;
  const write = (entry: EntrySpec): void => {
    if (entry.label !== undefined) labels.set(entry.label, info.length - start);
    const code = ++codes;
    abbrev.push(...uleb(code), ...uleb(entry.tag), entry.children === undefined ? 0 : 1);
    info.push(...uleb(code));
    for (const [attribute, form, value = 0] of entry.attributes) {
      abbrev.push(...uleb(attribute), ...uleb(form));
      if (form === 0x21) abbrev.push(...sleb(value as number));
      else if (typeof value === 'object' && 'to' in value) {
        const size = SIZES[form] ?? 4;
        fixups.push({ at: info.length, size, to: value.to });
        info.push(...little(0, size));
      } else info.push(...valueBytes(form, value));
    }
    abbrev.push(0, 0);
    if (entry.children === undefined) return;
    for (const child of entry.children) write(child);
    info.push(0);
  };
  write(unit.root);
  abbrev.push(0);
  const put = (at: number, value: number, size: number): void => {
    little(value, size).forEach((byte, i) => (info[at + i] = byte));
  };
  for (const { at, size, to } of fixups) put(at, labels.get(to) ?? 0, size);
  if (unit.type !== undefined) put(typeAt + 8, labels.get(unit.type.label) ?? 0, 4);
  put(start, info.length - start - 4, 4);
}

function valueBytes(form: number, value: number | bigint | string | Uint8Array): number[] {
  if (typeof value === 'string') return [...Buffer.from(`${value}\0`, 'latin1')];
  if (typeof value === 'object') return form === 0x18 ? [...uleb(value.length), ...value] : [value.length, ...value];
  if (form === 0x19) return [];
  if (form === 0x0d) return sleb(value);
  const size = SIZES[form];
  return size === undefined ? uleb(value) : little(value, size);
}

/** A reference by DW_FORM_ref4. */
export function typeOf(label: string): Attribute {
  return [0x49, REF4, { to: label }];
}

/** DW_AT_name in place. */
export function named(name: string): Attribute {
  return [0x03, 0x08, name];
}
