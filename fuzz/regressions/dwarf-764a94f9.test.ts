/** Found by `npm run fuzz`: see docs/fuzzing.md. */
import { expect, test } from 'vitest';
import { replay } from '../regression.ts';

test('violation line -N', () => {
  const { failure } = replay('dwarf', {
    base: 'sections 5',
    ops: [{ op: 'set', part: '.debug_line', at: 185, bytes: '05b5cff13777ae088703a24ec50937c1' }],
  });
  expect(failure?.message).toBeUndefined();
});
