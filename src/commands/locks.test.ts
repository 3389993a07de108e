import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { Cgroups } from '../../test/builders/cgroups.ts';
import type { KernelImage } from '../../test/builders/image.ts';
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

it('one in full: how its queue grew, and the cgroup that most of it is in', () => {
  const incident = new Incident();
  const lock = incident.lock('mutex', 'a_mutex', { global: true });
  const cgroups = new Cgroups(incident.image);
  incident.held(lock, incident.task('owner', { pid: 10 }));
  incident.tasks(8, 'top', (i) => ({ pid: 20 + i, offCpu: 100 - i * i, waits: [lock] }));
  for (let i = 0; i < 7; i++) cgroups.put(`task${20 + i}`, { unified: '/system.slice/cron\u001b[31m.service' });
  cgroups.put('task27', { unified: '/' });
  const { run } = commandRunner(
    [locks],
    incident.program((image) => image.write('task27.sched_info.last_arrival', 0)),
  );
  const { lines } = run('locks a_mutex');
  expect(lines.slice(2)).toEqual([
    expect.stringContaining('owner and flags'),
    expect.stringContaining('what it is'),
    '   8 in its queue',
    String.raw`   7 of the 8 are in cgroup /system.slice/cron\x1b[31m.service`,
    '   When those who still wait came, by when each last got a CPU (sched_info.last_arrival), in steps',
    '   of 5.0 s:',
    '     before the crash  came  waiting',
    '           1 min 45 s     1        1  ######',
    '           1 min 40 s     2        3  ------###########',
    '           1 min 35 s     1        4  -----------------######',
    '           1 min 30 s     0        4  -----------------------',
    '           1 min 25 s     1        5  -----------------------######',
    '           1 min 20 s     1        6  -----------------------------#####',
    '           1 min 15 s     0        6  ----------------------------------',
    '           1 min 10 s     0        6  ----------------------------------',
    '            1 min 5 s     1        7  ----------------------------------######',
    '     of 1 more it is not known when',
  ]);
});

it('tells no growth of those who came at once, and says where it is not known when they came', () => {
  const at = (damage?: (image: KernelImage) => void): string | undefined =>
    commandRunner([locks], behindMutex(6, 30, {}).program(damage))
      .run('locks a_mutex')
      .lines.at(-1);
  expect(at()).toBe('   since when they wait: 30.0 s before the crash.');
  const unknown = at((image) => {
    for (let pid = 110; pid < 116; pid++) image.write(`task${pid}.sched_info.last_arrival`, 0);
  });
  expect(unknown).toBe('   since when they wait: not known.');
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
