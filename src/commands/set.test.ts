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
  expect(run('set -v').lines[0]).toBe('   radix: 10 (decimal)');
});

test.each([
  ['set 9999', 'no task has the pid 9999'],
  ['set top', "'top' names 50 tasks; give a pid or an address"],
  ['set -c 7', 'there is no CPU 7'],
  ['set radix 8', 'radix 8: must be 10 or 16'],
  ['set 1 2', 'one task can be chosen'],
])('%s: %s', (line, message) => {
  expect(commandRunner([set]).run(line).failures.join()).toContain(message);
});
