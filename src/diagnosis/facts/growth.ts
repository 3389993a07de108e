/**
 * When those who wait came, and how many were there by when. A task came when it last got a CPU (`sched_info.last_arrival`,
 * on the run queues' clock): it has slept since. One that was woken in between and slept again counts from then on, so the
 * real beginning is no later than what is told. Those who came and went before the crash left no trace.
 */
import { attempt } from '../../base/errors.ts';
import type { Nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import { timekeeping } from '../../kernel/timekeeping.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Growth, GrowthStep } from '../../model/growth.ts';
import { count, duration, type Prose, prose, spark } from '../../model/value.ts';
import { clockFact } from './clock.ts';
import { AT_ONCE, GREW_FOR_LONG, GROWTH_STEPS, GROWTH_TASKS } from './thresholds.ts';

export interface Arrivals {
  /** How long before the crash the first of them came; undefined when it is known of none. */
  readonly first: Nanoseconds | undefined;
  readonly last: Nanoseconds | undefined;
  readonly known: number;
  /** Of how many it is not known. */
  readonly unknown: number;
  /** Undefined when they are few, came all at once, or it is not known when they came. */
  readonly growth: Growth | undefined;
}

export interface GrowthTable {
  of(tasks: Iterable<Task>): Arrivals;
}

export const growthFact = defineFact<GrowthTable>({
  id: 'growth',
  derive({ program, use }) {
    const clock = use(clockFact);
    const time = attempt(() => timekeeping(program));
    // The kernel's clock stood still since its last tick; CRASHTIME is written at the crash, in whole seconds.
    const wall = time?.realtime.value;
    const crash = wall === undefined ? time?.crashTime.value : wall / SECOND;
    return {
      of: (tasks) =>
        arrivalsOf(
          [...tasks].map((task) => clock.offCpu(task)),
          crash === undefined ? undefined : Number(crash),
        ),
    };
  },
});

/** It took them so long that people call it growing. */
export function isLong({ first, last, growth }: Arrivals): boolean {
  return growth !== undefined && first !== undefined && last !== undefined && first - last >= GREW_FOR_LONG;
}

/** 'from 12.6 s to 10.4 s before it, growing .-+# (200 ms each).' @param first - the crash was not named before */
export function arrivalsText({ first, last, growth, unknown }: Arrivals, isFirst: boolean): Prose {
  if (first === undefined || last === undefined) return ['not known.'];
  const end = isFirst ? 'before the crash' : 'before it';
  const rest = unknown === 0 ? '' : prose`; of ${count(unknown)} it is not known`;
  if (first === last) return prose`${duration(first)} ${end}${rest}.`;
  // A spread of less than a second, and small beside the wait itself, is none to tell.
  if (first - last < AT_ONCE && (first - last) * 50n < first) return prose`all about ${duration(first)} ${end}${rest}.`;
  const drawn = growth === undefined ? '' : prose`, growing ${sparkOf({ growth })}`;
  return prose`from ${duration(first)} to ${duration(last)} ${end}${drawn}${rest}.`;
}

/** '.-+# (200 ms each)'. */
export function sparkOf({ growth }: Pick<Arrivals, 'growth'>): Prose {
  if (growth === undefined) return [];
  return prose`${spark(growth.steps.map(({ waiting }) => waiting))} (${duration(growth.width)} each)`;
}

const MS = 1_000_000n;
const SECOND = 1000n * MS;
const MINUTE = 60n * SECOND;
const HOUR = 60n * MINUTE;
const DAY = 24n * HOUR;

/** Lengths of a step that people count in. */
const WIDTHS: readonly bigint[] = [
  ...[1n, 2n, 5n, 10n, 20n, 50n, 100n, 200n, 500n].map((n) => n * MS),
  ...[1n, 2n, 5n, 10n, 15n, 30n].map((n) => n * SECOND),
  ...[1n, 2n, 5n, 10n, 15n, 30n].map((n) => n * MINUTE),
  ...[1n, 2n, 3n, 6n, 12n].map((n) => n * HOUR),
  ...[1n, 2n, 5n, 10n, 20n, 50n, 100n, 200n, 500n, 1000n, 10_000n, 100_000n].map((n) => n * DAY),
];

/**
 * @param waits - how long each waits; undefined where it is not known
 * @param crash - seconds since the epoch
 */
export function arrivalsOf(waits: readonly (Nanoseconds | undefined)[], crash: number | undefined): Arrivals {
  const known = waits.filter((wait) => wait !== undefined);
  const unknown = waits.length - known.length;
  const [any] = known;
  if (any === undefined) return { first: undefined, last: undefined, known: 0, unknown, growth: undefined };
  const first = known.reduce((a, b) => (a > b ? a : b), any);
  const last = known.reduce((a, b) => (a < b ? a : b), any);
  const isCrowd = known.length >= GROWTH_TASKS && first - last >= AT_ONCE;
  const growth = isCrowd ? growthOf(known, first, last, { unknown, crash }) : undefined;
  return { first, last, known: known.length, unknown, growth };
}

function growthOf(
  waits: readonly Nanoseconds[],
  first: Nanoseconds,
  last: Nanoseconds,
  rest: Pick<Growth, 'unknown' | 'crash'>,
): Growth | undefined {
  const width = WIDTHS.find((each) => first / each - last / each < BigInt(GROWTH_STEPS));
  // No machine is up for 3,000 years.
  if (width === undefined) return undefined;
  const oldest = first / width;
  const came = Array.from({ length: Number(oldest - last / width) + 1 }, () => 0);
  for (const wait of waits) {
    const step = Number(oldest - wait / width);
    came[step] = (came[step] ?? 0) + 1;
  }
  let waiting = 0;
  const steps = came.map((number, i): GrowthStep => {
    waiting += number;
    const to = (oldest - BigInt(i)) * width;
    return { from: to + width, to, came: number, waiting };
  });
  return { kind: 'growth', width, steps, ...rest };
}
