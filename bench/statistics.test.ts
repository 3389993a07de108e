import { describe, expect, it } from 'vitest';
import { duration, median, medianRatio, size, table } from './statistics.ts';

describe('median', () => {
  it('is the middle, or between the two middles, whatever the order', () => {
    expect(median([9, 1, 10])).toBe(9);
    expect(median([4, 1, 10, 2])).toBe(3);
    expect(median([])).toBeNaN();
  });
});

describe('medianRatio', () => {
  it('is taken round by round: a machine that slows down changes nothing', () => {
    expect(medianRatio([1, 2, 8], [10, 20, 80])).toBeCloseTo(0.1);
    expect(medianRatio([], [])).toBeNaN();
  });
});

describe('figures', () => {
  it('have three digits and a unit', () => {
    expect([0.42, 9.96, 172.4, 999.4, 999.6, 3126].map(duration)).toEqual([
      '0.4 ms',
      '10 ms',
      '172 ms',
      '999 ms',
      '1.00 s',
      '3.13 s',
    ]);
    expect([245_760, 102_341_017, 557_842_432].map(size)).toEqual(['240 KiB', '97.6 MiB', '532 MiB']);
  });

  it('that were not measured are not numbers', () => {
    expect(duration(Number.NaN)).toBe('not measured');
    expect(size(undefined)).toBe('not measured');
  });
});

describe('table', () => {
  it('is padded Markdown', () => {
    expect(table(['a', 'bb'], [['ccc', 'd'], ['e']])).toBe('| a   | bb |\n| --- | -- |\n| ccc | d  |\n| e   |    |');
  });
});
