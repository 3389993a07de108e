import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pfn } from '../base/address.ts';
import { FrameSet } from './frame-set.ts';

const frame = fc.oneof(fc.nat(200), fc.integer({ min: 32_760, max: 32_780 }), fc.integer({ min: 0, max: 2 ** 36 }));

it('is a set that gives its frames in ascending order', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 100 }), fc.array(frame, { maxLength: 20 }), (frames, others) => {
      const set = new FrameSet();
      const expected = new Set<number>();
      for (const each of frames) {
        expect(set.add(pfn(each))).toBe(!expected.has(each));
        expected.add(each);
      }
      expect(set.size).toBe(expected.size);
      expect([...set]).toEqual([...expected].sort((a, b) => a - b));
      for (const each of [...frames, ...others]) expect(set.has(pfn(each))).toBe(expected.has(each));
    }),
  );
});
