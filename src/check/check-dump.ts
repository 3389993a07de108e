/** The whole of `kwhy check`, for the command line and for scripts. */
import { type Budget, unlimited } from '../base/budget.ts';
import type { DumpCheck } from '../model/dump-check.ts';
import { describeDump } from './describe.ts';
import { examine } from './examine.ts';

export interface CheckOptions {
  /** Ends the check with CancelledError; the two seconds that it gives itself are no error. */
  readonly budget?: Budget;
  /** Milliseconds on a steady clock; by default the process' own. */
  readonly now?: () => number;
}

/**
 * What a file is, how sound and complete it is, and what is missing costs a diagnosis; within two seconds.
 * @param paths - as for `openProgram`
 * @throws UsageError when it is no dump, FormatError when it is too damaged to start with, CancelledError
 */
export function checkDump(paths: string | readonly string[], options: CheckOptions = {}): DumpCheck {
  const { budget = unlimited, now = () => performance.now() } = options;
  const named = typeof paths === 'string' ? [paths] : paths;
  return describeDump(examine(named, { now, start: now(), budget }));
}
