import { expect, it } from 'vitest';
import { groupReasons } from './reasons.ts';

it('tells reasons that differ in an address only once, with their number', () => {
  expect(
    groupReasons([
      'cannot read virtual memory at 0xffff8e669f040910: lost',
      'CPU 0 has no registers',
      'cannot read virtual memory at 0xffff8e669f041210: lost',
      'pid 7: list broken',
      'pid 8: list broken',
    ]),
  ).toEqual([
    'cannot read virtual memory at 0xffff8e669f040910: lost (and 1 more like it)',
    'CPU 0 has no registers',
    'pid 7: list broken (and 1 more like it)',
  ]);
});

it('keeps reasons that differ in anything else apart', () => {
  expect(groupReasons(['page at 0xffff8e669f040910: lost', 'page at 0xffff8e669f040910: excluded'])).toHaveLength(2);
  expect(groupReasons([])).toEqual([]);
});
