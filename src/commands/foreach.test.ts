import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { defineCommand } from '../model/command.ts';
import foreach from './foreach.ts';

/** Shows how it was called. */
const many = defineCommand({
  name: 'bt',
  summary: '',
  options: [{ flag: 'f', summary: '' }],
  arguments: [{ name: 'pid', kinds: ['task'], optional: true, repeated: true }],
  examples: [{ line: 'bt', what: '' }],
  run: (_context, args) => ({
    shape: 'text',
    lines: [[`${args.has('f')} ${args.positionals.length} ${args.positionals[0]}`]],
  }),
});
const one = defineCommand({
  ...many,
  name: 'show',
  arguments: [{ name: 'pid', kinds: ['task'] }],
});
const other = defineCommand({ ...many, name: 'log', arguments: [] });
const { run } = commandRunner([foreach, many, one, other]);

test.each([
  ['foreach UN bt', 'false 51 ffff88899fec0000'],
  ['foreach UN bt -f', 'true 51 ffff88899fec0000'],
  ['foreach bt', 'false 163 ffffffff9b21aa40'],
  ['foreach top bt', 'false 50 ffff88899580a0c0'],
  ["foreach 'cro.*' bt", 'false 2 ffff88899fec0000'],
  ["foreach 'cro.*' UN bt", 'false 1 ffff88899fec0000'],
  ['foreach 96 101 bt', 'false 2 ffff88899fc4a0c0'],
  ['foreach kernel bt', 'false 54 ffffffff9b21aa40'],
  ['foreach user gleader bt', 'false 109 ffff8889811ea0c0'],
  ['foreach active bt', 'false 2 ffff888981264180'],
  ['for ZO bt', undefined],
])('%s', (line, text) => {
  expect(run(line)).toEqual({
    text: text === undefined ? '' : `${text}\n`,
    lines: text === undefined ? [] : [text],
    problems: [],
    failures: [],
  });
});

test('a command for one task runs for each, below the line of the task', () => {
  expect(run('foreach 96 101 show').lines).toEqual([
    'PID: 96       TASK: ffff88899fc4a0c0  CPU: 1    COMMAND: "ps"',
    'false 1 ffff88899fc4a0c0',
    '',
    'PID: 101      TASK: ffff88899fec0000  CPU: 1    COMMAND: "crond-log"',
    'false 1 ffff88899fec0000',
  ]);
});

test.each([
  ['foreach UN', 'which command? those for tasks are bt show'],
  ['foreach log', 'which command?'],
  ['foreach 9999 96 bt', 'no task has the pid 9999'],
])('%s: %s', (line, message) => {
  expect(run(line).failures.join()).toContain(message);
});

test('a command that takes its task by an option', () => {
  const vtop = defineCommand({
    ...many,
    name: 'vtop',
    options: [{ flag: 'c', value: 'task', kind: 'task', summary: '' }],
    arguments: [{ name: 'address', kinds: ['address'] }],
    run: (_context, args) => ({ shape: 'text', lines: [[`${args.value('c')} ${args.text}`]] }),
  });
  expect(commandRunner([foreach, vtop]).run('foreach 96 vtop 400000').lines[1]).toBe('ffff88899fc4a0c0 400000');
});
