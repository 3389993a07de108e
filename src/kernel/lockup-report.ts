/**
 * What the kernel's watchdogs say in its log: soft and hard lockups (kernel/watchdog*.c), hung tasks (kernel/hung_task.c),
 * RCU stalls (kernel/rcu/tree_stall.h, tree.c before 5.1) and workqueue lockups (kernel/workqueue.c). Old and new texts.
 * They say what was seen, never why; only lines of the kernel itself count.
 */
import { type Nanoseconds, nanoseconds } from '../base/units.ts';
import { type KernelLine, kernelLines, sameCaller } from './kernel-lines.ts';
import type { LogRecord } from './log-record.ts';
import { type OopsPlace, placeOf } from './oops.ts';

export type LockupKind = 'soft-lockup' | 'hard-lockup' | 'hung-task' | 'rcu-stall' | 'workqueue-lockup';

export interface LockupReport {
  readonly kind: LockupKind;
  /** 'watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ringd:161]'. */
  readonly headline: string;
  readonly timeNs: Nanoseconds | undefined;
  /** CPUs that are stuck; empty for hung tasks. */
  readonly cpus: readonly number[];
  /** The task that was on the CPU, or that is blocked. */
  readonly pid: number | undefined;
  readonly comm: string | undefined;
  /** How long, as the kernel says. */
  readonly stuck: Nanoseconds | undefined;
  /** Where the CPU was (`RIP:`); not told of a hung task. */
  readonly at: OopsPlace | undefined;
  /** Whom a hung task waits for (since 6.15, commit 3cf67d61ff98). */
  readonly owner: { readonly pid: number; readonly comm: string } | undefined;
}

/** More lines than a report has before its registers; a stall of many CPUs names each in a line. */
const MAX_LINES = 120;
const MAX_REPORTS = 10_000;
const MAX_CPUS = 8192;

const SOFT = /^(?:(?:NMI )?watchdog: )?BUG: soft lockup - CPU#(\d+) stuck for (\d+)s! \[(.{0,15}):(\d+)\]/;
const HARD = /^(?:(?:NMI )?watchdog: )?(?:CPU\d+: )?Watchdog detected hard LOCKUP on cpu ?(\d+)/;
const HUNG = /^INFO: task (.{0,32}):(\d+) blocked (?:in I\/O wait )?for more than (\d+) seconds\.?/;
const OWNER =
  /^INFO: task .{0,32}:(\d+)(?: <\w+>)? (?:is )?blocked on an? .{1,20} likely (?:last )?owned by (?:task|reader|writer) (.{0,32}):(\d+)/;
const STALL =
  /^(?:rcu: )?INFO: (rcu\w*)(?:\/\S+)? (?:self-detected stall on CPU|detected (?:expedited )?stalls? on CPUs?\/tasks)(.*)/;
const WORKQUEUE = /^BUG: workqueue lockup - pool cpus=([\d,-]+).* stuck for (\d+)s!/;
/** A CPU's line of a stall: '1-...!: (0 ticks this GP)', '1: (5249 ticks this GP)' in older kernels. */
const STALLED_CPU = /^(?:rcu: )?\s*(\d+)(?:-[^:\s]{2,6})?: \((?:\d+ ticks this GP|\d+ GPs behind|detected)/;
const WHO = /^CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (.{1,15}?) (?:Tainted|Not tainted|Kdump)/;

/**
 * The reports of the watchdogs, oldest first. A lockup that lasts is reported again and again.
 * @param records - the log, `struct printk_info` and text
 */
export function lockupReports(records: readonly LogRecord[]): readonly LockupReport[] {
  const lines = kernelLines(records);
  const found: LockupReport[] = [];
  for (let i = 0; i < lines.length && found.length < MAX_REPORTS; i++) {
    const line = lines[i];
    if (line === undefined) continue;
    const report = softOrHard(lines, i, line) ?? hung(lines, i, line) ?? stall(lines, i, line) ?? workqueue(line);
    if (report !== undefined) found.push(report);
  }
  return found;
}

const seconds = (text: string | undefined): Nanoseconds | undefined =>
  text === undefined ? undefined : nanoseconds(BigInt(text) * 1_000_000_000n);

function softOrHard(lines: readonly KernelLine[], i: number, line: KernelLine): LockupReport | undefined {
  const soft = SOFT.exec(line.text);
  const hard = soft === null ? HARD.exec(line.text) : null;
  const cpu = (soft ?? hard)?.[1];
  if (cpu === undefined) return undefined;
  const after = following(lines, i);
  const who = match(after, WHO);
  const own = who?.[1] === cpu ? who : undefined;
  return {
    kind: soft === null ? 'hard-lockup' : 'soft-lockup',
    headline: line.text,
    timeNs: line.timeNs,
    cpus: cpuNumbers([cpu]),
    pid: numberOf(soft?.[4] ?? own?.[2]),
    comm: soft?.[3] ?? own?.[3],
    stuck: seconds(soft?.[2]),
    at: own === undefined ? undefined : firstPlace(after),
    owner: undefined,
  };
}

function hung(lines: readonly KernelLine[], i: number, line: KernelLine): LockupReport | undefined {
  const [, comm, pid, time] = HUNG.exec(line.text) ?? [];
  if (comm === undefined) return undefined;
  // The line about the owner comes behind the stack of the task.
  const owner = following(lines, i)
    .map((text) => OWNER.exec(text))
    .find((found) => found?.[1] === pid);
  const ownerPid = numberOf(owner?.[3]);
  return {
    kind: 'hung-task',
    headline: line.text,
    timeNs: line.timeNs,
    cpus: [],
    pid: numberOf(pid),
    comm,
    stuck: seconds(time),
    at: undefined,
    owner: ownerPid === undefined || owner?.[2] === undefined ? undefined : { pid: ownerPid, comm: owner[2] },
  };
}

function stall(lines: readonly KernelLine[], i: number, line: KernelLine): LockupReport | undefined {
  const [, , rest] = STALL.exec(line.text) ?? [];
  if (rest === undefined) return undefined;
  const self = line.text.includes('self-detected');
  const after = following(lines, i);
  // '{ 1}' or '{ 1-...D } 21 jiffies' on the line itself, in older kernels and of expedited grace periods.
  const braces = /\{([^}]*)\}/.exec(rest)?.[1] ?? '';
  const listed = [...braces.matchAll(/(?:^|\s)(\d+)(?:-\S*)?(?=\s|$)/g)].map(([, cpu]) => cpu ?? '');
  for (const text of after) {
    if (/^(?:rcu: )?\s*\(?(?:detected by|t=\d)|Call Trace|^Sending NMI/.test(text)) break;
    const cpu = STALLED_CPU.exec(text)?.[1];
    if (cpu !== undefined) listed.push(cpu);
  }
  const cpus = cpuNumbers(listed);
  // Of several only the first one's registers would be told, and of none at all somebody else's.
  const who = match(after, WHO);
  const own = cpus.length === 1 && who?.[1] === String(cpus[0]) ? who : undefined;
  return {
    kind: 'rcu-stall',
    headline: line.text,
    timeNs: line.timeNs,
    cpus: cpus.length === 0 && self && who?.[1] !== undefined ? cpuNumbers([who[1]]) : cpus,
    pid: numberOf(own?.[2]),
    comm: own?.[3],
    // Told in jiffies, and HZ is not known here.
    stuck: undefined,
    at: own === undefined ? undefined : firstPlace(after),
    owner: undefined,
  };
}

function workqueue(line: KernelLine): LockupReport | undefined {
  const [, list, time] = WORKQUEUE.exec(line.text) ?? [];
  if (list === undefined) return undefined;
  return {
    kind: 'workqueue-lockup',
    headline: line.text,
    timeNs: line.timeNs,
    // A pool that is bound has one CPU; of others the list says only where it may run.
    cpus: /^\d+$/.test(list) ? cpuNumbers([list]) : [],
    pid: undefined,
    comm: undefined,
    stuck: seconds(time),
    at: undefined,
    owner: undefined,
  };
}

/** Lines of the same report: those of other tasks are left out, where the kernel tells callers, and the next report ends it. */
function following(lines: readonly KernelLine[], i: number): readonly string[] {
  const first = lines[i];
  const out: string[] = [];
  for (const line of lines.slice(i + 1, i + 1 + MAX_LINES)) {
    if (SOFT.test(line.text) || HARD.test(line.text) || HUNG.test(line.text) || STALL.test(line.text)) break;
    // The CPU that is stuck prints its own registers, asked by an NMI.
    if (first !== undefined && !STALL.test(first.text) && !HARD.test(first.text) && !sameCaller(first, line)) continue;
    out.push(line.text);
  }
  return out;
}

function match(lines: readonly string[], pattern: RegExp): RegExpExecArray | undefined {
  for (const line of lines) {
    const found = pattern.exec(line);
    if (found !== null) return found;
  }
  return undefined;
}

function firstPlace(lines: readonly string[]): OopsPlace | undefined {
  for (const line of lines) {
    const place = placeOf(line);
    if (place !== undefined) return place;
  }
  return undefined;
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function cpuNumbers(texts: readonly string[]): readonly number[] {
  return [...new Set(texts.map(Number))].filter((cpu) => Number.isSafeInteger(cpu) && cpu < MAX_CPUS);
}
