/**
 * The moment of the crash on the run queues' clock, and how long a task has been off the CPU. The clock of an idle CPU
 * lags, so the highest of all online CPUs is 'now'.
 */
import { attempt } from '../../base/errors.ts';
import { nanoseconds, type Nanoseconds } from '../../base/units.ts';
import { cpus } from '../../kernel/cpus.ts';
import type { Task } from '../../kernel/sched.ts';
import { timekeeping } from '../../kernel/timekeeping.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { logFact } from './log.ts';
import { STARVED } from './thresholds.ts';

/** How a task gets on that wants a CPU, by its `sched_info`. */
export interface CpuTurns {
  /** How often it got a CPU. */
  readonly runs: bigint;
  /** How long it waited for one in all, the wait that it is in included. */
  readonly waited: Nanoseconds;
  /** Since it was queued for its next turn; undefined when it is not known. */
  readonly queued: Nanoseconds | undefined;
  /** Since it started; undefined when it is not known. */
  readonly alive: Nanoseconds | undefined;
  /** It spent most of its life waiting for a CPU. */
  readonly starved: boolean;
}

export interface Clock {
  /** `max(rq.clock)`; undefined when no run queue can be read. One that cannot be read or be true is told. */
  readonly now: Nanoseconds | undefined;
  /**
   * Time since the task last got a CPU (`sched_info.last_arrival`): how long it sleeps, its last slice included. Undefined
   * for a task that runs, one that never ran, and where the kernel does not keep it.
   */
  offCpu(task: Task): Nanoseconds | undefined;
  /** Undefined where the kernel does not keep it. */
  turns(task: Task): CpuTurns | undefined;
}

export const clockFact = defineFact<Clock>({
  id: 'clock',
  derive(context) {
    const now = latestClock(context);
    const end = now;
    return {
      now: end === undefined ? undefined : nanoseconds(end),
      offCpu(task) {
        const arrival = task.schedInfo?.lastArrival;
        if (end === undefined || task.running || arrival === undefined || arrival === 0n || arrival > end)
          return undefined;
        return nanoseconds(end - arrival);
      },
      turns({ schedInfo, startTime }) {
        if (schedInfo === undefined) return undefined;
        const { runs, runDelay, lastQueued } = schedInfo;
        const since = (time: bigint | undefined): Nanoseconds | undefined =>
          end === undefined || time === undefined || time === 0n || time > end ? undefined : nanoseconds(end - time);
        const queued = since(lastQueued);
        const alive = since(startTime);
        const waited = nanoseconds(runDelay + (queued ?? 0n));
        const starved = alive !== undefined && waited <= alive && Number(waited) >= STARVED * Number(alive);
        return { runs, waited, queued, alive, starved };
      },
    };
  },
});

/** What drift between two clocks is allowed: a thousandth, as NTP may slew one of them, and a minute. */
const DRIFT_SHARE = 1000n;
const DRIFT = 60n * 1_000_000_000n;

/**
 * A clock that is far ahead of the uptime and of the log comes from a damaged page, and would make every wait longer.
 * The uptime alone is no measure: it stands still where the CPU that keeps it hangs. The log alone is none either: a quiet
 * machine logs nothing for days.
 */
function latestClock({ program, cover, use }: FactContext): bigint | undefined {
  const place = attempt(() => ({
    field: program.field('struct rq', 'clock'),
    base: program.symbol('runqueues').address,
    online: cpus(program, 'online'),
  }));
  if (place === undefined) {
    cover({ what: 'clocks of run queues', read: 0, total: undefined, missing: ['it is not known where they are'] });
    return undefined;
  }
  const { field, base, online } = place;
  const uptime = attempt(() => timekeeping(program).uptime.boottime.value);
  const logged = attempt(() => use(logFact).records.at(-1)?.timeNs);
  const latest = uptime !== undefined && logged !== undefined && logged > uptime ? logged : uptime;
  const limit = latest === undefined ? undefined : latest + latest / DRIFT_SHARE + DRIFT;
  const missing: string[] = [];
  let now: bigint | undefined;
  for (const cpu of online) {
    const clock = attempt(() => field.u64(program.perCpuAddress(base, cpu)));
    if (clock === undefined) missing.push(`that of CPU ${cpu} cannot be read`);
    else if (limit !== undefined && clock > limit) missing.push(`that of CPU ${cpu} is ahead of uptime and log`);
    else if (now === undefined || clock > now) now = clock;
  }
  const read = online.length - missing.length;
  if (missing.length > 0) cover({ what: 'clocks of run queues', read, total: online.length, missing });
  return now;
}
