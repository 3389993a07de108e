/**
 * The location expression of a variable at one address: the one of its attribute, or that of the list in .debug_loc (DWARF 2
 * to 4) or .debug_loclists (5) which covers the address.
 */
import { FormatError } from '../../base/errors.ts';
import { AT, FORM } from './constants.ts';
import { Cursor } from './cursor.ts';
import type { Entry } from './entry.ts';

const MAX_ENTRIES = 1 << 16;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/**
 * @param address - of the file
 * @returns undefined where it has been optimised away
 * @throws FormatError
 */
export function expressionAt(entry: Entry, attribute: number, address: bigint): Uint8Array | undefined {
  const expression = entry.expression(attribute);
  if (expression !== undefined) return expression;
  const offset = entry.number(attribute);
  if (offset === undefined) return undefined;
  return entry.open.unit.version < 5 ? oldList(entry, offset, address) : listAt(entry, attribute, offset, address);
}

function oldList(entry: Entry, offset: number, address: bigint): Uint8Array | undefined {
  const { info, open } = entry;
  const cursor = new Cursor(info.section('.debug_loc'), '.debug_loc', offset);
  let base = info.root(open.unit).address(AT.low_pc) ?? 0n;
  for (let i = 0; i < MAX_ENTRIES; i++) {
    const start = cursor.big();
    const end = cursor.big();
    cursor.check();
    if (start === 0n && end === 0n) return undefined;
    if (start === ALL_ONES) {
      base = end;
      continue;
    }
    const expression = taken(cursor, cursor.u16());
    if (address >= base + start && address < base + end) return expression;
  }
  return undefined;
}

function listAt(entry: Entry, attribute: number, value: number, address: bigint): Uint8Array | undefined {
  const { info } = entry;
  const { unit } = entry.open;
  const section = info.section('.debug_loclists');
  let at = value;
  if (entry.form(attribute) === FORM.loclistx) {
    const base = info.root(unit).number(AT.loclists_base) ?? 0;
    const table = new Cursor(section, '.debug_loclists', base + value * unit.offsetSize);
    at = base + table.offset(unit.offsetSize);
    table.check();
  }
  const cursor = new Cursor(section, '.debug_loclists', at);
  let base = info.root(unit).address(AT.low_pc) ?? 0n;
  let fallback: Uint8Array | undefined;
  for (let i = 0; i < MAX_ENTRIES; i++) {
    const kind = cursor.u8();
    cursor.check();
    const indexed = (): bigint => info.address(unit, cursor.uleb());
    let start = 0n;
    let end = 0n;
    // DW_LLE_end_of_list and those behind it (DWARF 5, 7.25); GNU's view pair stands between them.
    if (kind === 0) return fallback;
    if (kind === 1) base = indexed();
    else if (kind === 2) [start, end] = [indexed(), indexed()];
    else if (kind === 3) {
      start = indexed();
      end = start + cursor.ulebBig();
    } else if (kind === 4) [start, end] = [base + cursor.ulebBig(), base + cursor.ulebBig()];
    else if (kind === 6) base = cursor.big();
    else if (kind === 7) [start, end] = [cursor.big(), cursor.big()];
    else if (kind === 8) {
      start = cursor.big();
      end = start + cursor.ulebBig();
    } else if (kind === 9) {
      cursor.skipLeb();
      cursor.skipLeb();
    } else if (kind !== 5) throw new FormatError('.debug_loclists', `kind ${kind}`, cursor.at);
    if (kind === 1 || kind === 6 || kind === 9) continue;
    const expression = taken(cursor, cursor.uleb());
    if (kind === 5) fallback ??= expression;
    else if (address >= start && address < end) return expression;
  }
  return undefined;
}

function taken(cursor: Cursor, length: number): Uint8Array {
  const from = cursor.at;
  cursor.at += length;
  cursor.check();
  return cursor.bytes.subarray(from, from + length);
}
