/**
 * Quantities that must not be mixed up. Times are bigint because nanoseconds since boot leave 2^53 after 104 days.
 */
import type { Brand } from './brand.ts';

/** Nanoseconds: a duration, or a point on the clock that the name beside it says. */
export type Nanoseconds = Brand<bigint, 'Nanoseconds'>;
/** Kernel ticks; needs HZ to become a time. */
export type Jiffies = Brand<bigint, 'Jiffies'>;
export type Bytes = Brand<number, 'Bytes'>;
export type Pages = Brand<number, 'Pages'>;

export function nanoseconds(raw: bigint): Nanoseconds {
  return raw as Nanoseconds;
}

export function bytes(raw: number): Bytes {
  return raw as Bytes;
}

export function pages(raw: number): Pages {
  return raw as Pages;
}

/** Seconds as a number, for display and for thresholds; loses nothing that is shown. */
export function seconds(ns: bigint): number {
  return Number(ns) / 1e9;
}
