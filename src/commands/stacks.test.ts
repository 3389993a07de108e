import { expect, it } from 'vitest';
import { Cgroups } from '../../test/builders/cgroups.ts';
import { commandRunner } from '../../test/builders/commands.ts';
import { Incident } from '../../test/builders/incident.ts';
import stacks from './stacks.ts';

const { run, json } = commandRunner([stacks]);

it('merges and counts: the 50 top of the sample are one stack', () => {
  const { lines, problems } = run('stacks -s UN');
  expect(problems).toEqual([]);
  expect(lines[0]).toMatch(/^50 tasks, off the CPU for up to .*: 50 top \(UN\)$/);
  expect(lines).toContain('   rwsem_down_read_slowpath');
  expect(lines.filter((line) => line === '').length).toBe(1);
});

it('filters by function and by kind', () => {
  expect(run('stacks -f handle_userfault').lines[0]).toMatch(/^1 task, .*: ps \(pid 96\) \(IN\)$/);
  expect(run('stacks -u -f kthread').lines).toEqual(['No such stack.']);
  expect(run('stacks -k -n 1').lines.at(-1)).toMatch(/more stacks not shown$/);
});

it('says which cgroup most of them are in, where others are elsewhere', () => {
  const incident = new Incident();
  const cgroups = new Cgroups(incident.image);
  for (let pid = 20; pid < 24; pid++) {
    incident.task('crond', { pid });
    cgroups.put(`task${pid}`, { unified: '/system.slice/cron.service' });
  }
  cgroups.put('task1', { unified: '/init.scope' });
  const { run: runs } = commandRunner([stacks], incident.program());
  expect(runs('stacks').lines[0]).toBe(
    '5 tasks, off the CPU for up to 1.0 s: 4 crond, init (pid 1) (IN); 4 of the 5 are in cgroup /system.slice/cron.service',
  );
  expect(run('stacks -s UN').lines[0]).not.toContain('cgroup');
});

it('has the same as data', () => {
  expect(JSON.stringify(json('stacks -f handle_userfault'))).toContain('"handle_userfault"');
});

it('refuses what it does not know', () => {
  expect(run('stacks 96').failures).toEqual(["stacks: '96': stacks takes no arguments; -f is for a function"]);
  expect(run('stacks -s QQ').failures[0]).toContain('states are RU');
  expect(run('stacks -n x').failures[0]).toContain("'x'");
});
