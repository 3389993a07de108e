/** The scripts as a user runs them, on the sample; what they print against its truth (samples/README.md, read with drgn). */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

interface Printed {
  readonly status: number | null;
  readonly out: readonly string[];
  readonly err: string;
}

function run(script: string, ...argv: readonly string[]): Printed {
  // 'kwhy' is the sources here, and dist/ for everybody else (package.json, exports).
  const args = ['--conditions=kwhy-source', join(ROOT, 'examples', script), ...argv];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  return { status, out: stdout.trimEnd().split('\n'), err: stderr };
}

const SAMPLE = 'samples/hung-6.1.vmcore';
const LOCK = '0xffff88899fd6d080';

it('blocked-tasks: 51 tasks, a writer first, all at the lock of /data', () => {
  const { status, out, err } = run('blocked-tasks.ts', SAMPLE);
  expect([status, err]).toEqual([0, '']);
  expect(out[0]).toBe(`51 tasks wait for the rw_semaphore of /data at ${LOCK}`);
  expect(out).toHaveLength(52);
  const columns = out.slice(1).map((line) => line.trim().split(/\s+/));
  expect(columns.filter(([, comm, mode]) => comm === 'top' && mode === 'read')).toHaveLength(50);
  expect(columns).toContainEqual(['101', 'crond-log', 'write', 'in', 'rwsem_down_write_slowpath']);
});

it('memory-by-process: mysqld, three postgres, init', () => {
  const { status, out, err } = run('memory-by-process.ts', SAMPLE, '5');
  expect([status, err]).toEqual([0, '']);
  expect(out.slice(1).map((line) => line.trim().split(/\s+/))).toEqual([
    ['49828', '49196', '4', '628', '0', '94', '1', 'mysqld'],
    ['16564', '44', '0', '16520', '0', '98', '1', 'postgres'],
    ['16564', '44', '0', '16520', '0', '99', '1', 'postgres'],
    ['16564', '44', '0', '16520', '0', '100', '1', 'postgres'],
    ['1728', '60', '4', '1664', '0', '1', '1', 'init'],
  ]);
});

it('walk-a-list: the queue of the lock in its order', () => {
  const { status, out, err } = run('walk-a-list.ts', SAMPLE, LOCK);
  expect([status, err]).toEqual([0, '']);
  // One reader, and the flag of waiters: 1 << 8 | 2.
  expect(out[0]).toBe(`struct rw_semaphore at ${LOCK}, 40 bytes, count 258`);
  expect(out.slice(1, 3)).toEqual(['101 crond-log wants to write', '106 top wants to read']);
  expect(out.filter((line) => line.endsWith(' top wants to read'))).toHaveLength(50);
});

it('walk-a-list: an address where there is no list, and one that is not mapped', () => {
  expect(run('walk-a-list.ts', SAMPLE, '0xffff88899fd6d000')).toMatchObject({
    status: 1,
    err: expect.stringContaining('no such list: struct list_head') as string,
  });
  expect(run('walk-a-list.ts', SAMPLE, '0xffff')).toMatchObject({
    status: 1,
    err: 'memory at 0x000000000000ffff cannot be read: unmapped\n',
  });
});

it('memory-by-container: all that processes hold, in the only cgroup of the sample', () => {
  const { status, out, err } = run('memory-by-container.ts', SAMPLE);
  expect([status, err]).toEqual([0, '']);
  expect(out.map((line) => line.trim().split(/\s+/))).toEqual([
    ['RSS', 'anon', 'swap', 'processes', 'container'],
    ['172872', '54284', '0', '109', '/'],
  ]);
});

it('tasks-of-cgroup: the processes with their stacks, and no kernel threads', () => {
  const { status, out, err } = run('tasks-of-cgroup.ts', SAMPLE, '/');
  expect([status, err]).toEqual([0, '']);
  expect(out.filter((line) => /^\d+ top D \/$/.test(line))).toHaveLength(50);
  expect(out.filter((line) => /^\d/.test(line))).toHaveLength(109);
  const ps = out.indexOf('96 ps S /');
  expect(out.slice(ps + 1, ps + 4).join()).toContain('schedule+');
  expect(run('tasks-of-cgroup.ts', SAMPLE, '/nosuch')).toMatchObject({ status: 1, err: 'no task is under /nosuch\n' });
});

it('lock-history: the owner first, then the writer, then those who wanted to read', () => {
  const { status, out, err } = run('lock-history.ts', SAMPLE, LOCK);
  expect([status, err]).toEqual([0, '']);
  expect(out.slice(0, 2)).toEqual([
    '    2.876167 ps:96, its owner, ran for the last time',
    '    3.897064 crond-log:101 waits for it (write)',
  ]);
  expect(out.slice(2).every((line) => line.endsWith('waits for it (read)'))).toBe(true);
  expect(out).toHaveLength(52);
  expect(run('lock-history.ts', SAMPLE, '0xffff88899fd6d000')).toMatchObject({ status: 1, out: [''] });
});
