import { expect, test } from 'vitest';
import { fakeSink } from '../../test/builders/cli.ts';
import { CancelledError } from '../base/errors.ts';
import { startProgress, ticking } from './progress.ts';

function clock(): { time: number; now: () => number } {
  const state = { time: 0, now: () => state.time };
  return state;
}

test('nothing in the first second, then one line, then nothing', () => {
  const { now, ...rest } = clock();
  expect(rest.time).toBe(0);
  const stderr = fakeSink({ isTTY: true, columns: 200 });
  const quick = startProgress({ stderr, now }, true);
  quick.step('opening the dump');
  quick.clear();
  expect(stderr.text).toBe('');
});

test('the line is shown, kept up to date, and cleared', () => {
  const state = clock();
  const stderr = fakeSink({ isTTY: true, columns: 200 });
  const progress = startProgress({ stderr, now: state.now }, true);
  const budget = ticking({ check: () => {} }, progress);
  progress.step('reading tasks');
  state.time = 1100;
  budget.check();
  expect(stderr.text).toBe('\r\u001b[Kkwhy: reading tasks, 1 s (Ctrl-C shows what is known so far)');
  state.time = 1200;
  budget.check();
  expect(stderr.text.split('\r')).toHaveLength(2);
  state.time = 4000;
  budget.check();
  expect(stderr.text).toContain('reading tasks, 4 s');
  progress.clear();
  expect(stderr.text.endsWith('\r\u001b[K')).toBe(true);
});

test('the line fits into the terminal and is harmless', () => {
  const state = clock();
  const stderr = fakeSink({ isTTY: true, columns: 30 });
  const progress = startProgress({ stderr, now: state.now }, true);
  state.time = 2000;
  progress.step('\u001b[31mx\n');
  expect(stderr.text).toBe(String.raw`${'\r\u001b[K'}kwhy: \x1b[31mx\x0a, 2 s (Ctr`);
});

test('silent where stderr is no terminal or it is not wanted', () => {
  for (const [isTTY, wanted] of [
    [false, true],
    [true, false],
  ] as const) {
    const state = clock();
    const stderr = fakeSink({ isTTY });
    const progress = startProgress({ stderr, now: state.now }, wanted);
    state.time = 5000;
    progress.step('x');
    progress.clear();
    expect(stderr.text).toBe('');
  }
});

test('the budget still says when it is over', () => {
  const over = {
    check: () => {
      throw new CancelledError('time-limit');
    },
  };
  const progress = startProgress({ stderr: fakeSink(), now: () => 0 }, true);
  expect(() => ticking(over, progress).check()).toThrow(CancelledError);
});
