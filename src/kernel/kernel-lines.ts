/**
 * The lines that the kernel itself wrote into its log, one by one: what parsers of reports read. What user space wrote
 * through /dev/kmsg is left out, as it may say the same.
 */
import type { Nanoseconds } from '../base/units.ts';
import type { LogCaller, LogRecord } from './log-record.ts';

export interface KernelLine {
  /** Without level and time. */
  readonly text: string;
  readonly timeNs: Nanoseconds | undefined;
  /** Undefined where the kernel does not keep it. */
  readonly caller: LogCaller | undefined;
}

/**
 * Oldest first; a record of several lines gives each of them.
 * @param records - the log, `struct printk_info` and text
 */
export function kernelLines(records: readonly LogRecord[]): readonly KernelLine[] {
  return records
    .filter(({ facility }) => facility === undefined || facility === 0)
    .flatMap(({ text, timeNs, caller }) => text.split('\n').map((line) => ({ text: line, timeNs, caller })));
}

/** True when both lines may come from the same task or interrupt (`u32 caller_id`): callers that are not known fit any. */
export function sameCaller(a: KernelLine, b: KernelLine): boolean {
  if (a.caller === undefined || b.caller === undefined) return true;
  return a.caller.kind === b.caller.kind && a.caller.id === b.caller.id;
}
