/**
 * Values of attributes by their form (DWARF 5, 7.5.6; the forms of GNU's extensions of DWARF 4). One unit decides how wide
 * offsets and addresses are.
 */
import { FormatError } from '../../base/errors.ts';
import { FORM } from './constants.ts';
import type { Cursor } from './cursor.ts';

export interface Widths {
  readonly version: number;
  /** Bytes of an offset: 4, or 8 in 64-bit DWARF. */
  readonly offsetSize: number;
  readonly addressSize: number;
}

/** Bytes of a value; undefined where the value itself tells. */
export function fixedSize(form: number, widths: Widths): number | undefined {
  switch (form) {
    case FORM.flag_present:
    case FORM.implicit_const:
      return 0;
    case FORM.data1:
    case FORM.ref1:
    case FORM.flag:
    case FORM.strx1:
    case FORM.addrx1:
      return 1;
    case FORM.data2:
    case FORM.ref2:
    case FORM.strx2:
    case FORM.addrx2:
      return 2;
    case FORM.strx3:
    case FORM.addrx3:
      return 3;
    case FORM.data4:
    case FORM.ref4:
    case FORM.strx4:
    case FORM.addrx4:
    case FORM.ref_sup4:
      return 4;
    case FORM.data8:
    case FORM.ref8:
    case FORM.ref_sig8:
    case FORM.ref_sup8:
      return 8;
    case FORM.data16:
      return 16;
    case FORM.addr:
      return widths.addressSize;
    case FORM.ref_addr:
      // DWARF 2 took the size of an address.
      return widths.version < 3 ? widths.addressSize : widths.offsetSize;
    case FORM.strp:
    case FORM.sec_offset:
    case FORM.line_strp:
    case FORM.strp_sup:
    case FORM.GNU_ref_alt:
    case FORM.GNU_strp_alt:
      return widths.offsetSize;
    default:
      return undefined;
  }
}

/** @throws FormatError for a form that is not known: what follows cannot be found then */
export function skipForm(cursor: Cursor, form: number, widths: Widths): void {
  const size = fixedSize(form, widths);
  if (size !== undefined) {
    cursor.at += size;
    return;
  }
  switch (form) {
    case FORM.string:
      cursor.skipString();
      break;
    case FORM.udata:
    case FORM.sdata:
    case FORM.ref_udata:
    case FORM.strx:
    case FORM.addrx:
    case FORM.loclistx:
    case FORM.rnglistx:
    case FORM.GNU_addr_index:
    case FORM.GNU_str_index:
      cursor.skipLeb();
      break;
    case FORM.exprloc:
    case FORM.block:
    case FORM.block1:
    case FORM.block2:
    case FORM.block4:
      block(cursor, form);
      break;
    case FORM.indirect:
      skipForm(cursor, directForm(cursor), widths);
      break;
    default:
      throw new FormatError(cursor.format, `form 0x${form.toString(16)} is not known`, cursor.at);
  }
}

/** The form that `DW_FORM_indirect` stands for. */
export function directForm(cursor: Cursor): number {
  const form = cursor.uleb();
  if (form === FORM.indirect || form === FORM.implicit_const)
    throw new FormatError(cursor.format, 'an indirect form that is none', cursor.at);
  return form;
}

/** Bytes of a block or an expression. */
export function block(cursor: Cursor, form: number): Uint8Array {
  const size =
    form === FORM.block1
      ? cursor.u8()
      : form === FORM.block2
        ? cursor.u16()
        : form === FORM.block4
          ? cursor.u32()
          : cursor.uleb();
  const from = cursor.at;
  cursor.at += size;
  cursor.check();
  return cursor.bytes.subarray(from, cursor.at);
}

/** A number of any form but those of 16 bytes and of strings; addresses and constants above 2^53 are not exact. */
export function numberOf(cursor: Cursor, form: number, widths: Widths): number {
  switch (form) {
    case FORM.flag_present:
      return 1;
    case FORM.udata:
    case FORM.ref_udata:
    case FORM.strx:
    case FORM.addrx:
    case FORM.loclistx:
    case FORM.rnglistx:
    case FORM.GNU_addr_index:
    case FORM.GNU_str_index:
      return cursor.uleb();
    case FORM.sdata:
      return Number(cursor.sleb());
    default:
      break;
  }
  switch (fixedSize(form, widths)) {
    case 1:
      return cursor.u8();
    case 2:
      return cursor.u16();
    case 3:
      return cursor.u24();
    case 4:
      return cursor.u32();
    case 8:
      return cursor.u64();
    default:
      throw new FormatError(cursor.format, `form 0x${form.toString(16)} where a number is wanted`, cursor.at);
  }
}

/** A constant with all its bits; only DW_FORM_sdata is signed by itself. */
export function constantOf(cursor: Cursor, form: number, widths: Widths): bigint {
  if (form === FORM.sdata) return cursor.sleb();
  if (form === FORM.udata) return cursor.ulebBig();
  if (form === FORM.data8 || (form === FORM.addr && widths.addressSize === 8)) return cursor.big();
  return BigInt(numberOf(cursor, form, widths));
}

export function isBlock(form: number): boolean {
  return (
    form === FORM.exprloc || form === FORM.block || form === FORM.block1 || form === FORM.block2 || form === FORM.block4
  );
}
