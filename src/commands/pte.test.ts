import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import pte from './pte.ts';

const { run, json } = commandRunner([pte]);

test('as crash 9.0.2', () => {
  expect(run('pte d8e067').lines).toEqual([
    ' PTE    PHYSICAL  FLAGS',
    'd8e067   d8e000   (PRESENT|RW|USER|ACCESSED|DIRTY)',
  ]);
  expect(run('pte 8000000003416025').lines).toEqual([
    '      PTE         PHYSICAL  FLAGS',
    '8000000003416025   3416000  (PRESENT|USER|ACCESSED|NX)',
  ]);
});

test('one of a page in swap', () => {
  const entry = (2n << 59n) | (BigInt.asUintN(50, ~0x1234n) << 9n);
  expect(json(`pte ${entry.toString(16)}`)).toMatchObject({ items: [{ data: { swap: { area: 2, page: 0x1234 } } }] });
});
