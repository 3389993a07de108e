import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyBack } from './copy-back.ts';

it('copies as byte after byte does, and writes nowhere else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), fc.nat(400), (before, back, length) => {
      const distance = 1 + (back % before.length);
      const expected = [...before];
      for (let i = 0; i < length; i++) expected.push(expected[expected.length - distance] ?? 0);
      expected.push(7, 7, 7);
      const into = new Uint8Array(before.length + length + 3).fill(7);
      into.set(before);
      expect(copyBack(into, before.length, distance, length)).toBe(before.length + length);
      expect([...into]).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});
