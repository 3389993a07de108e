/**
 * Numbers for pointers that are met millions of times: each distinct one gets the next number. A hash table over the two
 * 32-bit halves, as hot loops have them, without a bigint for each.
 */
import { type VirtAddr, virt } from '../base/address.ts';

export class PointerTable {
  #low = new Int32Array(1024);
  #high = new Int32Array(1024);
  /** Slot of the hash table -> number + 1. */
  #slots = new Int32Array(4096);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The number of a pointer, given by its halves; -1 - number when it is new. */
  number(low: number, high: number): number {
    const mask = this.#slots.length - 1;
    let slot = (Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b) >>> 7) & mask;
    for (;;) {
      const found = this.#slots[slot] ?? 0;
      if (found === 0) break;
      if (this.#low[found - 1] === low && this.#high[found - 1] === high) return found - 1;
      slot = (slot + 1) & mask;
    }
    const number = this.#count++;
    if (number >= this.#low.length) this.#grow();
    this.#low[number] = low;
    this.#high[number] = high;
    this.#slots[slot] = number + 1;
    if (this.#count * 2 > this.#slots.length) this.#rehash();
    return -1 - number;
  }

  /** The pointer of a number. */
  pointer(number: number): VirtAddr {
    const low = BigInt((this.#low[number] ?? 0) >>> 0);
    return virt((BigInt((this.#high[number] ?? 0) >>> 0) << 32n) | low);
  }

  #grow(): void {
    const low = new Int32Array(this.#low.length * 2);
    const high = new Int32Array(this.#high.length * 2);
    low.set(this.#low);
    high.set(this.#high);
    this.#low = low;
    this.#high = high;
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#count; number++) {
      const low = this.#low[number] ?? 0;
      let slot = (Math.imul(low ^ Math.imul(this.#high[number] ?? 0, 0x9e3779b1), 0x85ebca6b) >>> 7) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}
