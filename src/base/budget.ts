/**
 * What a long operation may still spend. It asks `check()` every so often; the time limit and Ctrl-C end it with
 * CancelledError, and whoever runs it keeps what is known so far. The clock and the interrupt flag are injected: the
 * core knows neither processes nor signals.
 *
 * Whatever reads a dump need not ask: a `Checkpoint` counts the reads of the open dump, of its file and of its memory,
 * and asks for them. Only loops that read nothing for long ask themselves.
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

/** What may end the work; any of them, or none. */
export interface Limits {
  /** From now on. */
  readonly seconds?: number;
  /**
   * An AbortSignal. It is aborted between turns of the event loop only, and all work here is synchronous: it ends what
   * comes after, or what is done in steps (`diagnose`). To end work from outside, use `flag` or `seconds`.
   */
  readonly signal?: { readonly aborted: boolean };
  /** An Int32Array on a SharedArrayBuffer: another thread stores anything but 0 into its first element. */
  readonly flag?: Int32Array;
}

/**
 * A Budget by the steady clock of this process.
 *
 *     const stop = new Int32Array(new SharedArrayBuffer(4));   // the other thread: Atomics.store(stop, 0, 1)
 *     openProgram('vmcore', { budget: budgetOf({ seconds: 30, flag: stop }) });
 */
export function budgetOf({ seconds, signal, flag }: Limits): Budget {
  const now = (): number => performance.now();
  const clock = limitedBudget(now, seconds === undefined ? undefined : now() + seconds * 1000, flag);
  return {
    check() {
      if (signal?.aborted === true) throw new CancelledError('interrupt');
      clock.check();
    },
  };
}

/** Steps between two questions: a read of memory is one step, so that is a fraction of a millisecond. */
const STEPS = 1024;

/** Counts the steps of hot loops, and asks the budget that is in force every so many. */
export class Checkpoint {
  #budget: Budget;
  #left = STEPS;

  constructor(budget: Budget = unlimited) {
    this.#budget = budget;
  }

  /**
   * @param steps - what was done since: 1 for a read of some bytes that are in memory
   * @throws CancelledError
   */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) this.check();
  }

  /** Asks now. @throws CancelledError */
  check(): void {
    this.#left = STEPS;
    this.#budget.check();
  }

  /**
   * Runs `work` under one more budget; the ones before hold as well. Of work that goes on later (a generator) only what
   * runs in this call.
   * @throws CancelledError, and what `work` throws
   */
  within<T>(budget: Budget, work: () => T): T {
    const outer = this.#budget;
    const both: Budget = {
      check() {
        outer.check();
        budget.check();
      },
    };
    this.#budget = outer === budget ? outer : both;
    try {
      this.check();
      return work();
    } finally {
      this.#budget = outer;
    }
  }
}
