import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { Incident } from '../../test/builders/incident.ts';
import { behindMutex } from '../../test/builders/scenes.ts';
import locks from './locks.ts';

it('on the sample: the lock of the directory, its 51 waiters, and the reader that has it', () => {
  const { run } = commandRunner([locks]);
  const { lines, problems } = run('locks');
  expect(problems).toEqual([]);
  expect(lines.length).toBe(2);
  expect(lines[1]).toMatch(/^ +51 .* rw_semaphore .*ps \(pid 96\), inferred +the i_rwsem of the directory \//);
});

it('one in full', () => {
  const { lines } = commandRunner([locks], behindMutex(2, 30, {}).program()).run('locks a_mutex');
  expect(lines[0]).toMatch(/^Tasks wait for the global a_mutex \(struct mutex at 0x[0-9a-f]+\)$/);
  expect(lines[1]).toBe('   owner (pid 10) has it (the lock names it)');
  expect(lines.at(-1)).toBe('   2 in its queue');
});

it('where none is waited for, it says so', () => {
  const { run } = commandRunner([locks], new Incident().program());
  expect(run('locks').lines).toEqual(['Nobody waits for a sleeping lock.']);
  expect(run('locks 0xffff888000000000').failures[0]).toContain('nobody waits for a lock there');
});

it('a queue that breaks off is a problem that is told', () => {
  const program = behindMutex(3, 30, {}).program((image) => image.write('waiter111.list.next', 0));
  const { lines, problems } = commandRunner([locks], program).run('locks a_mutex');
  expect(lines.at(-1)).toMatch(/which breaks off$/);
  expect(problems.length).toBeGreaterThan(0);
});
