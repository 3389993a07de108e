/**
 * Pages by what the kernel's counters count, one number for each combination: the page walk adds to one of them for each
 * page, and a counter of the kernel is the sum over those combinations that it counts.
 */

/** Bits of a combination. The first five are the LRU lists in the order of `enum lru_list`. */
export const TALLY = {
  inactiveAnon: 1 << 0,
  activeAnon: 1 << 1,
  inactiveFile: 1 << 2,
  activeFile: 1 << 3,
  unevictable: 1 << 4,
  dirty: 1 << 5,
  writeback: 1 << 6,
  swapCache: 1 << 7,
  mlocked: 1 << 8,
  mapped: 1 << 9,
  anon: 1 << 10,
  file: 1 << 11,
  shmem: 1 << 12,
} as const;
export type TallyBit = keyof typeof TALLY;

const COMBINATIONS = 1 << 13;

export class Tally {
  /** Pages by combination of bits. For hot loops. */
  readonly counts = new Float64Array(COMBINATIONS);

  /** Pages that have all of some bits and none of others. */
  sum(all: readonly TallyBit[], none: readonly TallyBit[] = []): number {
    const with_ = all.reduce((mask, bit) => mask | TALLY[bit], 0);
    const without = none.reduce((mask, bit) => mask | TALLY[bit], 0);
    let sum = 0;
    this.counts.forEach((count, bits) => {
      if ((bits & with_) === with_ && (bits & without) === 0) sum += count;
    });
    return sum;
  }
}
