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

/** A process that is given no less of a processor than this counts as being given this. */
const LEAST_SHARE = 0.02;

/**
 * True when `work` takes that long again and again: when it does, once more, as much longer as the processor was busy with
 * something else, so that a machine under load is no hang.
 */
export function takesTooLong(milliseconds: number, work: () => void): boolean {
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  if (endsWithin(milliseconds, work)) return false;
  const { user, system } = process.cpuUsage(cpu);
  const share = (user + system) / 1000 / (performance.now() - wall);
  return !endsWithin(milliseconds / Math.min(1, Math.max(LEAST_SHARE, share)), work);
}
