/** The addresses are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import list from './list.ts';

const { run, json } = commandRunner([list]);
const WAITERS = 'ffff88899fd6d098';

test('a head that stands alone: its entries, without the head', () => {
  const { lines, problems } = run(`list -H ${WAITERS}`);
  expect(lines).toHaveLength(51);
  expect(lines.slice(0, 3)).toEqual(['ffffd1ec0042f920', 'ffffd1ec0043f940', 'ffffd1ec0045f9b0']);
  expect(problems).toEqual([]);
  expect(run(`list -r -H ${WAITERS}`).lines.slice(-1)).toEqual(['ffffd1ec0042f920']);
});

test('members of what is on it', () => {
  expect(run(`list -H ${WAITERS} -s rwsem_waiter.task,type -l rwsem_waiter.list`).lines.slice(0, 3)).toEqual([
    'ffffd1ec0042f920',
    '  task = 0xffff88899fec0000,',
    '  type = RWSEM_WAITING_FOR_WRITE,',
  ]);
  for (const line of [
    'list -H modules -o module.list -s module.name',
    'list module.list -H modules -S module.name',
    'list -H modules module.list -s module.name',
  ]) {
    expect(run(line).lines[1]).toMatch(/^ {2}name = "\w+\\000/);
  }
});

test('an object on the list, with or without another head', () => {
  const processes = run('list task_struct.tasks -h ffff8889811ea0c0').lines;
  expect(processes).toHaveLength(162);
  expect(processes[0]).toBe('ffff8889811ea0c0');
  expect(run('list task_struct.sibling -h ffff88899fc4a0c0 -O task_struct.children').lines).toEqual(['(empty)']);
});

test('the first object, links at an offset, an end', () => {
  expect(run(`list ${WAITERS}`).lines).toHaveLength(52);
  expect(run(`list -e ffffd1ec0074f980 ${WAITERS}`).lines).toHaveLength(51);
});

test('a list that runs into itself, or into nothing, is told', () => {
  expect(run('list 0').problems.join()).toContain('cannot read virtual memory');
  expect(run('list -o task_struct.nosuch 0').failures.join()).toContain("has no member 'nosuch'");
  expect(run('list -H -h 0').failures.join()).toContain('-H and -h exclude each other');
  expect(run('list').failures.join()).toContain('usage: list');
});

test('JSON', () => {
  expect(json(`list -H ${WAITERS}`)).toHaveProperty('data[0]', '0xffffd1ec0042f920');
});
