/** The lines are crash 9.0.2's on the full dump that the sample was made of, but that names are not cut off. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import fuser from './fuser.ts';

const { run, json } = commandRunner([fuser]);

test('who has a directory open, by path and by inode', () => {
  expect(run('fuser /data')).toMatchObject({
    lines: [' PID         TASK        COMM             USAGE', '   96  ffff88899fc4a0c0  "ps"             fd'],
    problems: [],
  });
  expect(run('fuser ffff8889811d5f30').lines).toEqual(run('fuser /dev/null').lines);
  expect(json('fuser /data')).toMatchObject({ rows: [{ pid: 96, comm: 'ps', usage: 'fd' }] });
});

test('kernel threads have no program mapped: crash says that they do', () => {
  const { lines } = run('fuser /actor');
  expect(lines.some((line) => line.includes('kthreadd'))).toBe(false);
  expect(lines.find((line) => line.includes('ffff88899fc48000'))).toBe(
    '   95  ffff88899fc48000  "postgres"       mmap',
  );
});

test('nobody', () => {
  expect(run('fuser /nowhere').failures).toEqual(['fuser: no task uses /nowhere']);
});
