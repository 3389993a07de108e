/**
 * Timers that end a sleep: `struct hrtimer_sleeper` of nanosleep(2) and of waits with a timeout, and the timer of
 * schedule_timeout() (`struct process_timer`, since 4.15), both on the stack of the sleeper.
 */
import { attempt } from '../base/errors.ts';
import { nanoseconds, type Nanoseconds } from '../base/units.ts';
import type { Program } from '../program/program.ts';
import { timekeeping } from './timekeeping.ts';
import { nameOfFunction, objectsNamingTask, type SleeperStack } from './wait-shapes.ts';

const CLOCK_MONOTONIC = 1n;
const SECOND = 1_000_000_000n;
const NEVER = 0x7fff_ffff_ffff_ffffn;

/** What it takes to say how much time is left. */
export interface WaitClocks {
  readonly jiffies: bigint | undefined;
  readonly hz: number | undefined;
  readonly monotonic: bigint | undefined;
}

/** The clocks at the crash, of `struct timekeeper` and jiffies. @throws nothing for what the dump holds */
export function waitClocks(program: Program): WaitClocks {
  const { jiffies, hz, uptime } = timekeeping(program);
  return { jiffies: jiffies.value, hz: hz.value, monotonic: uptime.monotonic.value };
}

/**
 * How long until a `struct hrtimer_sleeper` or another timer wakes the task; negative when it is overdue.
 * @returns undefined when it sleeps without one; `left` undefined where the time is not known
 * @throws nothing for what the dump holds
 */
export function timerOf(
  stack: SleeperStack,
  clocks: WaitClocks,
): { readonly left: Nanoseconds | undefined } | undefined {
  const { program } = stack;
  for (const sleeper of objectsNamingTask(stack, 'struct hrtimer_sleeper', 'task')) {
    // Wakes its task, whatever the kernel calls the members of the timer.
    const armed = attempt(() =>
      nameOfFunction(program, program.field('struct hrtimer_sleeper', 'timer.function').pointer(sleeper)),
    );
    if (armed !== 'hrtimer_wakeup') continue;
    // KTIME_MAX: a wait without an end that is written as one.
    const expires = attempt(() => program.field('struct hrtimer_sleeper', 'timer.node.expires').value(sleeper));
    if (expires === NEVER) continue;
    return { left: attempt(() => hrtimerLeft(program, sleeper, clocks)) };
  }
  for (const timer of objectsNamingTask(stack, 'struct process_timer', 'task')) {
    const func = attempt(() => program.field('struct process_timer', 'timer.function').pointer(timer));
    if (nameOfFunction(program, func) !== 'process_timeout') continue;
    const { jiffies, hz } = clocks;
    const expires = attempt(() => program.field('struct process_timer', 'timer.expires').u64(timer));
    if (jiffies === undefined || hz === undefined || expires === undefined) return { left: undefined };
    return { left: nanoseconds((BigInt.asIntN(64, expires - jiffies) * SECOND) / BigInt(hz)) };
  }
  return undefined;
}

function hrtimerLeft(
  program: Program,
  sleeper: Parameters<ReturnType<Program['field']>['pointer']>[0],
  { monotonic }: WaitClocks,
): Nanoseconds | undefined {
  const field = (path: string) => program.field('struct hrtimer_sleeper', path);
  // An enum clockid_t or an int, by the kernel; only what runs on the monotonic clock can be compared here.
  const base = field('timer.base').pointer(sleeper);
  if (program.field('struct hrtimer_clock_base', 'clockid').value(base) !== CLOCK_MONOTONIC) return undefined;
  const expires = field('timer.node.expires').value(sleeper);
  return monotonic === undefined ? undefined : nanoseconds(expires - monotonic);
}
