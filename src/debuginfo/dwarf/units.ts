/**
 * Headers of the units in .debug_info and .debug_types (DWARF 2 to 5, 7.5.1). An offset names one byte of both sections
 * taken together: .debug_types lies behind .debug_info.
 */
import { FormatError } from '../../base/errors.ts';
import type { SectionBytes } from '../elf-image.ts';
import { Cursor } from './cursor.ts';
import type { Widths } from './forms.ts';

const FORMAT = '.debug_info';
const MAX_HEADER = 40;
/** DW_UT_type, DW_UT_split_type. */
const UT_TYPE = 2;
const UT_SPLIT_TYPE = 6;
const UT_SKELETON = 4;
const UT_SPLIT_COMPILE = 5;

export interface Unit extends Widths {
  /** Of the header. */
  readonly offset: number;
  /** One behind the last byte. */
  readonly end: number;
  /** Of the first entry. */
  readonly first: number;
  readonly abbrevOffset: number;
  /** Of a type unit: its signature and the offset of the type. */
  readonly type: { readonly signature: bigint; readonly offset: number } | undefined;
}

export interface UnitList {
  readonly units: readonly Unit[];
  /** Why the rest is not read, undefined when it is read to the end. */
  readonly damage: FormatError | undefined;
}

/**
 * All units of a section. One of a version that is not known is left out; a damaged header ends the list.
 * @param base - offset of the section
 * @param types - the section is .debug_types of DWARF 4
 */
export function readUnits(section: SectionBytes, base: number, types: boolean): UnitList {
  const units: Unit[] = [];
  for (let at = 0; at < section.size; ) {
    try {
      const { unit, next } = readHeader(section, at, base, types);
      if (unit !== undefined) units.push(unit);
      at = next;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { units, damage: error };
    }
  }
  return { units, damage: undefined };
}

function readHeader(
  section: SectionBytes,
  at: number,
  base: number,
  types: boolean,
): { readonly unit: Unit | undefined; readonly next: number } {
  const cursor = new Cursor(section.read(at, Math.min(MAX_HEADER, section.size - at)), FORMAT);
  let offsetSize = 4;
  let length = cursor.u32();
  if (length === 0xffffffff) {
    offsetSize = 8;
    length = cursor.u64();
  } else if (length >= 0xfffffff0) throw new FormatError(FORMAT, 'a reserved length', at);
  const next = at + cursor.at + length;
  if (!(next <= section.size) || length < 7) throw new FormatError(FORMAT, `a unit of ${length} bytes`, at);
  const version = cursor.u16();
  if (version < 2 || version > 5) return { unit: undefined, next };
  const kind = version < 5 ? (types ? UT_TYPE : 1) : cursor.u8();
  let addressSize = version < 5 ? 0 : cursor.u8();
  const abbrevOffset = cursor.offset(offsetSize);
  if (version < 5) addressSize = cursor.u8();
  if (addressSize !== 8 && addressSize !== 4) throw new FormatError(FORMAT, `addresses of ${addressSize} bytes`, at);
  let type: Unit['type'];
  if (kind === UT_TYPE || kind === UT_SPLIT_TYPE) {
    const signature = cursor.big();
    type = { signature, offset: base + at + cursor.offset(offsetSize) };
  } else if (kind === UT_SKELETON || kind === UT_SPLIT_COMPILE) cursor.at += 8;
  cursor.check();
  const unit: Unit = {
    offset: base + at,
    end: base + next,
    first: base + at + cursor.at,
    version,
    offsetSize,
    addressSize,
    abbrevOffset,
    type,
  };
  return { unit, next };
}
