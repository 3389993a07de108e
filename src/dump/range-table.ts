/**
 * Which range of physical memory lies where in the file: disjoint ranges as struct of arrays, found by binary search.
 * Ranges may be added in any order and may overlap (makedumpfile and kexec describe the kernel's text twice); where
 * they do, the one that starts first wins and the others are trimmed, which is right as both describe the same memory.
 * Numbers are exact: physical addresses of Linux stay below 2^52.
 */
export class RangeTable {
  readonly #start: Float64Array;
  readonly #end: Float64Array;
  readonly #offset: Float64Array;
  readonly length: number;
  #last = 0;

  private constructor(start: Float64Array, end: Float64Array, offset: Float64Array, length: number) {
    this.#start = start;
    this.#end = end;
    this.#offset = offset;
    this.length = length;
  }

  /**
   * @param start - first byte of each range
   * @param size - bytes of each range; empty ones are dropped
   * @param offset - where in the file the range begins
   */
  static from(start: Float64Array, size: Float64Array, offset: Float64Array): RangeTable {
    const order = new Uint32Array(start.length);
    let count = 0;
    for (let i = 0; i < start.length; i++) if (at(size, i) > 0) order[count++] = i;
    const sorted = order.subarray(0, count);
    // The longer of two that start alike comes first, so that it is the shorter one that vanishes.
    sorted.sort((a, b) => at(start, a) - at(start, b) || at(size, b) - at(size, a) || a - b);

    const outStart = new Float64Array(count);
    const outEnd = new Float64Array(count);
    const outOffset = new Float64Array(count);
    let length = 0;
    let covered = 0;
    for (const i of sorted) {
      const from = Math.max(at(start, i), covered);
      const end = at(start, i) + at(size, i);
      if (from >= end) continue;
      outStart[length] = from;
      outEnd[length] = end;
      outOffset[length] = at(offset, i) + (from - at(start, i));
      length++;
      covered = end;
    }
    return new RangeTable(outStart, outEnd, outOffset, length);
  }

  /** Bytes in all ranges. */
  get bytes(): number {
    let sum = 0;
    for (let i = 0; i < this.length; i++) sum += at(this.#end, i) - at(this.#start, i);
    return sum;
  }

  /** Bytes in these ranges that no range of `other` has. */
  bytesOutside(other: RangeTable): number {
    let sum = this.bytes;
    for (let i = 0, j = 0; i < this.length && j < other.length; ) {
      const from = Math.max(this.startAt(i), other.startAt(j));
      const end = Math.min(this.endAt(i), other.endAt(j));
      if (from < end) sum -= end - from;
      if (this.endAt(i) < other.endAt(j)) i++;
      else j++;
    }
    return sum;
  }

  /** End of the last range, 0 when there is none. */
  get end(): number {
    return this.length === 0 ? 0 : at(this.#end, this.length - 1);
  }

  startAt(index: number): number {
    return at(this.#start, index);
  }

  endAt(index: number): number {
    return at(this.#end, index);
  }

  /** File offset of `address`, which must lie in range `index`. */
  offsetIn(index: number, address: number): number {
    return at(this.#offset, index) + (address - at(this.#start, index));
  }

  /** The range that holds `address`, or -1. */
  find(address: number): number {
    const last = this.#last;
    if (last < this.length && address >= at(this.#start, last) && address < at(this.#end, last)) return last;
    const index = this.firstEndingAfter(address);
    if (index >= this.length || at(this.#start, index) > address) return -1;
    this.#last = index;
    return index;
  }

  /** The first range that ends after `address`; `length` when there is none. */
  firstEndingAfter(address: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (at(this.#end, middle) > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function at(array: Float64Array, index: number): number {
  return array[index] ?? 0;
}
