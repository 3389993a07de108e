/**
 * Which addresses an entry covers: DW_AT_low_pc with DW_AT_high_pc, or a list in .debug_ranges (DWARF 3 and 4) or
 * .debug_rnglists (5).
 */
import { FormatError } from '../../base/errors.ts';
import { AT, FORM } from './constants.ts';
import { Cursor } from './cursor.ts';
import type { DebugInfo } from './debug-info.ts';
import type { Entry } from './entry.ts';
import type { Unit } from './units.ts';

export type Range = readonly [start: bigint, end: bigint];

const MAX_RANGES = 1 << 16;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** Empty for what has no code. @throws FormatError */
export function rangesOf(entry: Entry): readonly Range[] {
  const { info } = entry;
  const { unit } = entry.open;
  const list = entry.number(AT.ranges);
  if (list !== undefined) return unit.version < 5 ? oldRanges(info, unit, list) : rangeList(entry, list);
  const low = entry.address(AT.low_pc);
  if (low === undefined || !entry.has(AT.high_pc)) return [];
  const high = entry.address(AT.high_pc) ?? low + (entry.constant(AT.high_pc) ?? 0n);
  return high > low ? [[low, high]] : [];
}

/** Where ranges of the unit count from. */
function baseOf(info: DebugInfo, unit: Unit): bigint {
  return info.root(unit).address(AT.low_pc) ?? 0n;
}

function oldRanges(info: DebugInfo, unit: Unit, at: number): Range[] {
  const cursor = new Cursor(info.section('.debug_ranges'), '.debug_ranges', at);
  const ranges: Range[] = [];
  let base = baseOf(info, unit);
  while (ranges.length < MAX_RANGES) {
    const start = cursor.big();
    const end = cursor.big();
    cursor.check();
    if (start === 0n && end === 0n) break;
    if (start === ALL_ONES) base = end;
    else if (end > start) ranges.push([base + start, base + end]);
  }
  return ranges;
}

function rangeList(entry: Entry, value: number): Range[] {
  const { info } = entry;
  const { unit } = entry.open;
  const section = info.section('.debug_rnglists');
  let at = value;
  if (entry.form(AT.ranges) === FORM.rnglistx) {
    const { ranges } = info.bases(unit);
    const table = new Cursor(section, '.debug_rnglists', ranges + value * unit.offsetSize);
    at = ranges + table.offset(unit.offsetSize);
    table.check();
  }
  const cursor = new Cursor(section, '.debug_rnglists', at);
  const ranges: Range[] = [];
  let base = baseOf(info, unit);
  for (let i = 0; i < MAX_RANGES; i++) {
    const kind = cursor.u8();
    cursor.check();
    const indexed = (): bigint => info.address(unit, cursor.uleb());
    let range: Range = [0n, 0n];
    // DW_RLE_end_of_list and those behind it (DWARF 5, 7.25).
    if (kind === 0) break;
    if (kind === 1) base = indexed();
    else if (kind === 2) range = [indexed(), indexed()];
    else if (kind === 3) range = lengthRange(indexed(), cursor.ulebBig());
    else if (kind === 4) range = [base + cursor.ulebBig(), base + cursor.ulebBig()];
    else if (kind === 5) base = cursor.big();
    else if (kind === 6) range = [cursor.big(), cursor.big()];
    else if (kind === 7) range = lengthRange(cursor.big(), cursor.ulebBig());
    else throw new FormatError('.debug_rnglists', `kind ${kind}`, cursor.at);
    cursor.check();
    if (range[1] > range[0]) ranges.push(range);
  }
  return ranges;
}

function lengthRange(start: bigint, length: bigint): Range {
  return [start, start + length];
}

export function covers(ranges: readonly Range[], address: bigint): boolean {
  return ranges.some(([start, end]) => address >= start && address < end);
}
