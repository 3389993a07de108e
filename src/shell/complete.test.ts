import { expect, test } from 'vitest';
import { SAMPLE } from '../../test/builders/sample.ts';
import { type Command, defineCommand } from '../model/command.ts';
import { openProgram } from '../program/open.ts';
import { Console } from './execute.ts';
import { makeSession } from './session.ts';

const command = (name: string, part: Partial<Command>): Command =>
  defineCommand({
    name,
    summary: '',
    options: [],
    arguments: [],
    examples: [{ line: name, what: '' }],
    run: () => ({ shape: 'text', lines: [] }),
    ...part,
  });
const commands = [
  command('ps', {
    aliases: ['processes'],
    options: [
      { flag: 'G', summary: '' },
      { flag: 'C', value: 'cpus', kind: 'cpus', summary: '' },
    ],
    arguments: [{ name: 'task', kinds: ['task'], words: ['kernel'], repeated: true }],
  }),
  command('struct', {
    arguments: [
      { name: 'type', kinds: ['type', 'member'] },
      { name: 'at', kinds: ['symbol', 'address'] },
    ],
  }),
  command('task', { options: [{ flag: 'R', value: 'member', kind: 'member', summary: '' }] }),
  command('p', { arguments: [{ name: 'expression', kinds: ['expression'] }] }),
  command('help', { arguments: [{ name: 'command', kinds: ['command'] }] }),
];
const console = new Console(openProgram(SAMPLE), makeSession(commands, []));
const words = (line: string) => console.complete(line, (prefix) => [`${prefix}1`, 'other']).words;

test.each([
  ['pr', ['processes']],
  ['ps -', ['-C', '-G']],
  ['ps cron', ['crond', 'crond-log']],
  ['ps ker', ['kernel']],
  ['processes mys', ['mysqld']],
  ['help st', ['struct']],
  ['struct rw_semaphor', ['rw_semaphore']],
  ['struct rw_semaphore.o', ['rw_semaphore.osq', 'rw_semaphore.owner']],
  ['struct rw_semaphore.count,ow', ['rw_semaphore.count,owner']],
  ['struct task_struct.se.exec', ['task_struct.se.exec_start']],
  ['rw_semaphore.cou', ['rw_semaphore.count']],
  ['task -R exit_c', ['exit_code']],
  ['p init_task.exit_co', ['exit_code']],
  ['p ((struct rw_semaphore *)0)->ow', ['owner']],
  ['p -x 1 + init_task.exit_co', ['exit_code']],
  ['p mutex_lock_kil', ['mutex_lock_killable']],
  ['ps > ou', ['ou1']],
  ['struct list_head < x', ['x1']],
])('%s', (line, expected) => {
  expect(words(line)).toEqual(expected);
});

test('what is unknown gives nothing', () => {
  for (const line of ['struct nosuch.', 'p nosuch.', 'p (.', 'zzzz', 'help zz', 'ps zzz'])
    expect(words(line)).toEqual([]);
});
