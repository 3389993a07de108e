import { expect, test } from 'vitest';
import { expectedOf, sortTruth } from './manifest.ts';

const messages = [
  { truth: 'task', role: 'culprit', pid: 413, comm: 'updatedb' },
  { truth: 'task', role: 'writer', pid: 418, comm: 'tee' },
  { truth: 'count', name: 'waiters', value: 55 },
  { truth: 'text', name: 'folder', value: '/tmp/queue' },
  { truth: 'address', role: 'resource', ctype: 'struct rw_semaphore', address: '0xff136aee823d8440', what: 'i_rwsem' },
  { truth: 'decoy', what: 'big and harmless', pid: 406, comm: 'mysqld' },
  { dump: 'sysrq' },
];

test('sorts what the guest told', () => {
  const told = sortTruth(messages);
  expect(told.tasks.map(({ pid }) => pid)).toEqual([413, 418]);
  expect(told.counts).toEqual({ waiters: 55 });
  expect(told.texts).toEqual({ folder: '/tmp/queue' });
  expect(told.decoys).toEqual([{ what: 'big and harmless', pid: 406, comm: 'mysqld' }]);
});

test('a report must name what the incident says, and the guest must have told it', () => {
  const told = sortTruth(messages);
  const incident = { name: '01', causes: ['x'], names: ['culprit', 'resource'] as const };
  expect(expectedOf(incident, told).culprits?.map(({ comm }) => comm)).toEqual(['updatedb']);
  expect(expectedOf({ ...incident, names: ['resource'] }, told).culprits).toBeUndefined();
  expect(expectedOf({ ...incident, causes: [] }, told)).toEqual({ causes: [] });
  expect(() => expectedOf(incident, sortTruth([]))).toThrow(/no culprit/);
});
