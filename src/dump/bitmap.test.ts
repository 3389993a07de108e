import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitmap, RankedBitmap } from './bitmap.ts';
import { memorySource } from './byte-source.ts';
import { RangeTable } from './range-table.ts';

describe('RankedBitmap', () => {
  const bitmaps = fc.record({
    bits: fc.integer({ min: 1, max: 20_000 }),
    set: fc.array(fc.oneof(fc.nat(20_100), fc.constantFrom(0, 7, 8, 31, 32, 4095, 4096, 8191, 8192)), {
      maxLength: 300,
    }),
    offset: fc.nat(3).map((n) => n * 4096 + (n === 3 ? 5 : 0)),
  });

  it('agrees with counting one by one', () => {
    fc.assert(
      fc.property(bitmaps, ({ bits, set, offset }) => {
        const bytes = new Uint8Array(offset + 4096 * Math.ceil(bits / 8 / 4096));
        // Bits behind the last frame may be set in a damaged file; they do not count.
        for (const bit of set) {
          const at = offset + (bit >> 3);
          if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) | (1 << (bit & 7));
        }
        const expected = [...new Set(set)].filter((bit) => bit < bits).sort((a, b) => a - b);
        const source = memorySource(bytes);
        const bitmap = new RankedBitmap(source, offset, bits);
        expect(bitmap.total).toBe(expected.length);
        expect(new Bitmap(source, offset, bits).count()).toBe(expected.length);
        expected.forEach((bit, rank) => expect(bitmap.rank(bit)).toBe(rank));
        const walked: number[] = [];
        for (let bit = bitmap.next(0); bit >= 0; bit = bitmap.next(bit + 1)) walked.push(bit);
        expect(walked).toEqual(expected);
        for (const bit of [0, 1, 4095, 4096, bits - 1, bits, bits + 7, -1]) {
          expect(bitmap.has(bit)).toBe(expected.includes(bit));
          expect(bitmap.rank(bit) >= 0).toBe(expected.includes(bit));
        }
        for (const bit of [0, 1, 4095, 4096, bits - 1, bits].filter((wanted) => wanted <= bits)) {
          expect(bitmap.before(bit)).toBe(expected.filter((set) => set < bit).length);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('counts full bitmaps, across the buffers of its pass', () => {
    const bits = 3 * 2 ** 20 + 5;
    const bitmap = new RankedBitmap(memorySource(new Uint8Array(Math.ceil(bits / 8)).fill(0xff)), 0, bits);
    expect([bitmap.total, bitmap.rank(bits - 1), bitmap.rank(2 ** 21), bitmap.next(bits - 1)]).toEqual([
      bits,
      bits - 1,
      2 ** 21,
      bits - 1,
    ]);
  });
});

it('counts before the end of a bitmap that ends with its source', () => {
  const bitmap = new RankedBitmap(memorySource(new Uint8Array(512).fill(1)), 0, 4096);
  expect([bitmap.before(4096), bitmap.before(4095)]).toEqual([512, 512]);
});

describe('RangeTable', () => {
  it('maps every byte as the range that starts first does', () => {
    const range = fc.record({ start: fc.nat(500), size: fc.nat(100) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
        const table = RangeTable.from(
          Float64Array.from(ranges, (r) => r.start),
          Float64Array.from(ranges, (r) => r.size),
          // As in a dump, all ranges that share an address hold the same there.
          Float64Array.from(ranges, (r) => r.start + 10_000),
        );
        let covered = 0;
        for (let at = 0; at < 700; at++) {
          const expected = ranges.some((r) => at >= r.start && at < r.start + r.size);
          const index = table.find(at);
          expect(index >= 0 ? table.offsetIn(index, at) : -1).toBe(expected ? at + 10_000 : -1);
          if (expected) covered++;
        }
        expect(table.bytes).toBe(covered);
        expect(table.end).toBe(Math.max(0, ...ranges.filter((r) => r.size > 0).map((r) => r.start + r.size)));
      }),
    );
  });

  it('counts the bytes that another table does not have', () => {
    const range = fc.record({ start: fc.nat(200), size: fc.nat(50) });
    const build = (ranges: readonly { start: number; size: number }[]): RangeTable =>
      RangeTable.from(
        Float64Array.from(ranges, (r) => r.start),
        Float64Array.from(ranges, (r) => r.size),
        new Float64Array(ranges.length),
      );
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), fc.array(range, { maxLength: 8 }), (mine, others) => {
        const [a, b] = [build(mine), build(others)];
        let expected = 0;
        for (let at = 0; at < 260; at++) if (a.find(at) >= 0 && b.find(at) < 0) expected++;
        expect(a.bytesOutside(b)).toBe(expected);
      }),
    );
  });
});
