import { expect, it } from 'vitest';
import { virt } from '../base/address.ts';
import { asSureAsSeen, edgeOf, SEEN_EDGES } from './wait-edges.ts';

const awaited = [
  { task: virt(0xffff888000001000n), certainty: 'exact', why: 'a structure names it' },
  { task: virt(0xffff888000002000n), certainty: 'inferred', why: 'it usually does' },
] as const;

it('whom a wait of a kind leads to that no real dump has shown is inferred, and the same otherwise', () => {
  expect(asSureAsSeen(awaited, ['6.1'])).toEqual(awaited);
  expect(asSureAsSeen(awaited, []).map(({ certainty }) => certainty)).toEqual(['inferred', 'inferred']);
  expect(asSureAsSeen(awaited, []).map(({ task }) => task)).toEqual(awaited.map(({ task }) => task));
});

it('what a structure shows is counted by its kind, and what has none by the functions', () => {
  expect([edgeOf('pipe'), edgeOf('grace-period'), edgeOf('reclaim')]).toEqual([
    'pipe',
    'RCU grace period',
    'functions on the stack',
  ]);
  expect(Object.values(SEEN_EDGES).every((kernels) => new Set(kernels).size === kernels.length)).toBe(true);
});
