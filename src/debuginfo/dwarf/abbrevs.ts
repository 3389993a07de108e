/**
 * Tables of abbreviations (.debug_abbrev): which tag and which attributes in which forms an entry has.
 */
import { FormatError } from '../../base/errors.ts';
import { AT, FORM } from './constants.ts';
import { Cursor } from './cursor.ts';
import { fixedSize, type Widths } from './forms.ts';

const FORMAT = '.debug_abbrev';
/** C compilers make some hundred per unit. */
const MAX_ABBREVS = 1 << 20;
const MAX_ATTRIBUTES = 1 << 10;

export interface Abbrev {
  readonly tag: number;
  readonly children: boolean;
  readonly attributes: readonly number[];
  /** One for each attribute. */
  readonly forms: readonly number[];
  /** Values of DW_FORM_implicit_const by number of the attribute. */
  readonly implicit: ReadonlyMap<number, bigint> | undefined;
  /** Bytes of all attributes together; undefined where they tell themselves. */
  readonly size: number | undefined;
  /** Bytes before DW_AT_sibling when it has form ref4 and what precedes it is fixed; else undefined. */
  readonly siblingAt: number | undefined;
}

/** By code; most are small numbers without gaps. */
export type Abbrevs = readonly (Abbrev | undefined)[];

/** @throws FormatError */
export function readAbbrevs(section: Uint8Array, offset: number, widths: Widths): Abbrevs {
  if (offset >= section.length) throw new FormatError(FORMAT, 'no table of abbreviations', offset);
  const cursor = new Cursor(section, FORMAT, offset);
  const table: (Abbrev | undefined)[] = [];
  for (let code = cursor.uleb(); code !== 0; code = cursor.uleb()) {
    if (code > MAX_ABBREVS) throw new FormatError(FORMAT, `abbreviation number ${code}`, cursor.at);
    table[code] = readAbbrev(cursor, widths);
    cursor.check();
  }
  return table;
}

function readAbbrev(cursor: Cursor, widths: Widths): Abbrev {
  const tag = cursor.uleb();
  const children = cursor.u8() !== 0;
  const attributes: number[] = [];
  const forms: number[] = [];
  let implicit: Map<number, bigint> | undefined;
  let size: number | undefined = 0;
  let siblingAt: number | undefined;
  for (;;) {
    const attribute = cursor.uleb();
    const form = cursor.uleb();
    if (attribute === 0 && form === 0) break;
    if (form === FORM.implicit_const) {
      implicit ??= new Map();
      implicit.set(attributes.length, cursor.sleb());
    }
    if (attribute === AT.sibling && form === FORM.ref4) siblingAt = size;
    attributes.push(attribute);
    forms.push(form);
    if (attributes.length > MAX_ATTRIBUTES) throw new FormatError(FORMAT, 'an abbreviation without end', cursor.at);
    const bytes = fixedSize(form, widths);
    size = size === undefined || bytes === undefined ? undefined : size + bytes;
  }
  return { tag, children, attributes, forms, implicit, size, siblingAt };
}
