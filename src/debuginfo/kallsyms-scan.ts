/**
 * Finds the kallsyms tables by what they look like, for kernels whose VMCOREINFO does not name them (before 6.0) or
 * that have none: the strings of the tokens '0' to '9', which always stand for themselves, then the token index behind
 * the table, the markers and names before it, and the addresses on either side (the order of the tables changed in
 * Linux 6.4; seqs_of_names, 3 bytes per symbol, lies between markers and token table in 6.2 and 6.3 only).
 * Every guess is checked against the others; nothing is taken from one sign alone.
 */
import { add, alignDown, distance, sub, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { MemoryReader, VirtRange } from '../base/memory.ts';
import { signedOf } from './address-index.ts';
import { MARKER_STEP } from './kallsyms-names.ts';
import {
  type AddressTable,
  addressTableSize,
  alignUp,
  type KallsymsLocation,
  MAX_SYMBOLS,
  offsetTables,
  readAddress,
} from './kallsyms-tables.ts';
import { occurrences, readBefore, tryRead } from './memory-scan.ts';

export interface FoundKallsyms {
  readonly location: KallsymsLocation;
  /** Readings of the address table that its surroundings allow. */
  readonly tables: () => Iterable<AddressTable>;
}

const PAGE = 4096;
/** '0\0' to '9\0'. */
const DIGITS = Buffer.from(Array.from({ length: 10 }, (_, i) => [0x30 + i, 0]).flat());
/** Guesses of one kind that are looked into, so that hostile memory cannot hold the search up. */
const MAX_CANDIDATES = 32;
const TOKEN_INDEX_BYTES = 512;
/** Strings of the tokens before '0' take more than 48 * 2 bytes and less than this. */
const MAX_TOKENS = 0x10000;

/** Candidates in the order of `ranges`, each checked as far as names go. Pages that cannot be read are passed over. */
export function* scanForKallsyms(memory: MemoryReader, ranges: readonly VirtRange[]): Generator<FoundKallsyms> {
  let tried = 0;
  for (const digits of occurrences(memory, ranges, DIGITS)) {
    const tokens = findTokens(memory, digits);
    if (tokens === undefined) continue;
    const found = examine(memory, tokens);
    if (found !== undefined) yield found;
    if (++tried === MAX_CANDIDATES) return;
  }
}

interface FoundTokens {
  readonly tokenTable: VirtAddr;
  readonly tokenIndex: VirtAddr;
}

function examine(memory: MemoryReader, { tokenTable, tokenIndex }: FoundTokens): FoundKallsyms | undefined {
  // Markers lie right before the token table, or before seqs_of_names, which takes 3 bytes per symbol.
  for (const reach of [0x10000, 0x100000, MAX_SYMBOLS * 3 + 0x10000]) {
    const before = readBefore(memory, tokenTable, reach);
    for (const markers of findMarkers(before)) {
      const names = findNames(memory, tokenTable, before, markers);
      if (names === undefined) continue;
      const location = { ...names, tokenTable, tokenIndex };
      return { location, tables: () => findAddresses(memory, location) };
    }
    if (before.length < reach) return undefined;
  }
  return undefined;
}

/**
 * Token strings from '0' on end at the token index, whose entries are their distances; the index also says how far
 * before '0' the table begins.
 * @param digits - address of the token string '0'
 */
function findTokens(memory: MemoryReader, digits: VirtAddr): FoundTokens | undefined {
  const bytes =
    tryRead(memory, digits, PAGE) ?? tryRead(memory, digits, distance(alignUp(add(digits, 1), PAGE), digits));
  if (bytes === undefined) return undefined;
  // Strings of the tokens 0x30 to 0xff: where each begins, relative to '0'.
  const starts: number[] = [];
  let at = 0;
  for (let token = 0x30; token < 256; token++) {
    starts.push(at);
    const nul = bytes.indexOf(0, at);
    if (nul < 0) return undefined;
    at = nul + 1;
  }
  for (const alignment of [8, 4]) {
    const tokenIndex = alignUp(add(digits, at), alignment);
    const index = tryRead(memory, tokenIndex, TOKEN_INDEX_BYTES);
    if (index === undefined) continue;
    const view = new DataView(index.buffer, index.byteOffset, index.byteLength);
    const zero = view.getUint16(0x30 * 2, true);
    const agrees = starts.every((start, i) => view.getUint16((0x30 + i) * 2, true) === zero + start);
    if (agrees && view.getUint16(0, true) === 0 && zero < MAX_TOKENS)
      return { tokenTable: sub(digits, zero), tokenIndex };
  }
  return undefined;
}

interface Markers {
  /** Distance from the token table back to the first marker. */
  readonly back: number;
  readonly count: number;
  readonly last: number;
}

/**
 * Runs of numbers that begin with 0 and rise by what 256 names can take, longest first: kernels have hundreds of
 * markers. Two at least.
 * @param before - bytes up to the token table
 */
function findMarkers(before: Uint8Array): readonly Markers[] {
  const view = new DataView(before.buffer, before.byteOffset, before.byteLength);
  const runs: Markers[] = [];
  // Tables are aligned to 4 bytes and `before` ends at one; markers of 8 bytes may lie at 4 of 8.
  const first = before.length & 3;
  for (const [width, phase] of [[4, 0] as const, [8, 0] as const, [8, 4] as const]) {
    let run: { readonly at: number; count: number; last: number } | undefined;
    const finish = (): void => {
      if (run === undefined || run.count < 2) return;
      const back = before.length - run.at;
      runs.push({ back, count: run.count, last: run.last });
      // What follows the last marker may look like another one.
      if (run.count > 2)
        runs.push({ back, count: run.count - 1, last: view.getUint32(run.at + (run.count - 2) * width, true) });
    };
    for (let at = first + phase; at + width <= before.length; at += width) {
      const value = view.getUint32(at, true);
      const step = run === undefined ? 0 : value - run.last;
      if (width === 8 && view.getUint32(at + 4, true) !== 0) {
        finish();
        run = undefined;
      } else if (run !== undefined && step >= MARKER_STEP * 2 && step <= MARKER_STEP * 520) {
        run.count++;
        run.last = value;
      } else {
        finish();
        run = value === 0 ? { at, count: 1, last: 0 } : undefined;
      }
    }
    finish();
  }
  return runs.sort((a, b) => b.count - a.count || a.back - b.back).slice(0, MAX_CANDIDATES);
}

/** The names end where the markers begin; they start behind a count that fits the number of markers. */
function findNames(
  memory: MemoryReader,
  tokenTable: VirtAddr,
  before: Uint8Array,
  markers: Markers,
): { readonly names: VirtAddr; readonly count: number } | undefined {
  const end = sub(tokenTable, markers.back);
  // Behind the last marker there are 1 to 256 names of at most 513 bytes; less where memory begins later.
  const length = (markers.last + MARKER_STEP * 513 + 16) & ~3;
  const known = before.subarray(0, before.length - markers.back);
  const bytes = known.length >= length ? known.subarray(known.length - length) : readBefore(memory, end, length);
  const from = sub(end, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let tried = 0;
  for (let at = (bytes.length - markers.last) & ~3; at >= 4; at -= 4) {
    for (const back of [8, 4]) {
      // Memory may begin with the count.
      if (at < back) continue;
      const count = view.getUint32(at - back, true);
      if (count <= (markers.count - 1) * MARKER_STEP || count > markers.count * MARKER_STEP) continue;
      if (fits(bytes, at, count, markers)) return { names: add(from, at), count };
      if (++tried === MAX_CANDIDATES) return undefined;
    }
  }
  return undefined;
}

/**
 * True when the names behind the last marker end where the bytes end, but for padding, and walking all names before it
 * meets it: a few names that begin at the wrong place often end at the right one, for each byte could be a length.
 * Lengths are read in the way of either era.
 */
function fits(bytes: Uint8Array, at: number, count: number, markers: Markers): boolean {
  const before = (markers.count - 1) * MARKER_STEP;
  return [true, false].some((longLengths) => {
    const end = behindNames(bytes, at + markers.last, count - before, longLengths);
    if (end === undefined || bytes.length - end >= 8) return false;
    return behindNames(bytes, at, before, longLengths) === at + markers.last;
  });
}

/** Where `count` names from `at` on end; undefined when not within the bytes. */
function behindNames(bytes: Uint8Array, at: number, count: number, longLengths: boolean): number | undefined {
  let position = at;
  for (let i = 0; i < count; i++) {
    if (position >= bytes.length) return undefined;
    let length = bytes[position++] ?? 0;
    if (length === 0) return undefined;
    if (longLengths && length >= 0x80) length = (length & 0x7f) | ((bytes[position++] ?? 0) << 7);
    position += length;
  }
  return position <= bytes.length ? position : undefined;
}

/** Address tables behind the token index (since Linux 6.4) and before the names (until then). */
function* findAddresses(memory: MemoryReader, location: KallsymsLocation): Generator<AddressTable> {
  const { count, names, tokenIndex } = location;
  const size = addressTableSize('relative', count);
  const after = add(tokenIndex, TOKEN_INDEX_BYTES);
  // Before 6.4: the count is 8 bytes before the names (4 and padding, or 8 in all), the base before it.
  const countAt = sub(names, 8);
  const baseAt = sub(countAt, 8);
  const places = [8, 4].map((alignment) => {
    const at = alignUp(after, alignment);
    return { at, base: alignUp(add(at, size), 8) };
  });
  for (const place of [{ at: alignDown(sub(baseAt, size), 8), base: baseAt }, ...places]) {
    const base = attempt(() => readAddress(memory, place.base));
    if (base === undefined || signedOf(base) >= 0) continue;
    yield* attempt(() => offsetTables(memory, place.at, base, count)) ?? [];
  }
  yield { kind: 'absolute', at: sub(countAt, addressTableSize('absolute', count)) };
  yield { kind: 'absolute', at: alignUp(after, 8) };
  // Place-relative offsets (since 7.0) have no base to be known by, and are aligned to 4 bytes.
  for (const alignment of [4, 8]) yield { kind: 'place-relative', at: alignUp(after, alignment) };
}
