import { expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { fairTasks, readRunQueue, realtimeTasks } from './run-queue.ts';

function machine(): KernelImage {
  const image = new KernelImage();
  image.struct('rb_node', {
    __rb_parent_color: 'unsigned long',
    rb_right: 'struct rb_node *',
    rb_left: 'struct rb_node *',
  });
  image.struct('rb_root', { rb_node: 'struct rb_node *' });
  image.struct('sched_entity', { run_node: 'struct rb_node', my_q: 'struct cfs_rq *' });
  image.struct('sched_rt_entity', { run_list: 'struct list_head' });
  image.struct('rt_prio_array', { bitmap: 'unsigned long[2]', queue: 'struct list_head[3]' });
  image.struct('rt_rq', { active: 'struct rt_prio_array' });
  image.struct('cfs_rq', { tasks_timeline: 'struct rb_root', curr: 'struct sched_entity *' });
  image.struct('task_struct', { pid: 'pid_t', se: 'struct sched_entity', rt: 'struct sched_rt_entity' });
  image.struct('rq', { clock: 'u64', curr: 'struct task_struct *', cfs: 'struct cfs_rq', rt: 'struct rt_rq' });
  image.cpus(1);
  image.perCpu('runqueues', 'struct rq', [{ clock: 5, curr: ref('running') }]);
  for (const name of ['running', 'a', 'b', 'c']) image.place(name, 'struct task_struct');
  image.place('group', 'struct sched_entity');
  image.place('inner', 'struct cfs_rq');
  for (const i of [0, 1, 2]) image.list(`runqueues@0.rt.active.queue[${i}]`, i === 1 ? ['c.rt.run_list'] : []);
  return image;
}

it('tasks of a group wait as well, real-time ones by priority', () => {
  const image = machine();
  // The root holds a group, whose tree holds a.
  image.write('runqueues@0.cfs.tasks_timeline.rb_node', ref('group.run_node'));
  image.write('group.my_q', ref('inner'));
  image.write('inner.tasks_timeline.rb_node', ref('a.se.run_node'));
  const program = programOfImage(image);
  const queue = readRunQueue(program, 0);
  expect(queue).toMatchObject({ cpu: 0, clock: 5n, current: image.address('running') });
  expect([...fairTasks(program, queue)]).toEqual([image.address('a')]);
  expect([...realtimeTasks(program, queue)]).toEqual([image.address('c')]);
});

it('others of a group that runs wait', () => {
  const image = machine();
  image.write('runqueues@0.cfs.curr', ref('group'));
  image.write('group.my_q', ref('inner'));
  image.write('inner.tasks_timeline.rb_node', ref('b.se.run_node'));
  const program = programOfImage(image);
  expect([...fairTasks(program, readRunQueue(program, 0))]).toEqual([image.address('b')]);
});

it('a group inside of itself ends', () => {
  const image = machine();
  image.write('runqueues@0.cfs.tasks_timeline.rb_node', ref('group.run_node'));
  image.write('group.my_q', ref('inner'));
  image.write('inner.tasks_timeline.rb_node', ref('group.run_node'));
  const program = programOfImage(image);
  expect(() => [...fairTasks(program, readRunQueue(program, 0))]).toThrow(/do not end/);
});
