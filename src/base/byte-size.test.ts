import { expect, test } from 'vitest';
import { formatBytes } from './byte-size.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [10_616 * 1024, '10.4 MiB'],
  [232 * 2 ** 20 + 5000, '232 MiB'],
  [15.4 * 2 ** 30, '15.4 GiB'],
  [1023.99 * 2 ** 20, '1.0 GiB'],
  [99.97 * 2 ** 20, '100 MiB'],
  [4_042_945 * 4096, '15.4 GiB'],
  [2 ** 70, '1024 EiB'],
  [-2048, '-2 KiB'],
  [Number.POSITIVE_INFINITY, '?'],
])('bytes %d', (value, text) => {
  expect(formatBytes(value)).toBe(text);
});
