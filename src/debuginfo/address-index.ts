/**
 * Addresses of a symbol table in address order. Addresses are kept as signed 64-bit numbers in a Float64Array: kernel
 * images and modules lie within 2^53 bytes below 2^64 on x86-64 and arm64, so they are small negative numbers and
 * exact. Values of zero and above (per-CPU offsets before Linux 6.15, absolute symbols) are no addresses: `find` never
 * returns them.
 */
import { type VirtAddr, virt } from '../base/address.ts';

/** Farther than this behind a symbol nothing is said to belong to it: the next symbol lies across a gap. */
const MAX_SIZE = 64 * 1024;

/** Signed number of a 64-bit address; 0, which is no address, where a double cannot hold it exactly. */
export function signedOf(address: bigint): number {
  const value = Number(BigInt.asIntN(64, address));
  return Number.isSafeInteger(value) ? value : 0;
}

export function addressOf(signed: number): VirtAddr {
  return virt(BigInt(signed));
}

/** As `Array.prototype.sort` wants it: unsigned 64-bit order of signed values. */
function compareUnsigned(a: number, b: number): number {
  return a < 0 === b < 0 ? a - b : a < 0 ? 1 : -1;
}

export class AddressIndex {
  readonly #values: Float64Array;
  /** Symbol numbers in order of unsigned address, equal ones in table order; undefined when the table is sorted. */
  readonly #order: Uint32Array | undefined;
  /** Inverse of `#order`. */
  readonly #position: Uint32Array | undefined;
  /** Positions below this one hold absolute values, the others addresses. */
  readonly #firstAddress: number;

  /** @param values - signed address of each symbol; must not change afterwards */
  constructor(values: Float64Array) {
    this.#values = values;
    if (!isSorted(values)) {
      const order = new Uint32Array(values.length);
      for (let i = 0; i < order.length; i++) order[i] = i;
      order.sort((a, b) => compareUnsigned(values[a] ?? 0, values[b] ?? 0) || a - b);
      const position = new Uint32Array(values.length);
      for (let i = 0; i < order.length; i++) position[order[i] ?? 0] = i;
      this.#order = order;
      this.#position = position;
    }
    let low = 0;
    let high = values.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#value(middle) >= 0) low = middle + 1;
      else high = middle;
    }
    this.#firstAddress = low;
  }

  #symbol(position: number): number {
    return this.#order === undefined ? position : (this.#order[position] ?? 0);
  }

  #value(position: number): number {
    return this.#values[this.#symbol(position)] ?? 0;
  }

  /** First position from `from` on whose value is above `value` (or, with `orEqual`, not below it). */
  #above(value: number, from: number, orEqual: boolean): number {
    let low = from;
    let high = this.#values.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = this.#value(middle);
      if (orEqual ? there < value : there <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Number of the symbol that covers `address`; of several at one address the first in table order, as
   * kernel/kallsyms.c get_symbol_pos() does. The last symbol of all covers its own address only.
   */
  find(address: VirtAddr): number | undefined {
    const wanted = signedOf(address);
    if (wanted >= 0) return undefined;
    const next = this.#above(wanted, this.#firstAddress, false);
    if (next === this.#firstAddress) return undefined;
    const start = this.#value(next - 1);
    if (wanted !== start && wanted - start >= this.#sizeUpTo(start, next)) return undefined;
    return this.#symbol(this.#above(start, this.#firstAddress, true));
  }

  #sizeUpTo(value: number, next: number): number {
    return next < this.#values.length ? Math.min(this.#value(next) - value, MAX_SIZE) : 0;
  }

  /** Bytes from a symbol to the next higher one, capped; 0 for the last one, and for the last absolute one. */
  size(symbol: number): number {
    const value = this.#values[symbol] ?? 0;
    let next = (this.#position === undefined ? symbol : (this.#position[symbol] ?? 0)) + 1;
    if (value >= 0) {
      while (next < this.#firstAddress && this.#value(next) === value) next++;
      return next < this.#firstAddress ? this.#sizeUpTo(value, next) : 0;
    }
    // Most symbols have no alias: the neighbour is the next one.
    if (next < this.#values.length && this.#value(next) === value) next = this.#above(value, next, false);
    return this.#sizeUpTo(value, next);
  }

  /** Symbol numbers in order of their unsigned addresses: absolute values first. */
  *inOrder(): Generator<number> {
    for (let i = 0; i < this.#values.length; i++) yield this.#symbol(i);
  }
}

function isSorted(values: Float64Array): boolean {
  for (let i = 1; i < values.length; i++) {
    const previous = values[i - 1] ?? 0;
    const value = values[i] ?? 0;
    if (previous < 0 === value < 0 ? previous > value : previous < 0) return false;
  }
  return true;
}
