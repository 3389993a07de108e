/**
 * Where members lie: byte offsets, bit fields as DWARF 4 and 5 tell them (DW_AT_data_bit_offset, from the low end) and as
 * older compilers do (DW_AT_bit_offset, from the high end of the storage unit, on little-endian machines), lengths of arrays.
 */
import { FormatError } from '../../base/errors.ts';
import { AT, TAG } from './constants.ts';
import { Cursor } from './cursor.ts';
import type { Entry } from './entry.ts';

const FORMAT = '.debug_info';
const OP_CONSTU = 0x10;
const OP_PLUS_UCONST = 0x23;

/** Bytes from the start of the enclosing type; 0 where it does not tell, as in unions. @throws FormatError */
export function memberOffset(member: Entry): number {
  const expression = member.expression(AT.data_member_location);
  if (expression === undefined) return checked(member, member.number(AT.data_member_location) ?? 0);
  // DWARF 2 and 3 of old compilers: the address of the struct plus a constant.
  const cursor = new Cursor(expression, FORMAT);
  const operation = cursor.u8();
  if (operation !== OP_PLUS_UCONST && operation !== OP_CONSTU)
    throw new FormatError(FORMAT, 'a member whose place has to be computed', member.offset);
  const offset = cursor.uleb();
  cursor.check();
  return checked(member, offset);
}

/** 2^50 bytes are more than any type has, and 8 times that is still exact. */
const LARGEST = 2 ** 50;

function checked(member: Entry, offset: number): number {
  if (!(offset >= 0 && offset < LARGEST)) throw new FormatError(FORMAT, `a member at ${offset}`, member.offset);
  return offset;
}

/** Bytes of a type; undefined when it does not tell. @throws FormatError */
export function byteSize(entry: Entry): number | undefined {
  const size = entry.number(AT.byte_size);
  if (size !== undefined && !(size >= 0 && size < LARGEST))
    throw new FormatError(FORMAT, `a type of ${size} bytes`, entry.offset);
  return size;
}

/**
 * @param offset - bytes, of the member's storage unit
 * @param typeSize - bytes of its type
 */
export function bitFieldOf(
  member: Entry,
  offset: number,
  typeSize: () => number | undefined,
): { readonly bitOffset: number; readonly bitSize: number | undefined } {
  const bitSize = member.number(AT.bit_size);
  if (bitSize === undefined) return { bitOffset: offset * 8, bitSize: undefined };
  checked(member, bitSize);
  const fromLow = member.number(AT.data_bit_offset);
  if (fromLow !== undefined) return { bitOffset: offset * 8 + checked(member, fromLow), bitSize };
  const fromHigh = member.number(AT.bit_offset);
  if (fromHigh === undefined) return { bitOffset: offset * 8, bitSize };
  const storage = member.number(AT.byte_size) ?? typeSize();
  if (storage === undefined) throw new FormatError(FORMAT, 'a bit field of a type without a size', member.offset);
  const bitOffset = (offset + storage) * 8 - Number(BigInt.asIntN(32, BigInt(fromHigh))) - bitSize;
  return { bitOffset: checked(member, bitOffset), bitSize };
}

/** One for each dimension, the outermost first; 0 for a flexible one and for what is computed at run time. */
export function arrayLengths(children: Iterable<Entry>): number[] {
  const lengths: number[] = [];
  for (const child of children) {
    if (child.tag !== TAG.subrange_type && child.tag !== TAG.enumeration_type) continue;
    const count = child.constant(AT.count);
    const last = child.constant(AT.upper_bound);
    const length = count ?? (last === undefined ? 0n : last + 1n);
    // -1 in all the widths that compilers have written it in.
    const none = length <= 0n || length === 2n ** 32n || length === 2n ** 64n;
    if (!none && length >= LARGEST) throw new FormatError(FORMAT, `an array of ${length}`, child.offset);
    lengths.push(none ? 0 : Number(length));
    if (lengths.length > 32) throw new FormatError(FORMAT, 'an array with too many dimensions', child.offset);
  }
  // Without any it is one of an unknown length.
  return lengths.length === 0 ? [0] : lengths;
}
