import { expect, test } from 'vitest';
import { screenOf } from './score.ts';
import { type Entry, renderScoreboard, tooLong } from './scoreboard.ts';

const entry = (screen: number | undefined): Entry => ({
  incident: '01-a',
  kernel: '6.1',
  release: '6.1.0',
  variant: 1,
  file: 'zstd.vmcore',
  verdict: 'right',
  why: '',
  seconds: 0.5,
  megabytes: 100,
  commit: 'abc',
  key: '1',
  ...(screen === undefined ? {} : { screen }),
});

test('the first screen is what stands above the first section, or all', () => {
  expect(screenOf('it hangs\n\nWhy  so\n\n--- Evidence\n\nmuch more\n')).toEqual({ lines: 3, columns: 8 });
  expect(screenOf('it hangs\nstill\n')).toEqual({ lines: 2, columns: 8 });
});

test('the page tells the longest screen, and which are too long are known', () => {
  const entries = [entry(20), { ...entry(25), variant: 2 }, { ...entry(undefined), file: 'elf.vmcore' }];
  expect(renderScoreboard(entries)).toContain('The longest first screen has 25 lines of 100 columns; 24 are allowed.');
  expect(tooLong(entries).map(({ variant }) => variant)).toEqual([2]);
});
