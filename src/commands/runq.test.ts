/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import runq from './runq.ts';

const { run, json } = commandRunner([runq]);
const CPU1 = [
  'CPU 1 RUNQUEUE: ffff88899e931980',
  '  CURRENT: PID: 0      TASK: ffff888981264180  COMMAND: "swapper/1"',
  '  RT PRIO_ARRAY: ffff88899e931bc0',
  '     [no tasks queued]',
  '  CFS RB_ROOT: ffff88899e931a30',
  '     [no tasks queued]',
];

test('the queues', () => {
  expect(run('runq').lines).toHaveLength(13);
  expect(run('runq')).toMatchObject({ problems: [], failures: [] });
  expect(run('runq -c 1').lines).toEqual(CPU1);
  expect(json('runq -c 0')).toMatchObject({ data: [{ cpu: 0, current: { pid: 1 }, fair: [] }] });
});

test('clocks', () => {
  expect(run('runq -t').lines).toEqual([
    ' CPU 0: 11305338563',
    '        11305338563  PID: 1      TASK: ffff8889811ea0c0  COMMAND: "init"',
    ' CPU 1: 11320150477',
    '        00000000000  PID: 0      TASK: ffff888981264180  COMMAND: "swapper/1"',
  ]);
  expect(run('runq -m').lines[1]).toBe(
    ' CPU 1: [0 00:00:11.320]  PID: 0      TASK: ffff888981264180  COMMAND: "swapper/1"',
  );
  expect(run('runq -T').lines).toEqual(['  CPU 1: 0.00 secs', '  CPU 0: 0.01 secs']);
});

test('groups of tasks', () => {
  expect(run('runq -g').lines).toEqual([
    'CPU 0',
    '  CURRENT: PID: 1      TASK: ffff8889811ea0c0  COMMAND: "init"',
    '  ROOT_TASK_GROUP: ffffffff9baf1f00  CFS_RQ: ffff88899e831a00',
    '     [120] PID: 1      TASK: ffff8889811ea0c0  COMMAND: "init" [CURRENT]',
    '',
    'CPU 1',
    '  CURRENT: PID: 0      TASK: ffff888981264180  COMMAND: "swapper/1"',
    '  ROOT_TASK_GROUP: ffffffff9baf1f00  CFS_RQ: ffff88899e931a00',
    '     [no tasks queued]',
  ]);
  expect(json('runq -g -c 0')).toMatchObject({
    data: [{ fair: { throttled: false, entries: [{ task: { pid: 1 }, running: true }] } }],
  });
});

test('all that the scheduler has on a queue', () => {
  expect(run('runq -d')).toMatchObject({
    lines: [
      'CPU 0',
      '     [120] PID: 0      TASK: ffffffff9b21aa40  COMMAND: "swapper/0"',
      '     [120] PID: 1      TASK: ffff8889811ea0c0  COMMAND: "init"',
      '',
      'CPU 1',
      '     [120] PID: 0      TASK: ffff888981264180  COMMAND: "swapper/1"',
    ],
    problems: [],
  });
});
