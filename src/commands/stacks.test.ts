import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
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

it('has the same as data', () => {
  expect(JSON.stringify(json('stacks -f handle_userfault'))).toContain('"handle_userfault"');
});

it('refuses what it does not know', () => {
  expect(run('stacks 96').failures).toEqual(["stacks: '96': stacks takes no arguments; -f is for a function"]);
  expect(run('stacks -s QQ').failures[0]).toContain('states are RU');
  expect(run('stacks -n x').failures[0]).toContain("'x'");
});
