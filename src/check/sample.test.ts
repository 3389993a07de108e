import { describe, expect, it } from 'vitest';
import { SAMPLE } from '../../test/builders/sample.ts';
import { unlimited } from '../base/budget.ts';
import { CancelledError } from '../base/errors.ts';
import { openDump } from '../dump/open.ts';
import { samplePages, spread } from './sample.ts';

describe('the order of places', () => {
  it.each([1, 2, 7, 64, 1000])('each of %i once', (count) => {
    expect([...spread(count)].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it('is spread evenly, wherever it ends', () => {
    for (const first of [16, 100, 500]) {
      const places = [...spread(1024)].slice(0, first).sort((a, b) => a - b);
      const gaps = places.map((place, i) => place - (places[i - 1] ?? 0));
      expect(Math.max(...gaps)).toBeLessThanOrEqual((2 * 1024) / first);
    }
  });
});

describe('the sample', () => {
  it('is all pages of a small dump', () => {
    const dump = openDump(SAMPLE);
    expect(samplePages(dump, unlimited)).toEqual({
      read: dump.counts.inFile,
      damaged: 0,
      firstDamaged: undefined,
      whole: true,
    });
    dump.close();
  });

  it('ends after so many pages, at the end of a place', () => {
    const dump = openDump(SAMPLE);
    const { read, whole } = samplePages(dump, unlimited, 1000);
    expect(whole).toBe(false);
    expect(read).toBeGreaterThanOrEqual(1000);
    expect(read).toBeLessThan(1016);
    dump.close();
  });

  it('ends when the time is over, with what was read by then', () => {
    const dump = openDump(SAMPLE);
    let left = 3000;
    const budget = {
      check: () => {
        if (--left < 0) throw new CancelledError('time-limit');
      },
    };
    const sample = samplePages(dump, budget);
    expect(sample.whole).toBe(false);
    expect(sample.read).toBeGreaterThan(100);
    expect(sample.read).toBeLessThan(3000);
    dump.close();
  });
});
