/**
 * What the workqueue watchdog says in the log (kernel/workqueue.c, `wq_watchdog_timer_fn()` and `show_all_workqueues()`): which
 * pool of workers has not taken work for too long, what is in flight on it, and what waits. Since 4.5, where
 * CONFIG_WQ_WATCHDOG is set.
 */
import { type Nanoseconds, nanoseconds } from '../base/units.ts';
import { kernelLines } from './kernel-lines.ts';
import type { LogRecord } from './log-record.ts';

/** Work that a worker of the pool has begun. */
export interface InFlight {
  /** Of the worker, or of the rescuer. */
  readonly pid: number;
  /** The work item's function. */
  readonly func: string;
  readonly module: string | undefined;
}

export interface WorkqueueReport {
  readonly headline: string;
  readonly timeNs: Nanoseconds | undefined;
  /** As the log spells them: '1', '0-3'. */
  readonly cpus: string;
  readonly stuck: Nanoseconds;
  readonly inFlight: readonly InFlight[];
  /** Functions of work items that no worker has begun. */
  readonly pending: readonly string[];
}

const START = /^BUG: workqueue lockup - pool cpus=([\d,-]{1,64})(?: \S+)* stuck for (\d{1,9})s!/;
const POOL = /^ {2}pwq \d+: cpus=([\d,-]+)/;
const IN_FLIGHT = /^ {4}in-flight: (.*)/;
const PENDING = /^ {4}pending: (.*)/;
/** '14164:refill_work', '12(RESCUER):wb_workfn [ext4]', with ' for 31s' behind it since 6.17. */
const WORK = /(\d{1,10})(?:\(RESCUER\))?:([\w.]+)(?: \[(\w+)\])?/g;
/** A machine with many workqueues prints them all. */
const MAX_LINES = 1000;
const MAX_WORK = 64;

/**
 * The reports, oldest first. Pools that are stuck at once are reported one after the other, and what is in flight once
 * behind them.
 * @param records - the log, `struct printk_info` and text
 */
export function workqueueReports(records: readonly LogRecord[]): readonly WorkqueueReport[] {
  const lines = kernelLines(records);
  return lines.flatMap(({ text, timeNs }, i): readonly WorkqueueReport[] => {
    const [, cpus, seconds] = START.exec(text) ?? [];
    if (cpus === undefined || seconds === undefined) return [];
    const inFlight: InFlight[] = [];
    const pending: string[] = [];
    let pool: string | undefined;
    let listed = false;
    for (const line of lines.slice(i + 1, i + 1 + MAX_LINES)) {
      // Further pools, until the list begins; the next report ends it.
      if (START.test(line.text) && listed) break;
      const at = POOL.exec(line.text)?.[1];
      if (at !== undefined) {
        pool = at;
        listed = true;
      }
      if (pool !== cpus) continue;
      for (const [, pid, func, module] of (IN_FLIGHT.exec(line.text)?.[1] ?? '').matchAll(WORK))
        if (func !== undefined && inFlight.length < MAX_WORK) inFlight.push({ pid: Number(pid), func, module });
      const waiting = PENDING.exec(line.text)?.[1]?.split(', ') ?? [];
      pending.push(...waiting.slice(0, MAX_WORK - pending.length));
    }
    return [{ headline: text, timeNs, cpus, stuck: nanoseconds(BigInt(seconds) * 1_000_000_000n), inFlight, pending }];
  });
}
