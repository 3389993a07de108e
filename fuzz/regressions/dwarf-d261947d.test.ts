/** Found by `npm run fuzz`: see docs/fuzzing.md. */
import { expect, test } from 'vitest';
import { replay } from '../regression.ts';

test('violation a type of X bytes', () => {
  const { failure } = replay('dwarf', {
    base: 'sections 5',
    ops: [{ op: 'set', part: '.debug_abbrev', at: 133, bytes: '01' }],
  });
  expect(failure?.message).toBeUndefined();
});
