/**
 * The numbers of the case in proc-directory.ts. Above are those that were read off the real dump; below is what nobody
 * wrote down and the image needs all the same: it was chosen so that it agrees with the rest.
 */
const SECOND = 1_000_000_000n;
const seconds = (n: number): bigint => BigInt(n) * SECOND;

/** Read off the dump. Times are nanoseconds since boot. */
export const known = {
  pages: { total: 4_042_945, free: 20_622 },
  /** Bytes. */
  cached: 41 * 2 ** 20,
  slab: 232 * 2 ** 20,
  /** Of the commit limit. */
  committed: 2.22,
  /** Sum over all processes, KiB. */
  residentKiB: 15_939_684,
  topKiB: 10_616,
  uninterruptible: 760,
  /** The mutex. */
  count: -124,
  waiters: 748,
  holder: {
    task: 0xffff88000f04e400n,
    pid: 24156,
    runs: 225_134,
    runDelay: seconds(49_050),
    lastArrival: 149_186_548_046_662n,
    lastQueued: 149_186_552_018_854n,
  },
  /** The `top` that waits longest. */
  longest: { start: seconds(44_515), lastArrival: seconds(98_753) },
  /** When the last of the waiters last ran. */
  latest: 99_026_812_502_124n,
  sysrq: 149_186_504_000_000n,
} as const;

/** Chosen. */
export const assumed = {
  cpus: 2,
  /** The clock of the run queues stands just behind the last thing that they did. */
  clock: 149_186_552_060_000n,
  /** Of the waiters; the others are `ps`, as on a machine on which the case was brought about again. */
  tops: 744,
  /** A little before the first began to wait. */
  holderStart: seconds(98_700),
  psKiB: 1400,
  timeoutKiB: 640,
  initKiB: 4000,
  /** Processes that hold the other half of the memory, none of them more than a `top`. */
  others: 712,
  /** Pages of each zone; what the kernel keeps for itself with transparent huge pages on three zones is 67,584 KiB. */
  zones: [
    ['DMA', 3975],
    ['DMA32', 698_300],
    ['Normal', known.pages.total - 3975 - 698_300],
  ],
  minFreeKiB: 67_584,
  slabReclaimable: 32 * 2 ** 20,
} as const satisfies { readonly [name: string]: unknown };
