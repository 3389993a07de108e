import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { defineCommand } from '../model/command.ts';
import how from './how.ts';

const sizes = defineCommand({
  name: 'ps',
  summary: 'for this test',
  options: [{ flag: 'G', summary: 'nothing' }],
  arguments: [{ name: 'pid', kinds: ['task'], optional: true }],
  examples: [{ line: 'ps', what: 'all' }],
  run: ({ program }) => ({
    shape: 'lines',
    lines: (function* () {
      const pid = program.field('struct task_struct', 'pid');
      const task = program.symbol('init_task').address;
      yield String(pid.number(task));
      yield String(program.memory.readU32(pid.address(task)));
      yield String(program.memory.readU32(pid.address(task)));
    })(),
    data: () => undefined,
  }),
});

const { run, json } = commandRunner([how, sizes]);

it('tells what one types elsewhere, and which calls the command made', () => {
  expect(run('how ps -G 96').lines).toEqual([
    'crash',
    '  ps -G 96',
    'drgn',
    '  for task in for_each_task(prog): print(task.pid.value_(), task_state_to_char(task), task.comm.string_())',
    'kwhy',
    "  program.field('struct task_struct', 'pid')",
    "  program.symbol('init_task')",
    '  program.memory.readU32(...)  # 2 times',
  ]);
  expect(json('how ps')).toMatchObject({
    data: { command: 'ps', crash: ['ps'], facts: [], calls: [{ times: 1 }, { times: 1 }, { times: 2 }] },
  });
});

it('puts the first argument where drgn takes it', () => {
  const plain = commandRunner([how, { ...sizes, name: 'bt' }]);
  expect(plain.run('how bt 96').lines).toContain('  print(prog.stack_trace(96))');
  expect(plain.run('how bt').lines).toContain('  print(prog.stack_trace(1))');
});

it('has nothing for a command that nobody else has', () => {
  const own = commandRunner([how, { ...sizes, name: 'mine' }]);
  expect(own.run('how mine').lines.slice(0, 4)).toEqual(['crash', '  (nothing)', 'drgn', '  (nothing)']);
});

it('names what is wrong', () => {
  expect(run('how').failures[0]).toContain('how of which command?');
  expect(run('how nosuch').failures[0]).toContain('nosuch');
});
