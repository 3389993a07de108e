/**
 * Ends what does not end: Node's own watchdog (`timeout` of node:vm) stops running code, loops without calls included. It
 * costs half a millisecond, so a batch of executions runs under one.
 */
import { CancelledError } from '../src/base/errors.ts';
import { guard } from '../src/cli/guard.ts';

/** @returns false when `work` was ended at the limit; nothing that it was doing may be used any more */
export function endsWithin(milliseconds: number, work: () => void): boolean {
  try {
    guard(work, milliseconds);
    return true;
  } catch (error) {
    if (error instanceof CancelledError && error.reason === 'time-limit') return false;
    throw error;
  }
}
