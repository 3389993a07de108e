import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { defineCommand } from '../model/command.ts';
import { setting } from './settings.ts';
import { memberLines, structSpec } from './struct-view.ts';

/** Shows a name after a setting was changed. */
const show = defineCommand({
  name: 'show',
  summary: 'the name of the first task',
  options: [],
  arguments: [{ name: 'value', kinds: ['number'] }],
  examples: [{ line: 'show 4', what: 'four characters of it' }],
  run(context, args) {
    setting(context, 'print_max', args.positionals[0]);
    const { program } = context;
    const spec = structSpec(program, 'task_struct.comm,pid', ['struct']);
    return {
      shape: 'lines',
      lines: memberLines(spec, program.symbol('init_task').address, { radix: 10, context, what: 'init_task' }),
      data: () => undefined,
    };
  },
});

test('print_max cuts strings and arrays', () => {
  const { run } = commandRunner([show]);
  expect(run('show 256').lines[0]).toBe('  comm = "swapper/0\\000\\000\\000\\000\\000\\000",');
  expect(run('show 4').lines[0]).toBe('  comm = "swap"...,');
});
