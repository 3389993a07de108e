/**
 * How a crowd of waiting tasks grew, as numbers: what a chart draws and JSON has. Those who came and went before the
 * crash are not in it: a dump shows only who still waits.
 */
import { count, type Data, duration, wallClock } from './value.ts';

/** Times are nanoseconds before the crash, so `from` is the larger. */
export interface GrowthStep {
  readonly from: bigint;
  readonly to: bigint;
  /** How many of those who still wait came in it. */
  readonly came: number;
  /** How many of them were there at its end. */
  readonly waiting: number;
}

export interface Growth {
  readonly kind: 'growth';
  /** Nanoseconds: the length of each step. */
  readonly width: bigint;
  /** Oldest first, without gaps; somebody came in the first and in the last. */
  readonly steps: readonly GrowthStep[];
  /** Of how many it is not known when they came: they are in no step. */
  readonly unknown: number;
  /** Time of the crash in seconds since the epoch. */
  readonly crash: number | undefined;
}

/** A step's beginning by the clock on the wall; undefined where that is not known, or the steps are finer than it. */
export function wallClockOf({ crash, width }: Growth, { from }: GrowthStep): number | undefined {
  return crash === undefined || width < 1_000_000_000n ? undefined : Math.floor(crash - Number(from) / 1e9);
}

/** Keys: docs/json-schema.md, growth. */
export function growthData(growth: Growth): Data {
  return {
    width: duration(growth.width),
    clock: 'sched_info.last_arrival',
    steps: growth.steps.map((step) => {
      const at = wallClockOf(growth, step);
      return {
        from: duration(step.from),
        to: duration(step.to),
        at: at === undefined ? undefined : wallClock(at),
        came: count(step.came),
        waiting: count(step.waiting),
      };
    }),
    unknown: count(growth.unknown),
  };
}
