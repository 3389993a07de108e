/**
 * Why the kernel stopped, as its log tells it: what set the crash off. The trigger is not the cause of what was wrong
 * before: somebody who presses sysrq-c on a machine that hangs leaves 'sysrq' here.
 */
import type { LogRecord } from './log-record.ts';

export type TriggerKind = 'sysrq' | 'panic' | 'oops' | 'watchdog' | 'hung-task';

export interface CrashTrigger {
  readonly kind: TriggerKind;
  /** The record of the log that says so. */
  readonly record: LogRecord;
  /** The text behind 'Kernel panic - not syncing: ', when there is one. */
  readonly panic: string | undefined;
}

/**
 * `sysrq: Trigger a crash`, with `SysRq : ` in older kernels (the prefix became pr_fmt in 4.20); the rest are the
 * texts of kernel/panic.c, kernel/watchdog.c and kernel/hung_task.c.
 */
const PANIC = 'Kernel panic - not syncing: ';
const SYSRQ = /^sysrq ?: Trigger a crash/i;
/** Other lines that begin with BUG: are warnings, and the machine goes on. */
const OOPS =
  /^(BUG: (?!soft lockup|workqueue lockup|scheduling while atomic|sleeping function|using |Bad |non-zero|Dentry )|Oops: |general protection fault|kernel BUG at |Unable to handle )/;

/**
 * What set off the crash, from the last records of the log.
 * @param records - the log, oldest first: `struct printk_info` and text
 * @returns undefined when the log tells of no crash, as in a dump of a living machine
 */
export function crashTrigger(records: readonly LogRecord[]): CrashTrigger | undefined {
  const sysrq = records.findLast((record) => fromKernel(record) && SYSRQ.test(record.text));
  const panicRecord = records.findLast((record) => fromKernel(record) && record.text.startsWith(PANIC));
  const panic = panicRecord?.text.slice(PANIC.length).split('\n')[0];
  if (sysrq !== undefined) return { kind: 'sysrq', record: sysrq, panic };
  if (panicRecord !== undefined && panic !== undefined) return { kind: kindOf(panic), record: panicRecord, panic };
  const oops = records.findLast((record) => fromKernel(record) && OOPS.test(record.text));
  return oops === undefined ? undefined : { kind: 'oops', record: oops, panic: undefined };
}

/** User space can write any line into the log through /dev/kmsg; its records have a facility of their own. */
function fromKernel(record: LogRecord): boolean {
  return record.facility === undefined || record.facility === 0;
}

function kindOf(panic: string): TriggerKind {
  if (panic.startsWith('hung_task: ')) return 'hung-task';
  if (/^(softlockup|hard LOCKUP|Hard LOCKUP|Watchdog detected|RCU Stall)/i.test(panic)) return 'watchdog';
  if (/^(Fatal exception|panic_on_oops|kernel stack overflow|corrupted stack end|Machine halted)/.test(panic))
    return 'oops';
  return 'panic';
}
