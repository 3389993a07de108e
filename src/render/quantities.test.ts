import { expect, test } from 'vitest';
import { formatCount, formatDuration, formatEdge, formatRatio, formatWallClock } from './quantities.ts';

test.each([
  [0, '0'],
  [51, '51'],
  [9999, '9999'],
  [10_000, '10,000'],
  [4_042_945, '4,042,945'],
  [-12_345, '-12,345'],
  [0.5, '0.5'],
  [2 ** 60, '1152921504606846976'],
  [Number.NaN, '?'],
])('count %d', (value, text) => {
  expect(formatCount(value)).toBe(text);
});

test.each([
  [0n, '0 ms'],
  [400_000n, '<1 ms'],
  [12_345_678n, '12 ms'],
  [999_499_999n, '999 ms'],
  [999_500_000n, '1.0 s'],
  [7_540_000_000n, '7.5 s'],
  [14_280_000_000n, '14.3 s'],
  [120_000_000_000n, '120.0 s'],
  [120_100_000_000n, '2 min (120.1 s)'],
  [125_000_000_000n, '2 min 5 s (125.0 s)'],
  [8_012_300_000_000n, '2 h 13 min (8012.3 s)'],
  [50_000_000_000_000n, '13 h 53 min (50000.0 s)'],
  [200_000_000_000_000n, '2 d 7 h (200000.0 s)'],
  [86_400_000_000_000n, '1 d (86400.0 s)'],
  [-7_500_000_000n, '-7.5 s'],
])('duration %d ns', (ns, text) => {
  expect(formatDuration(ns)).toBe(text);
});

test.each([
  [0n, 30, '0 s'],
  [50_370_000_000_000n, 30, '13 h 59 min 30 s'],
  [50_400_000_000_000n, 30, '14 h'],
  [86_430_000_000_000n, 30, '1 d 30 s'],
  [259_200_000_000_000n, 86400, '3 d'],
  [2_500_000_000n, 0.5, '2.5 s'],
  [200_000_000n, 0.1, '200 ms'],
  [61_005_000_000n, 0.005, '1 min 1.005 s'],
  [-7_000_000_000n, 1, '-7 s'],
])('the edge %d ns of steps of %d s', (ns, step, text) => {
  expect(formatEdge(ns, BigInt(step * 1000) * 1_000_000n)).toBe(text);
});

test.each([
  [0, '0 %'],
  [0.0001, '<0.1 %'],
  [0.052, '5.2 %'],
  [0.05, '5 %'],
  [0.6, '60 %'],
  [0.9951, '99.5 %'],
  [0.99999, '>99.9 %'],
  [1, '100 %'],
  [2.22, '222 %'],
  [Number.NaN, '?'],
])('ratio %d', (value, text) => {
  expect(formatRatio(value)).toBe(text);
});

test.each([
  [0, '1970-01-01T00:00:00Z'],
  [1_795_424_400.75, '2026-11-23T09:00:00Z'],
  [1e20, '100000000000000000000 s after 1970'],
  [Number.NaN, '?'],
])('wall clock %d', (value, text) => {
  expect(formatWallClock(value)).toBe(text);
});
