/**
 * What a long operation may still spend. It asks `check()` every so often; the time limit and Ctrl-C end it with
 * CancelledError, and whoever runs it keeps what is known so far. The clock and the interrupt flag are injected: the
 * core knows neither processes nor signals.
 */
import { CancelledError } from './errors.ts';

export interface Budget {
  /** @throws CancelledError when the limit has passed or an interrupt was asked for. */
  check(): void;
}

export const unlimited: Budget = { check: () => {} };

/**
 * @param now - milliseconds on any steady clock
 * @param deadline - on the same clock; undefined for none
 * @param interrupted - a shared word: non-zero asks to stop (a signal handler or a worker sets it)
 */
export function limitedBudget(now: () => number, deadline: number | undefined, interrupted?: Int32Array): Budget {
  return {
    check() {
      if (interrupted !== undefined && Atomics.load(interrupted, 0) !== 0) throw new CancelledError('interrupt');
      if (deadline !== undefined && now() > deadline) throw new CancelledError('time-limit');
    },
  };
}
