import { expect, it } from 'vitest';
import { perDoubling } from './scaling.ts';

it('says what twice the tasks cost', () => {
  expect(perDoubling(2.5, 2)).toBeCloseTo(2.5);
  // Four times the tasks, nine times as long: three times for each doubling.
  expect(perDoubling(9, 4)).toBeCloseTo(3);
  // Hardly more tasks and hardly more time: as steep as linear.
  expect(perDoubling(1.1, 1.1)).toBeCloseTo(2);
});
