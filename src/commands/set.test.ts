/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import set from './set.ts';

test('the task that crashed is chosen first; others by pid, address, CPU', () => {
  const { run, session } = commandRunner([set]);
  expect(run('set').lines).toEqual([
    '    PID: 1',
    'COMMAND: "init"',
    '   TASK: ffff8889811ea0c0  [THREAD_INFO: ffff8889811ea0c0]',
    '    CPU: 0',
    '  STATE: TASK_RUNNING (PANIC)',
  ]);
  expect(run('set 96').lines.slice(-1)).toEqual(['  STATE: TASK_INTERRUPTIBLE']);
  expect(session.currentTask).toBe(0xffff88899fc4a0c0n);
  expect(run('set').lines[0]).toBe('    PID: 96');
  expect(run('set -c 1').lines.slice(2)).toEqual([
    '   TASK: ffff888981264180  (1 of 2)  [THREAD_INFO: ffff888981264180]',
    '    CPU: 1',
    '  STATE: TASK_RUNNING (ACTIVE)',
  ]);
  expect(run('set -p').lines[0]).toBe('    PID: 1');
});

test('the radix', () => {
  const { run, session } = commandRunner([set]);
  expect(run('hex').lines).toEqual(['output radix: 16 (hex)']);
  expect(session.radix).toBe(16);
  expect(run('set radix 10').lines).toEqual(['output radix: 10 (decimal)']);
  expect(run('set -v').lines[1]).toBe('         radix: 10 (decimal)');
});

test("-v: all settings in crash's words", () => {
  const { run, json } = commandRunner([set]);
  const { lines } = run('set -v');
  expect(lines).toHaveLength(21);
  expect(lines.slice(1, 5)).toEqual([
    '         radix: 10 (decimal)',
    '       refresh: on',
    '     print_max: 256',
    '   print_array: off',
  ]);
  expect(lines).toContain(' zero_excluded: off');
  expect(lines).toContain('      dumpfile: vmcore');
  expect(json('set -v')).toMatchObject({ values: { radix: '10 (decimal)', redzone: 'on' } });
});

test('settings that have a meaning, and those that have none', () => {
  const { run, session } = commandRunner([set]);
  expect(run('set print_max 4').lines).toEqual(['print_max: 4']);
  expect(session.printMax).toBe(4);
  expect(run('set scroll off').lines).toEqual(['scroll: off (none)']);
  expect(session.scroll).toBe(false);
  expect(run('set refresh off').lines).toEqual(['refresh: on']);
  expect(run('set zero_excluded').lines).toEqual(['zero_excluded: off']);
});

test('-a takes a task for the one that its CPU was running', () => {
  const { run } = commandRunner([set]);
  expect(run('set -a 96').lines).toEqual(['"ps" task ffff88899fc4a0c0 has been marked as the active task on cpu 1']);
  expect(run('set -c 1').lines[0]).toBe('    PID: 96');
  expect(run('set -p').lines[0]).toBe('    PID: 1');
});

test.each([
  ['set zero_excluded on', 'zero_excluded on: is always off here'],
  ['set print_max 0', "print_max '0': must be a number from 1"],
  ['set dumpfile x', 'dumpfile is as the dump was opened'],
  ['set scroll maybe', 'scroll maybe: must be on or off'],
  ['set 9999', 'no task has the pid 9999'],
  ['set top', "'top' names 50 tasks; give a pid or an address"],
  ['set -c 7', 'there is no CPU 7'],
  ['set radix 8', 'radix 8: must be 10 or 16'],
  ['set 1 2', 'one task can be chosen'],
])('%s: %s', (line, message) => {
  expect(commandRunner([set]).run(line).failures.join()).toContain(message);
});
