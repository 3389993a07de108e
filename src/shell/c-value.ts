/**
 * Values of C types in gdb's layout, as crash prints structs: nested braces, strings of char arrays, characters beside
 * their numbers, names of enumerators, symbols behind pointers. Bytes that cannot be read are named where they stand.
 */
import { add, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt, FaultError } from '../base/errors.ts';
import type { CType, Member, StructType } from '../debuginfo/type.ts';
import type { Program } from '../program/program.ts';
import { sizeOf, strip } from '../program/types.ts';

/** Where the bytes of a value are: memory, or the result of an expression. */
export interface Place {
  /** @throws FaultError */
  bytes(offset: number, length: number): Uint8Array;
  /** Position of the lowest bit and number of bits, for a bit field. */
  readonly bits?: { readonly shift: number; readonly size: number };
  /** Where it lies in memory. */
  readonly address?: VirtAddr;
}

export interface ValueOptions {
  readonly program: Program;
  readonly radix: 10 | 16;
  /** Elements of an array and characters of a string that are shown; gdb's 200 are 256 in crash. */
  readonly elements?: number;
  /** Reads what `char *` points to. */
  readonly strings?: (address: VirtAddr, max: number) => Uint8Array;
  /** Called once for each part that cannot be read. */
  readonly unreadable?: (error: FaultError) => void;
}

/** gdb's `print elements` in crash: elements of arrays and characters of strings. */
const MAX_ELEMENTS = 256;
export const MAX_DEPTH = 32;
/** Elements of all arrays of one value together: a hostile type may nest arrays of arrays. */
const MAX_PIECES = 1 << 20;

export function memoryPlace(program: Pick<Program, 'memory'>, address: VirtAddr, bits?: Place['bits']): Place {
  const bytes = (offset: number, length: number): Uint8Array => program.memory.readBytes(add(address, offset), length);
  return bits === undefined ? { bytes, address } : { bytes, bits, address };
}

export function bytesPlace(value: Uint8Array): Place {
  return { bytes: (offset, length) => value.subarray(offset, offset + length) };
}

/** A part of a place. */
export function within(place: Place, offset: number, bits?: Place['bits']): Place {
  const bytes = (at: number, length: number): Uint8Array => place.bytes(offset + at, length);
  const address = place.address === undefined ? undefined : add(place.address, offset);
  return { bytes, ...(bits === undefined ? {} : { bits }), ...(address === undefined ? {} : { address }) };
}

class Printer {
  readonly #options: ValueOptions;
  readonly #elements: number;
  #pieces = 0;

  constructor(options: ValueOptions) {
    this.#options = options;
    this.#elements = options.elements ?? MAX_ELEMENTS;
  }

  /** @param indent - blanks in front of the closing brace */
  text(type: CType, place: Place, indent: number, depth = 0): string {
    if (depth > MAX_DEPTH || ++this.#pieces > MAX_PIECES) return '...';
    try {
      return this.#text(type, place, indent, depth);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      this.#options.unreadable?.(error);
      return `<cannot be read: ${error.reason}>`;
    }
  }

  #text(type: CType, place: Place, indent: number, depth: number): string {
    const bare = strip(type);
    switch (bare.kind) {
      case 'struct':
      case 'union':
        return this.#struct(bare, place, indent, depth);
      case 'array':
        return this.#array(bare.element, bare.length, place, indent, depth);
      case 'pointer':
        return this.#pointer(bare.target, BigInt.asUintN(64, scalar(place, 8, false)));
      case 'int':
        return this.#int(bare, place);
      case 'enum':
        return this.#enum(bare, place);
      case 'float':
        return floatText(place.bytes(0, bare.size));
      case 'void':
        return 'void';
      default:
        return '{...}';
    }
  }

  #struct(type: StructType, place: Place, indent: number, depth: number): string {
    if (type.members === undefined) return '<incomplete type>';
    if (type.members.length === 0) return '{<No data fields>}';
    const inner = ' '.repeat(indent + 2);
    const fields = type.members.map((member) => {
      const { offset, bits } = placeOf(member);
      const value = this.text(member.type, within(place, offset, bits), indent + 2, depth + 1);
      return `${inner}${member.name === undefined ? '' : `${member.name} = `}${value}`;
    });
    return `{\n${fields.join(',\n')}\n${' '.repeat(indent)}}`;
  }

  #array(element: CType, length: number, place: Place, indent: number, depth: number): string {
    const size = sizeOf(element);
    if (isChar(element) && length > 0 && size === 1)
      return this.#characters(place.bytes(0, Math.min(length, this.#elements + 1)), length);
    // Of an array without a length only the place is known.
    if (length === 0 && place.address !== undefined) return this.#pointer(element, place.address);
    const shown = Math.min(length, this.#elements);
    const parts: string[] = [];
    const inner = strip(element);
    const nested = inner.kind === 'struct' || inner.kind === 'union';
    for (let i = 0; i < shown; i++) {
      if (this.#pieces > MAX_PIECES) break;
      parts.push(this.text(element, within(place, i * size), nested ? indent + 2 : indent, depth + 1));
    }
    return `{${parts.join(', ')}${length > shown ? '...' : ''}}`;
  }

  /** A char array as gdb shows it: without the last byte where that is a NUL. */
  #characters(bytes: Uint8Array, length: number): string {
    const whole = bytes.length >= length;
    const cut =
      whole && bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes.subarray(0, Math.min(bytes.length, this.#elements));
    return `${quoted(cut)}${length > this.#elements ? '...' : ''}`;
  }

  #pointer(target: CType, value: bigint): string {
    const bare = strip(target);
    const at = virt(value);
    const symbol = symbolText(this.#options.program, at, isChar(target));
    const number = `0x${value.toString(16)}${symbol === undefined ? '' : ` <${symbol}>`}`;
    if (bare.kind !== 'int' || bare.size !== 1 || bare.encoding === 'bool' || !isChar(target) || value === 0n)
      return number;
    const { strings, program } = this.#options;
    const read = strings ?? ((address: VirtAddr, max: number) => program.memory.readCString(address, max));
    const bytes = attempt(() => read(at, this.#elements));
    if (bytes === undefined) return `${number} <error: Cannot access memory at address 0x${value.toString(16)}>`;
    return `${number} ${quoted(bytes)}${bytes.length >= this.#elements ? '...' : ''}`;
  }

  #int(type: CType & { readonly kind: 'int' }, place: Place): string {
    const value = scalar(place, type.size, type.signed);
    const { radix } = this.#options;
    const bits = place.bits?.size ?? type.size * 8;
    if (type.encoding === 'bool' && radix === 10) return value === 0n ? 'false' : value === 1n ? 'true' : String(value);
    if (radix === 16) return `0x${BigInt.asUintN(bits, value).toString(16)}`;
    return type.size === 1 && place.bits === undefined
      ? `${value} ${character(Number(BigInt.asUintN(8, value)))}`
      : String(value);
  }

  #enum(type: CType & { readonly kind: 'enum' }, place: Place): string {
    const value = scalar(place, type.size, type.signed);
    const exact = type.enumerators?.find((each) => each.value === value);
    if (exact !== undefined) return exact.name;
    const flags = flagNames(type.enumerators ?? [], value);
    return (
      flags ?? (this.#options.radix === 16 ? `0x${BigInt.asUintN(type.size * 8, value).toString(16)}` : String(value))
    );
  }
}

/** gdb calls an enum one of flags when each enumerator is one bit, or none. */
function flagNames(
  enumerators: readonly { readonly name: string; readonly value: bigint }[],
  value: bigint,
): string | undefined {
  const isFlag = (each: bigint): boolean => each >= 0n && (each & (each - 1n)) === 0n;
  if (value <= 0n || enumerators.length === 0 || !enumerators.every((each) => isFlag(each.value))) return undefined;
  let rest = value;
  const names: string[] = [];
  for (const each of enumerators) {
    if (each.value === 0n || (rest & each.value) === 0n) continue;
    names.push(each.name);
    rest &= ~each.value;
  }
  if (names.length === 0) return `(unknown: 0x${rest.toString(16)})`;
  if (rest !== 0n) names.push(`unknown: 0x${rest.toString(16)}`);
  return `(${names.join(' | ')})`;
}

/** Where a member's storage begins, bytes from the start of its struct, and its bits in there. */
export function placeOf(member: Member): { readonly offset: number; readonly bits?: NonNullable<Place['bits']> } {
  if (member.bitSize === undefined) return { offset: Math.floor(member.bitOffset / 8) };
  const offset = Math.floor(member.bitOffset / 8);
  return { offset, bits: { shift: member.bitOffset - offset * 8, size: member.bitSize } };
}

/** A little-endian integer, or the bits of one. @throws FaultError */
export function scalar(place: Place, size: number, signed: boolean): bigint {
  const { bits } = place;
  const length = bits === undefined ? size : Math.ceil((bits.shift + bits.size) / 8);
  if (length > 16) return 0n;
  const bytes = place.bytes(0, length);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  if (bits !== undefined) value = BigInt.asUintN(bits.size, value >> BigInt(bits.shift));
  return signed ? BigInt.asIntN(bits?.size ?? length * 8, value) : value;
}

function floatText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return String(view.getFloat32(0, true));
  if (bytes.length === 8) return String(view.getFloat64(0, true));
  return `<float of ${bytes.length} bytes>`;
}

/** char, signed char, unsigned char and what is a typedef of them: gdb shows them as characters. */
function isChar(type: CType): boolean {
  const bare = strip(type);
  return bare.kind === 'int' && bare.size === 1 && bare.encoding !== 'bool';
}

const ESCAPES: { readonly [code: number]: string } = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  27: '\\033',
  92: '\\\\',
};

function escaped(code: number, quote: string): string {
  const known = ESCAPES[code];
  if (known !== undefined) return known;
  const char = String.fromCharCode(code);
  if (char === quote) return `\\${char}`;
  return code >= 32 && code < 127 ? char : `\\${code.toString(8).padStart(3, '0')}`;
}

/** Bytes as a C string, all of them. */
export function quoted(bytes: Uint8Array): string {
  let out = '';
  for (const code of bytes) out += escaped(code, '"');
  return `"${out}"`;
}

function character(code: number): string {
  return `'${escaped(code, "'")}'`;
}

/** Data behind a symbol that far is hardly its own: kallsyms does not tell sizes. */
const MAX_OFFSET = 1 << 14;

/**
 * 'name+8' of the symbol at a kernel address; undefined for the heap and for absolute and per-CPU symbols.
 * @param isString - strings stand between other constants, and have no symbols
 */
export function symbolText(program: Program, at: VirtAddr, isString = false): string | undefined {
  if (!isKernel(at)) return undefined;
  const symbol = program.symbols.at(at);
  if (symbol === undefined || /^[aA]$/.test(symbol.type) || symbol.offset > MAX_OFFSET) return undefined;
  if (symbol.offset === 0) return symbol.name;
  return isString && /^[rR]$/.test(symbol.type) ? undefined : `${symbol.name}+${symbol.offset}`;
}

/** The value as text; lines after the first are indented by `indent` blanks more. */
export function valueText(type: CType, place: Place, options: ValueOptions, indent = 0): string {
  return new Printer(options).text(type, place, indent);
}
