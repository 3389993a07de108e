/** One entry of .debug_info; its attributes are decoded when they are asked for. */
import { FormatError } from '../../base/errors.ts';
import type { Abbrev } from './abbrevs.ts';
import { AT, FORM } from './constants.ts';
import { Cursor } from './cursor.ts';
import type { DebugInfo, OpenUnit } from './debug-info.ts';
import { block, constantOf, directForm, fixedSize, isBlock, numberOf } from './forms.ts';

const FORMAT = '.debug_info';

interface Value {
  readonly form: number;
  readonly cursor: Cursor;
  readonly implicit: bigint | undefined;
}

export class Entry {
  readonly info: DebugInfo;
  readonly open: OpenUnit;
  readonly abbrev: Abbrev;
  /** From the start of the unit: of the entry, and behind its attributes. */
  readonly at: number;
  readonly end: number;
  readonly #positions: readonly number[];

  constructor(info: DebugInfo, open: OpenUnit, at: number, abbrev: Abbrev, positions: readonly number[], end: number) {
    this.info = info;
    this.open = open;
    this.at = at;
    this.abbrev = abbrev;
    this.#positions = positions;
    this.end = end;
  }

  get tag(): number {
    return this.abbrev.tag;
  }

  /** In .debug_info. */
  get offset(): number {
    return this.open.unit.offset + this.at;
  }

  has(attribute: number): boolean {
    return this.abbrev.attributes.includes(attribute);
  }

  #value(attribute: number): Value | undefined {
    const i = this.abbrev.attributes.indexOf(attribute);
    if (i < 0) return undefined;
    const cursor = new Cursor(this.open.bytes, FORMAT, this.#positions[i] ?? 0);
    const form = this.abbrev.forms[i] ?? 0;
    return {
      form: form === FORM.indirect ? directForm(cursor) : form,
      cursor,
      implicit: this.abbrev.implicit?.get(i),
    };
  }

  flag(attribute: number): boolean {
    return (this.number(attribute) ?? 0) !== 0;
  }

  /** A constant, or an offset in another section; undefined for expressions. @throws FormatError */
  number(attribute: number): number | undefined {
    const value = this.#value(attribute);
    if (value === undefined || isBlock(value.form)) return undefined;
    if (value.implicit !== undefined) return Number(value.implicit);
    return numberOf(value.cursor, value.form, this.open.unit);
  }

  /** A constant with all its bits; undefined for expressions. @throws FormatError */
  constant(attribute: number): bigint | undefined {
    const value = this.#value(attribute);
    if (value === undefined || isBlock(value.form) || value.form === FORM.data16) return undefined;
    return value.implicit ?? constantOf(value.cursor, value.form, this.open.unit);
  }

  /** Of a location or a value; undefined for constants. */
  expression(attribute: number): Uint8Array | undefined {
    const value = this.#value(attribute);
    return value === undefined || !isBlock(value.form) ? undefined : block(value.cursor, value.form);
  }

  form(attribute: number): number | undefined {
    return this.#value(attribute)?.form;
  }

  /** An address; undefined when it has none. @throws FormatError */
  address(attribute: number): bigint | undefined {
    const value = this.#value(attribute);
    if (value === undefined) return undefined;
    switch (value.form) {
      case FORM.addr:
        return constantOf(value.cursor, value.form, this.open.unit);
      case FORM.addrx:
      case FORM.addrx1:
      case FORM.addrx2:
      case FORM.addrx3:
      case FORM.addrx4:
      case FORM.GNU_addr_index:
        return this.info.address(this.open.unit, numberOf(value.cursor, value.form, this.open.unit));
      default:
        return undefined;
    }
  }

  /** @throws FormatError for strings of another file */
  string(attribute: number): string | undefined {
    const value = this.#value(attribute);
    if (value === undefined) return undefined;
    const { unit } = this.open;
    switch (value.form) {
      case FORM.string:
        return value.cursor.string();
      case FORM.strp:
        return this.info.stringAt('.debug_str', value.cursor.offset(unit.offsetSize));
      case FORM.line_strp:
        return this.info.stringAt('.debug_line_str', value.cursor.offset(unit.offsetSize));
      case FORM.strx:
      case FORM.strx1:
      case FORM.strx2:
      case FORM.strx3:
      case FORM.strx4:
      case FORM.GNU_str_index: {
        const index = numberOf(value.cursor, value.form, unit);
        return this.info.stringAt('.debug_str', this.info.stringOffset(unit, index));
      }
      default:
        throw new FormatError(FORMAT, `a string in form 0x${value.form.toString(16)}`, this.offset);
    }
  }

  get name(): string | undefined {
    return this.string(AT.name);
  }

  /** Offset in .debug_info that an attribute refers to. @throws FormatError */
  reference(attribute: number): number | undefined {
    const value = this.#value(attribute);
    if (value === undefined) return undefined;
    const { unit } = this.open;
    switch (value.form) {
      case FORM.ref1:
      case FORM.ref2:
      case FORM.ref4:
      case FORM.ref8:
      case FORM.ref_udata:
        return unit.offset + numberOf(value.cursor, value.form, unit);
      case FORM.ref_addr:
        return numberOf(value.cursor, value.form, unit);
      case FORM.ref_sig8:
        return this.info.typeUnit(value.cursor.big());
      default:
        throw new FormatError(FORMAT, `a reference in form 0x${value.form.toString(16)}`, this.offset);
    }
  }

  /** Where the entry behind this one and all below it begins, from the start of the unit, when it tells. */
  get sibling(): number | undefined {
    const value = this.#value(AT.sibling);
    if (value === undefined || fixedSize(value.form, this.open.unit) === undefined) return undefined;
    return numberOf(value.cursor, value.form, this.open.unit);
  }
}
