/**
 * The tables of kallsyms in the kernel's rodata and how they are decoded (scripts/kallsyms.c, kernel/kallsyms.c):
 * - up to Linux 4.5 `kallsyms_addresses` is u64[]; since 4.6 `kallsyms_offsets` is s32[] next to
 *   `kallsyms_relative_base` (2213e9a66bb8); since 7.0 an offset is relative to its own place and the base is gone;
 * - with a base, x86-64 up to 6.14 stores per-CPU offsets as they are (>= 0) and addresses as `base - 1 - offset`
 *   (< 0): "absolute per-CPU"; others store `base + offset`;
 * - markers are u64 up to 4.19 and u32 later; lengths take two bytes from 0x80 on since 6.1 (73bbb94466fd). Nothing
 *   says which: both are walked, and the one that meets every marker counts.
 */
import { add, alignDown, distance, sub, type VirtAddr, virt } from '../base/address.ts';
import { ByteView } from '../base/bytes.ts';
import { attempt, FormatError, isDataError } from '../base/errors.ts';
import type { MemoryReader } from '../base/memory.ts';
import { addressOf, signedOf } from './address-index.ts';
import { KallsymsNames, MARKER_STEP, Tokens, walkNames } from './kallsyms-names.ts';
import { salvageAddresses, salvageNames } from './kallsyms-salvage.ts';
import { readAround } from './memory-scan.ts';

const FORMAT = 'kallsyms';
/** A distribution kernel has 100,000 to 250,000; one with everything built in has less than a million. */
export const MAX_SYMBOLS = 2_000_000;
const MAX_NAMES_BYTES = 64 * 1024 * 1024;
const MAX_TOKEN_TABLE = 0x10000;

/** How symbol addresses are stored. `at` is the table, `base` the value of kallsyms_relative_base. */
export type AddressTable =
  | { readonly kind: 'absolute'; readonly at: VirtAddr }
  | { readonly kind: 'place-relative'; readonly at: VirtAddr }
  | { readonly kind: 'relative' | 'absolute-percpu'; readonly at: VirtAddr; readonly base: VirtAddr };

export interface KallsymsLocation {
  readonly count: number;
  readonly names: VirtAddr;
  readonly tokenTable: VirtAddr;
  readonly tokenIndex: VirtAddr;
}

/** Which widths a table turned out to have; for people and tests. */
export interface NameLayout {
  readonly longLengths: boolean;
  readonly markerSize: 4 | 8;
}

export interface LoadedNames {
  readonly names: KallsymsNames;
  readonly layout: NameLayout;
}

/** With less of a table nothing that is asked for would be found. */
const LEAST = 0.2;

/**
 * @throws FormatError when the tables contradict each other
 * @throws FaultError when they cannot be read
 */
export function loadNames(memory: MemoryReader, location: KallsymsLocation): LoadedNames {
  const { count, names: start, tokenTable, tokenIndex } = location;
  if (count < 1 || count > MAX_SYMBOLS) throw new FormatError(FORMAT, `${count} symbols`);
  const tableSize = distance(tokenIndex, tokenTable);
  if (tableSize <= 0 || tableSize > MAX_TOKEN_TABLE) throw new FormatError(FORMAT, `token table of ${tableSize} bytes`);
  const size = distance(tokenTable, start);
  // Names and their markers lie before the token table in every era.
  if (size < count * 2 || size > MAX_NAMES_BYTES) throw new FormatError(FORMAT, `${size} bytes for ${count} names`);
  const tokens = readTokens(memory, tokenTable, tableSize, tokenIndex);
  const { bytes, lost } = readAround(memory, start, size, LEAST);
  if (lost.length === 0) {
    const whole = wholeNames(bytes, location, tokens);
    if (whole !== undefined) return whole;
  }
  const left = salvageNames(bytes, count, lost);
  // Why it is damaged says more than that too little is left.
  if (left === undefined && lost.length > 0) memory.readBytes(start, size);
  if (left === undefined) throw new FormatError(FORMAT, 'names do not agree with their markers');
  const { offsets, longLengths, markerSize } = left;
  return {
    names: new KallsymsNames(bytes, offsets, longLengths, tokens, left.lost),
    layout: { longLengths, markerSize },
  };
}

function wholeNames(
  bytes: Uint8Array,
  { count, names: start }: KallsymsLocation,
  tokens: Tokens,
): LoadedNames | undefined {
  for (const longLengths of [true, false]) {
    const offsets = walkNames(bytes, count, longLengths);
    const markers = offsets === undefined ? undefined : findMarkers(bytes, start, offsets);
    if (offsets === undefined || markers === undefined) continue;
    return {
      names: new KallsymsNames(bytes.subarray(0, offsets[count]), offsets, longLengths, tokens),
      layout: { longLengths, markerSize: markers },
    };
  }
  return undefined;
}

/** Where each token begins the index says; where that is damaged, the ends of the strings do. */
function readTokens(memory: MemoryReader, at: VirtAddr, size: number, indexAt: VirtAddr): Tokens {
  const table = memory.readBytes(at, size);
  try {
    return new Tokens(table, readIndex(memory.readBytes(indexAt, 512)));
  } catch (error) {
    if (!isDataError(error)) throw error;
    const starts = [0];
    for (let nul = table.indexOf(0); nul >= 0 && starts.length < 256; nul = table.indexOf(0, nul + 1))
      starts.push(nul + 1);
    const tokens = attempt(() => new Tokens(table, Uint16Array.from(starts)));
    // What these stand for tells whether it is a table of tokens at all.
    if (tokens?.text(0x30) === '0' && tokens.text(0x39) === '9') return tokens;
    throw error;
  }
}

function readIndex(bytes: Uint8Array): Uint16Array {
  const view = new ByteView(bytes, FORMAT);
  return Uint16Array.from({ length: 256 }, (_, i) => view.u16(i * 2));
}

/**
 * Width of the markers behind the names, if every one of them is the offset of the name it stands for.
 * @param start - address of `bytes`: the markers are aligned in memory to 8 bytes, or to 4 since Linux 7.0
 */
function findMarkers(bytes: Uint8Array, start: VirtAddr, offsets: Uint32Array): 4 | 8 | undefined {
  const count = offsets.length - 1;
  const end = offsets[count] ?? 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wanted = Math.ceil(count / MARKER_STEP);
  for (const width of [4, 8] as const) {
    for (const alignment of [8, 4]) {
      const at = distance(alignDown(add(start, end + alignment - 1), alignment), start);
      if (at + wanted * width > bytes.length) continue;
      let agrees = true;
      for (let i = 0; i < wanted && agrees; i++) {
        const high = width === 8 ? view.getUint32(at + i * 8 + 4, true) : 0;
        agrees = view.getUint32(at + i * width, true) === offsets[i * MARKER_STEP] && high === 0;
      }
      // A single marker is 0, which says nothing about its width.
      if (agrees) return width;
    }
  }
  return undefined;
}

/** Bytes that an address table of `count` symbols takes. */
export function addressTableSize(kind: AddressTable['kind'], count: number): number {
  return count * (kind === 'absolute' ? 8 : 4);
}

/**
 * Signed addresses of all symbols; undefined when the base is no kernel address.
 * @throws FormatError when there are too few bytes
 */
export function decodeAddresses(bytes: Uint8Array, table: AddressTable, count: number): Float64Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < addressTableSize(table.kind, count)) throw new FormatError(FORMAT, 'address table is cut off');
  const values = new Float64Array(count);
  if (table.kind === 'absolute') {
    for (let i = 0; i < count; i++) {
      // Signed value of a u64 from its halves: exact within 2^53, which signedOf() makes sure of below.
      const high = view.getInt32(i * 8 + 4, true);
      const value = high * 0x1_0000_0000 + view.getUint32(i * 8, true);
      values[i] = Number.isSafeInteger(value) ? value : 0;
    }
    return values;
  }
  const base = signedOf(table.kind === 'place-relative' ? table.at : table.base);
  if (base >= 0) return undefined;
  for (let i = 0; i < count; i++) {
    const offset = view.getInt32(i * 4, true);
    if (table.kind === 'place-relative') values[i] = base + i * 4 + offset;
    else if (table.kind === 'relative') values[i] = base + (offset >>> 0);
    else values[i] = offset >= 0 ? offset : base - 1 - offset;
  }
  return values;
}

/** What is known of the kernel apart from kallsyms, to tell a right reading of the tables from a wrong one. */
export interface KnownSymbol {
  readonly name: string;
  readonly address: VirtAddr;
}

/**
 * Reads the table that makes sense: known symbols get their addresses, or, where none is known, addresses lie in the
 * kernel's half and rise; of several such the one with the fewest that do not.
 * @throws FormatError when none does
 */
export function loadAddresses(
  memory: MemoryReader,
  names: KallsymsNames,
  tables: Iterable<AddressTable>,
  known: readonly KnownSymbol[],
): LoadedAddresses {
  let best: LoadedAddresses | undefined;
  let fewest = Infinity;
  for (const table of tables) {
    const bytes = attempt(() => memory.readBytes(table.at, addressTableSize(table.kind, names.count)));
    const values = bytes === undefined ? undefined : decodeAddresses(bytes, table, names.count);
    if (values === undefined) continue;
    const faults = agreesWith(values, names, known) ?? countFaults(values);
    if (faults < fewest) {
      best = { table, values };
      fewest = faults;
    }
    if (faults === 0) break;
  }
  if (best !== undefined && fewest === 0 && countFaults(best.values) === 0) return best;
  const left = leftAddresses(memory, names, tables, known);
  if (left !== undefined) return left;
  if (best !== undefined && fewest <= names.count * 0.01) return best;
  throw new FormatError(FORMAT, 'the address table cannot be read, or no reading of it makes sense');
}

export interface LoadedAddresses {
  readonly table: AddressTable;
  readonly values: Float64Array;
  /** 1 for symbols whose address is lost; undefined when none is. */
  readonly lost?: Uint8Array;
}

/** Reads what is left of the table that makes most sense. */
function leftAddresses(
  memory: MemoryReader,
  names: KallsymsNames,
  tables: Iterable<AddressTable>,
  known: readonly KnownSymbol[],
): LoadedAddresses | undefined {
  let best: LoadedAddresses | undefined;
  let fewest = names.count * (1 - LEAST);
  for (const table of tables) {
    const read = attempt(() => readAround(memory, table.at, addressTableSize(table.kind, names.count), LEAST));
    const values = read === undefined ? undefined : decodeAddresses(read.bytes, table, names.count);
    if (read === undefined || values === undefined) continue;
    const lost = salvageAddresses(values, table, read.lost);
    const sound = known.every(({ name, address }) => {
      const [symbol] = names.find(name);
      return symbol === undefined || lost[symbol] === 1 || addressOf(values[symbol] ?? 0) === address;
    });
    const addresses = values.reduce((sum, value) => sum + (value < 0 ? 1 : 0), 0);
    const missing = lost.reduce((sum, one) => sum + one, 0);
    if (!sound || addresses * 2 < values.length || missing >= fewest) continue;
    fewest = missing;
    best = { table, values, lost };
  }
  return best;
}

/** 0 or Infinity: known symbols have their addresses or not; undefined when none of them is in the table. */
function agreesWith(values: Float64Array, names: KallsymsNames, known: readonly KnownSymbol[]): number | undefined {
  let agrees: number | undefined;
  for (const { name, address } of known) {
    const [symbol] = names.find(name);
    if (symbol === undefined) continue;
    if (addressOf(values[symbol] ?? 0) !== address) return Infinity;
    agrees = 0;
  }
  return agrees;
}

/** How many addresses fall or leap; Infinity when less than half of the symbols have one in the kernel's half. */
function countFaults(values: Float64Array): number {
  let faults = 0;
  let addresses = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const previous = values[i - 1] ?? value;
    if (value < 0) addresses++;
    // From absolute values to addresses it steps down in signed numbers; an image spans less than 2 GiB.
    const rises = value < 0 ? previous >= 0 || previous <= value : previous >= 0 && previous <= value;
    if (!rises || (previous < 0 && value - previous >= 0x8000_0000)) faults++;
  }
  return addresses * 2 < values.length ? Infinity : faults;
}

/**
 * The readings that offsets next to a base allow, the likelier one first.
 * @throws FaultError when the table cannot be read
 */
export function offsetTables(
  memory: MemoryReader,
  at: VirtAddr,
  base: VirtAddr,
  count: number,
): readonly AddressTable[] {
  const sample = readAround(memory, at, Math.min(count, 0x2000) * 4, LEAST).bytes;
  const view = new DataView(sample.buffer, sample.byteOffset, sample.byteLength);
  const words = sample.length >> 2;
  let negative = 0;
  for (let i = 0; i < words; i++) if (view.getInt32(i * 4, true) < 0) negative++;
  const relative: AddressTable = { kind: 'relative', at, base };
  const percpu: AddressTable = { kind: 'absolute-percpu', at, base };
  return negative * 2 > words ? [percpu, relative] : [relative, percpu];
}

export function readU32(memory: MemoryReader, at: VirtAddr): number {
  return new ByteView(memory.readBytes(at, 4), FORMAT).u32(0);
}

export function readAddress(memory: MemoryReader, at: VirtAddr): VirtAddr {
  return virt(new ByteView(memory.readBytes(at, 8), FORMAT).u64(0));
}

/** `at` rounded up to `alignment`. */
export function alignUp(at: VirtAddr, alignment: number): VirtAddr {
  return alignDown(sub(add(at, alignment), 1), alignment);
}
