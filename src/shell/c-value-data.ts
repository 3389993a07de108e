/**
 * Values of C types as data, for `--json`: numbers, hex of pointers, text of `char`s, names of enumerators, lists, objects.
 * What cannot be read is left out.
 */
import { hex } from '../base/address.ts';
import { textString } from '../base/bytes.ts';
import { FaultError } from '../base/errors.ts';
import type { CType, StructType } from '../debuginfo/type.ts';
import type { Data } from '../model/value.ts';
import { sizeOf, strip } from '../program/types.ts';
import { MAX_DEPTH, type Place, placeOf, scalar, within } from './c-value.ts';
import { integer } from './format.ts';

/** Of an array of characters. */
const MAX_TEXT = 1 << 16;
/** Of one value: arrays of arrays of structures would end nowhere. */
const MAX_LEAVES = 1 << 18;

/**
 * The value as data: numbers, hex of pointers, text of `char`s up to NUL (other bytes are numbers), lists and objects. A
 * list that was cut ends with `{ left_out: n }`.
 */
export function valueData(type: CType, place: Place): Data {
  return dataOf(type, place, 0, { leaves: MAX_LEAVES });
}

interface Budget {
  leaves: number;
}

function dataOf(type: CType, place: Place, depth: number, budget: Budget): Data {
  if (depth > MAX_DEPTH) return undefined;
  budget.leaves--;
  const bare = strip(type);
  try {
    switch (bare.kind) {
      case 'struct':
      case 'union':
        return structData(bare, place, depth, budget);
      case 'array':
        return isText(bare.element) && bare.length > 0
          ? textString(place.bytes(0, Math.min(bare.length, MAX_TEXT)))
          : listData(bare.element, bare.length, place, depth, budget);
      case 'pointer':
        return hex(scalar(place, 8, false));
      case 'int':
        return bare.encoding === 'bool'
          ? scalar(place, bare.size, false) !== 0n
          : integer(scalar(place, bare.size, bare.signed));
      case 'enum': {
        const value = scalar(place, bare.size, bare.signed);
        return bare.enumerators?.find((each) => each.value === value)?.name ?? integer(value);
      }
      default:
        return undefined;
    }
  } catch (error) {
    if (error instanceof FaultError) return undefined;
    throw error;
  }
}

/** `char` holds text; `unsigned char` and `signed char` (u8, s8) hold numbers: addresses, uuids, counters. */
function isText(type: CType): boolean {
  const bare = strip(type);
  return bare.kind === 'int' && bare.name === 'char';
}

function listData(element: CType, length: number, place: Place, depth: number, budget: Budget): Data {
  const size = sizeOf(element);
  const out: Data[] = [];
  while (out.length < length && budget.leaves > 0)
    out.push(dataOf(element, within(place, out.length * size), depth + 1, budget));
  return out.length < length ? [...out, { left_out: length - out.length }] : out;
}

/** Members of anonymous structs stand among their neighbours, as C has it. */
function structData(type: StructType, place: Place, depth: number, budget: Budget): Data {
  const out: { [key: string]: Data } = {};
  for (const member of type.members ?? []) {
    const { offset, bits } = placeOf(member);
    const value = dataOf(member.type, within(place, offset, bits), depth + 1, budget);
    if (member.name !== undefined) out[member.name] = value;
    else if (typeof value === 'object') Object.assign(out, value);
  }
  return out;
}
