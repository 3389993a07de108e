/**
 * Names and addresses of kallsyms tables some of whose bytes are lost or wrong. Each marker gives the place of a name, so a
 * block of 256 names is sound when their lengths lead from its marker to the next; of a block with a missing page the
 * names before it count. Addresses rise: what does not fit between its neighbours is lost. Nothing is guessed.
 */
import { pageOffset } from '../base/address.ts';
import type { AddressTable } from './kallsyms-tables.ts';
import { MARKER_STEP } from './kallsyms-names.ts';
import type { ByteRange } from './memory-scan.ts';

/** A table of markers is believed when so many blocks agree with it. */
const LEAST_BLOCKS = 0.2;
const PAGE = 4096;
/** So many addresses of a page may be damaged one by one. */
const MAX_ODD = 16;

export interface SalvagedNames {
  /** Offsets of the names and, last, an end; what they say of lost names means nothing. */
  readonly offsets: Uint32Array;
  /** 1 for each symbol whose name is lost. */
  readonly lost: Uint8Array;
  readonly longLengths: boolean;
  readonly markerSize: 4 | 8;
}

/**
 * @param bytes - from the names to the token table: the names, their markers, and in 6.2 and 6.3 the order of the names
 * @param missing - parts of it that could not be read
 */
export function salvageNames(
  bytes: Uint8Array,
  count: number,
  missing: readonly ByteRange[],
): SalvagedNames | undefined {
  const blocks = Math.ceil(count / MARKER_STEP);
  const reader = new Blocks(bytes, count, missing);
  let best: SalvagedNames | undefined;
  let most = blocks * LEAST_BLOCKS;
  // kallsyms_seqs_of_names: 3 bytes for each symbol.
  for (const behind of [0, count * 3]) {
    for (const markerSize of [4, 8] as const) {
      for (let pad = 0; pad <= 12; pad += 4) {
        const at = (bytes.length - behind - blocks * markerSize - pad) & ~3;
        if (at < count * 2) continue;
        const markers = reader.markers(at, markerSize);
        for (const longLengths of [true, false]) {
          const sound = reader.soundBlocks(markers, at, longLengths);
          if (sound <= most) continue;
          most = sound;
          best = { ...reader.names(markers, at, longLengths), longLengths, markerSize };
        }
      }
    }
  }
  return best;
}

class Blocks {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #count: number;
  readonly #missing: readonly ByteRange[];

  constructor(bytes: Uint8Array, count: number, missing: readonly ByteRange[]) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#count = count;
    this.#missing = missing;
  }

  /** The markers at `at`, and last their own place, where the names end; -1 for what cannot be one. */
  markers(at: number, size: 4 | 8): Int32Array {
    const blocks = Math.ceil(this.#count / MARKER_STEP);
    const markers = new Int32Array(blocks + 1).fill(-1);
    for (let i = 0; i < blocks; i++) {
      const place = at + i * size;
      const value = this.#view.getUint32(place, true);
      const high = size === 8 ? this.#view.getUint32(place + 4, true) : 0;
      // Each name takes two bytes at least.
      if (high === 0 && value >= i * MARKER_STEP * 2 && value < at && (i > 0 || value === 0)) markers[i] = value;
    }
    markers[blocks] = at;
    return markers;
  }

  soundBlocks(markers: Int32Array, end: number, longLengths: boolean): number {
    let sound = 0;
    for (let i = 0; i + 1 < markers.length; i++) if (this.#walk(markers, i, end, longLengths, undefined)) sound++;
    return sound;
  }

  names(markers: Int32Array, end: number, longLengths: boolean): Pick<SalvagedNames, 'offsets' | 'lost'> {
    const offsets = new Uint32Array(this.#count + 1);
    offsets[this.#count] = end;
    const lost = new Uint8Array(this.#count);
    for (let i = 0; i + 1 < markers.length; i++) {
      const from = i * MARKER_STEP;
      const to = Math.min(from + MARKER_STEP, this.#count);
      if (this.#walk(markers, i, end, longLengths, offsets)) continue;
      // The names before the first missing byte, and the end of the last of them.
      const start = markers[i] ?? -1;
      const hole = this.#missing.find(([, behind]) => behind > start)?.[0] ?? 0;
      let known = from;
      while (start >= 0 && known + 1 < to && (offsets[known + 1] ?? 0) > start && (offsets[known + 1] ?? 0) <= hole)
        known++;
      lost.fill(1, known, to);
    }
    return { offsets, lost };
  }

  /** True when the lengths of a block lead to the next; notes where its names begin, as far as they lead. */
  #walk(markers: Int32Array, block: number, end: number, longLengths: boolean, into: Uint32Array | undefined): boolean {
    const start = markers[block] ?? -1;
    const next = markers[block + 1] ?? -1;
    const first = block * MARKER_STEP;
    const count = Math.min(MARKER_STEP, this.#count - first);
    into?.fill(0, first, first + count);
    if (start < 0) return false;
    let at = start;
    for (let i = 0; i < count; i++) {
      if (into !== undefined) into[first + i] = at;
      if (at >= end) return false;
      let length = this.#bytes[at++] ?? 0;
      if (longLengths && length >= 0x80) length = (length & 0x7f) | ((this.#bytes[at++] ?? 0) << 7);
      if (length === 0) return false;
      at += length;
    }
    // Behind the last name the markers are aligned.
    const arrives = block + 2 === markers.length ? at <= next && next - at < 8 : at === next;
    if (into !== undefined && arrives) into[first + count] = at;
    return arrives && !this.#missing.some(([from, to]) => from < at && to > start);
  }
}

/**
 * Marks symbols whose address is lost, and gives them one just behind the last known: what lies there is nobody's.
 * @param values - signed addresses in the order of the table, which rises but for absolute values before them
 * @param missing - parts of the table that could not be read, in bytes
 */
export function salvageAddresses(values: Float64Array, table: AddressTable, missing: readonly ByteRange[]): Uint8Array {
  const size = table.kind === 'absolute' ? 8 : 4;
  const lost = new Uint8Array(values.length);
  for (const [from, to] of missing) lost.fill(1, Math.floor(from / size), Math.ceil(to / size));
  const outsiders = Uint8Array.from(lost);
  loseOutsiders(values, outsiders);
  // A page in which many do not fit holds something else, and those that do, by chance.
  const pages = new Map<number, number>();
  const pageOf = (i: number): number => Math.floor((pageOffset(table.at, PAGE) + i * size) / PAGE);
  for (let i = 0; i < values.length; i++) {
    if (outsiders[i] === 1) pages.set(pageOf(i), (pages.get(pageOf(i)) ?? 0) + 1);
  }
  let last = 0;
  for (let i = 0; i < values.length; i++) {
    if (outsiders[i] === 1 || (pages.get(pageOf(i)) ?? 0) > MAX_ODD) lost[i] = 1;
    if (lost[i] === 0) last = values[i] ?? 0;
    else values[i] = last < 0 ? last + 1 : 0;
  }
  return lost;
}

/** Of unsigned 64-bit order: absolute values are small, addresses are negative numbers. */
function falls(before: number, after: number): boolean {
  return before < 0 === after < 0 ? before > after : before < 0;
}

/** Keeps the longest sequence that rises. */
function loseOutsiders(values: Float64Array, lost: Uint8Array): void {
  /** Index of the value that ends the best sequence of each length. */
  const ends: number[] = [];
  const before = new Int32Array(values.length).fill(-1);
  for (let i = 0; i < values.length; i++) {
    if (lost[i] === 1) continue;
    const value = values[i] ?? 0;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (falls(values[ends[middle] ?? 0] ?? 0, value)) high = middle;
      else low = middle + 1;
    }
    before[i] = ends[low - 1] ?? -1;
    ends[low] = i;
  }
  const keep = new Uint8Array(values.length);
  for (let i = ends.at(-1) ?? -1; i >= 0; i = before[i] ?? -1) keep[i] = 1;
  for (let i = 0; i < values.length; i++) if (keep[i] === 0) lost[i] = 1;
}
