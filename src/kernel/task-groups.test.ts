import { expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { taskGroups } from '../../test/builders/task-groups.ts';
import { readRunQueue } from './run-queue.ts';
import { fairQueue, realtimeQueue, throttledGroups } from './task-groups.ts';

it('what runs comes first, and a group that is held back is found outside of the tree', () => {
  const image = taskGroups();
  const program = programOfImage(image);
  const queue = readRunQueue(program, 0);
  const task = (name: string, running = false) => ({ kind: 'task', task: image.address(name), running });
  expect(fairQueue(program, queue, throttledGroups(program, 0))).toMatchObject({
    group: image.address('root_task_group'),
    name: undefined,
    throttled: false,
    entries: [
      { kind: 'group', queue: { name: 'web', throttled: false, entries: [task('a', true), task('b')] } },
      { kind: 'group', queue: { name: 'batch', throttled: true, entries: [task('c')] } },
    ],
  });
});

it('real-time tasks by priority, and below their groups', () => {
  const image = taskGroups(true);
  image.place('inner', 'struct rt_rq', { tg: ref('batch'), rt_throttled: 1 });
  for (const i of [0, 1, 2]) image.list(`inner.active.queue[${i}]`, i === 0 ? ['loud.rt.run_list'] : []);
  image.place('group', 'struct sched_rt_entity', { my_q: ref('inner') });
  image.list('runqueues@0.rt.active.queue[0]', ['group.run_list']);
  image.list('runqueues@0.rt.active.queue[2]', ['quiet.rt.run_list']);
  const program = programOfImage(image);
  expect(realtimeQueue(program, readRunQueue(program, 0))).toMatchObject({
    entries: [
      {
        kind: 'group',
        priority: 0,
        queue: { name: 'batch', throttled: true, entries: [{ task: image.address('loud') }] },
      },
      { kind: 'task', task: image.address('quiet'), running: false },
    ],
  });
});

it('groups inside of themselves end', () => {
  const image = taskGroups();
  image.write('web queue.curr', ref('web entity'));
  const program = programOfImage(image);
  expect(() => fairQueue(program, readRunQueue(program, 0), [])).toThrow(/do not end/);
});
