/**
 * Where each byte of a file lies that was written as a stream of records, each of which says where its bytes belong.
 * Records that follow one another with equal sizes, as most do, make one entry (a run). Where records overlap, the later
 * one has overwritten the earlier one. Everything is held in typed arrays: 32 bytes for each run, 12 for each interval.
 */
import { FormatError } from '../base/errors.ts';

/** What stands before the bytes of each record in the file. */
export const RECORD_HEADER = 16;
/** Runs; bounds the memory at some 300 MB. makedumpfile needs two for 64 KB of compressed pages, so this is 128 GB. */
const MAX_RUNS = 2 ** 22;
const FIRST_RUNS = 256;

/** Collects the records, in the order in which they stand in the file. */
export class RecordRuns {
  #length = 0;
  /** Where the run's bytes belong, and how many they are. */
  #start = new Float64Array(FIRST_RUNS);
  #size = new Float64Array(FIRST_RUNS);
  /** Where in the file the first record's bytes stand, and how many each record has. */
  #at = new Float64Array(FIRST_RUNS);
  #record = new Float64Array(FIRST_RUNS);

  /** @throws FormatError when there are more runs than can be held */
  add(start: number, size: number, at: number): void {
    if (size === 0) return;
    const last = this.#length - 1;
    if (last >= 0 && this.#record[last] === size) {
      const total = this.#size[last] ?? 0;
      const follows = start === (this.#start[last] ?? 0) + total;
      if (follows && at === (this.#at[last] ?? 0) + (total / size) * (size + RECORD_HEADER)) {
        this.#size[last] = total + size;
        return;
      }
    }
    if (this.#length >= MAX_RUNS) {
      throw new FormatError('flattened', `more than ${MAX_RUNS} pieces; convert it first: makedumpfile -R DUMP < FILE`);
    }
    if (this.#length === this.#start.length) {
      this.#start = enlarged(this.#start);
      this.#size = enlarged(this.#size);
      this.#at = enlarged(this.#at);
      this.#record = enlarged(this.#record);
    }
    this.#start[this.#length] = start;
    this.#size[this.#length] = size;
    this.#at[this.#length] = at;
    this.#record[this.#length] = size;
    this.#length++;
  }

  /** To be asked for once, at the end. */
  map(): RecordMap {
    const part = (array: Float64Array): Float64Array => array.subarray(0, this.#length);
    return new RecordMap(part(this.#start), part(this.#size), part(this.#at), part(this.#record));
  }
}

function enlarged(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.ceil(1.5 * array.length));
  larger.set(array);
  return larger;
}

export class RecordMap {
  readonly #start: Float64Array;
  readonly #at: Float64Array;
  readonly #record: Float64Array;
  /** Interval i is `#bounds[i]` to `#bounds[i + 1]`; `#owner[i]` its run, -1 where nothing was written. */
  readonly #bounds: Float64Array;
  readonly #owner: Int32Array;
  #last = 0;

  /** One element for each run; later runs win. */
  constructor(start: Float64Array, size: Float64Array, at: Float64Array, record: Float64Array) {
    this.#start = start;
    this.#at = at;
    this.#record = record;
    const { bounds, owner } = paint(start, size);
    this.#bounds = bounds;
    this.#owner = owner;
  }

  /** One above the highest byte that was written. */
  get size(): number {
    return this.#bounds[this.#owner.length] ?? 0;
  }

  /** True when nothing of this range, which must lie inside `size`, is missing. */
  has(offset: number, length: number): boolean {
    for (let at = offset; at < offset + length; ) {
      const index = this.#find(at);
      if ((this.#owner[index] ?? -1) < 0) return false;
      at = this.#bounds[index + 1] ?? Number.POSITIVE_INFINITY;
    }
    return true;
  }

  /**
   * Calls `visit` for each piece of a range, which must lie inside `size`: `length` bytes from `offset` on stand in the
   * file at `at`; -1 when nothing was written there.
   */
  pieces(offset: number, length: number, visit: (offset: number, length: number, at: number) => void): void {
    const end = offset + length;
    for (let from = offset; from < end; ) {
      const index = this.#find(from);
      const run = this.#owner[index] ?? -1;
      let upTo = Math.min(end, this.#bounds[index + 1] ?? end);
      let at = -1;
      if (run >= 0) {
        const inRun = from - (this.#start[run] ?? 0);
        const record = this.#record[run] ?? 1;
        const before = Math.floor(inRun / record);
        at = (this.#at[run] ?? 0) + inRun + before * RECORD_HEADER;
        upTo = Math.min(upTo, from + record - (inRun - before * record));
      }
      visit(from, upTo - from, at);
      from = upTo;
    }
  }

  /** The interval that holds `offset`. */
  #find(offset: number): number {
    const bounds = this.#bounds;
    if (offset >= (bounds[this.#last] ?? 0) && offset < (bounds[this.#last + 1] ?? 0)) return this.#last;
    let low = 0;
    let high = this.#owner.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((bounds[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    this.#last = low;
    return low;
  }
}

/**
 * Cuts the bytes from 0 on where any run begins or ends, and gives each interval to the last run that covers it. Runs
 * are painted from the last to the first; `next` leads from a painted interval to the first unpainted one behind it,
 * so each interval is looked at once, however runs overlap.
 */
function paint(start: Float64Array, size: Float64Array): { bounds: Float64Array; owner: Int32Array } {
  const cuts = new Float64Array(2 * start.length + 1);
  start.forEach((from, i) => {
    cuts[2 * i + 1] = from;
    cuts[2 * i + 2] = from + (size[i] ?? 0);
  });
  cuts.sort();
  let count = 0;
  for (const cut of cuts) if (count === 0 || cut !== cuts[count - 1]) cuts[count++] = cut;
  const intervals = count - 1;
  const owner = new Int32Array(intervals).fill(-1);
  const next = new Uint32Array(intervals + 1);
  for (let i = 0; i <= intervals; i++) next[i] = i;
  const unpainted = (index: number): number => {
    let found = index;
    while (next[found] !== found) found = next[found] ?? found;
    // The way that was gone is made short for the next one who goes it.
    for (let at = index; next[at] !== found; ) {
      const following = next[at] ?? found;
      next[at] = found;
      at = following;
    }
    return found;
  };
  for (let run = start.length - 1; run >= 0; run--) {
    const from = start[run] ?? 0;
    const first = indexOf(cuts, count, from);
    const end = indexOf(cuts, count, from + (size[run] ?? 0));
    for (let at = unpainted(first); at < end; at = unpainted(at)) {
      owner[at] = run;
      next[at] = at + 1;
    }
  }
  // Neighbours with one owner become one.
  let length = 0;
  for (let i = 0; i < intervals; i++) {
    if (length > 0 && owner[i] === owner[length - 1]) continue;
    owner[length] = owner[i] ?? -1;
    cuts[length] = cuts[i] ?? 0;
    length++;
  }
  cuts[length] = cuts[intervals] ?? 0;
  return { bounds: cuts.slice(0, length + 1), owner: owner.slice(0, length) };
}

/** Where `value`, which is among them, stands in the first `count` of ascending values. */
function indexOf(values: Float64Array, count: number, value: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
