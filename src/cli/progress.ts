/**
 * One line on stderr that says what takes so long. It comes after a second and goes when the work is done. As the core
 * is synchronous, it is driven from the core's own questions to its budget.
 */
import type { Budget } from '../base/budget.ts';
import { columnsOf, splitAtColumn } from '../render/columns.ts';
import { escapeText } from '../render/escape.ts';
import type { Io } from './io.ts';

const AFTER_MS = 1000;
const EVERY_MS = 250;
const CLEAR = '\r\u001b[K';

export interface Progress {
  /** The work goes on with this. */
  step(what: string): void;
  /** Time has passed. */
  tick(): void;
  /** Removes the line. */
  clear(): void;
}

const silent: Progress = { step: () => {}, tick: () => {}, clear: () => {} };

/** Silent where stderr is no terminal. */
export function startProgress({ stderr, now }: Pick<Io, 'stderr' | 'now'>, wanted: boolean): Progress {
  if (!wanted || !stderr.isTTY) return silent;
  const start = now();
  let due = start + AFTER_MS;
  let what = '';
  let shown = false;
  const tick = (): void => {
    const time = now();
    if (time < due) return;
    due = time + EVERY_MS;
    const full = escapeText(
      `kwhy: ${what}, ${Math.floor((time - start) / 1000)} s (Ctrl-C shows what is known so far)`,
    );
    const room = (stderr.columns ?? 80) - 1;
    stderr.writeNow(`${CLEAR}${columnsOf(full) > room ? splitAtColumn(full, room)[0] : full}`);
    shown = true;
  };
  return {
    step(next) {
      what = next;
      tick();
    },
    tick,
    clear() {
      if (shown) stderr.writeNow(CLEAR);
      shown = false;
    },
  };
}

/** A budget that moves the progress on whenever it is asked. */
export function ticking(budget: Budget, progress: Progress): Budget {
  return {
    check() {
      progress.tick();
      budget.check();
    },
  };
}
