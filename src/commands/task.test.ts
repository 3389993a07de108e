/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import task from './task.ts';

const { run, json } = commandRunner([task]);

test('members under their own, and under former names', () => {
  expect(run('task -R pid,state,sched_info 96').lines).toEqual([
    'PID: 96       TASK: ffff88899fc4a0c0  CPU: 1    COMMAND: "ps"',
    '  pid = 96,',
    '  __state = 1,',
    '  sched_info = {',
    '    pcount = 5,',
    '    run_delay = 2219317,',
    '    last_arrival = 2876166811,',
    '    last_queued = 0',
    '  },',
    '',
  ]);
});

test('the whole task, and its thread_info', () => {
  const { lines } = run('task 96');
  expect(lines[1]).toBe('struct task_struct {');
  expect(lines).toContain('struct thread_info {');
  expect(lines).toHaveLength(1017);
  expect(run('task -R cpu -x 96').lines[1]).toMatch(/cpu = 0x1/);
});

test('what there is not', () => {
  expect(run('task -R pidd 96').failures.join()).toContain('did you mean pid?');
  expect(run('task 9999').failures).toEqual(['no task has the pid 9999']);
});

test('JSON', () => {
  expect(json('task -R pid 96')).toMatchObject({
    data: [{ task: { pid: 96, comm: 'ps' }, values: [{ value: { pid: 96 } }] }],
  });
});

test('a member of task_struct and of thread_info is shown of both', () => {
  expect(run('task -x -R flags 1').lines.slice(1)).toEqual(['  flags = 0x400100,', '  flags = 0x0,', '']);
  expect(run('task -R thread_info.flags 1').lines).toHaveLength(3);
});
