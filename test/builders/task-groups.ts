/** One CPU whose fair tasks stand in groups, with what kernel/sched has of them. */
import { KernelImage, ref } from './image.ts';

/** web runs 'a' and has 'b' waiting; batch, its quota used up, is in no tree and has 'c'. */
export function taskGroups(withRealtimeGroups = false): KernelImage {
  const image = new KernelImage();
  image.struct('rb_node', {
    __rb_parent_color: 'unsigned long',
    rb_right: 'struct rb_node *',
    rb_left: 'struct rb_node *',
  });
  image.struct('rb_root', { rb_node: 'struct rb_node *' });
  image.struct('kernfs_node', { parent: 'struct kernfs_node *', name: 'char *' });
  image.struct('cgroup', { kn: 'struct kernfs_node *' });
  image.struct('cgroup_subsys_state', { cgroup: 'struct cgroup *' });
  image.struct('autogroup', { id: 'unsigned long' });
  image.struct('task_group', {
    css: 'struct cgroup_subsys_state',
    cfs_rq: 'struct cfs_rq **',
    list: 'struct list_head',
    parent: 'struct task_group *',
    autogroup: 'struct autogroup *',
    ...(withRealtimeGroups ? { rt_rq: 'struct rt_rq **' } : {}),
  });
  image.struct('sched_entity', { run_node: 'struct rb_node', my_q: 'struct cfs_rq *' });
  image.struct('sched_rt_entity', {
    run_list: 'struct list_head',
    ...(withRealtimeGroups ? { my_q: 'struct rt_rq *' } : {}),
  });
  image.struct('rt_prio_array', { bitmap: 'unsigned long[2]', queue: 'struct list_head[3]' });
  image.struct('rt_rq', {
    active: 'struct rt_prio_array',
    rt_throttled: 'int',
    ...(withRealtimeGroups ? { tg: 'struct task_group *' } : {}),
  });
  image.struct('cfs_rq', {
    tasks_timeline: 'struct rb_root',
    curr: 'struct sched_entity *',
    tg: 'struct task_group *',
    throttled: 'int',
  });
  image.struct('task_struct', {
    pid: 'pid_t',
    prio: 'int',
    se: 'struct sched_entity',
    rt: 'struct sched_rt_entity',
  });
  image.struct('rq', { clock: 'u64', curr: 'struct task_struct *', cfs: 'struct cfs_rq', rt: 'struct rt_rq' });
  image.cpus(1);
  image.perCpu('runqueues', 'struct rq', [{ curr: ref('a') }]);
  for (const name of ['a', 'b', 'c', 'loud', 'quiet']) image.place(name, 'struct task_struct', { prio: 120 });
  image.global('root_task_group', 'struct task_group');
  for (const name of ['web', 'batch']) {
    image.bytes(`${name} text`, new TextEncoder().encode(`${name}\0`));
    image.place(`${name} node`, 'struct kernfs_node', { name: ref(`${name} text`) });
    image.place(`${name} cgroup`, 'struct cgroup', { kn: ref(`${name} node`) });
    image.place(`${name} queue`, 'struct cfs_rq', { tg: ref(name) });
    image.place(`${name} queues`, 'struct cfs_rq *', ref(`${name} queue`));
    image.place(name, 'struct task_group', {
      css: { cgroup: ref(`${name} cgroup`) },
      parent: ref('root_task_group'),
      cfs_rq: ref(`${name} queues`),
    });
    image.place(`${name} entity`, 'struct sched_entity', { my_q: ref(`${name} queue`) });
  }
  image.place('root queues', 'struct cfs_rq *', ref('runqueues@0.cfs'));
  image.write('root_task_group.cfs_rq', ref('root queues'));
  image.global('task_groups', 'struct list_head');
  image.list('task_groups', ['root_task_group.list', 'web.list', 'batch.list']);
  image.write('runqueues@0.cfs.tg', ref('root_task_group'));
  image.write('runqueues@0.cfs.curr', ref('web entity'));
  image.write('web queue.curr', ref('a.se'));
  image.write('web queue.tasks_timeline.rb_node', ref('b.se.run_node'));
  image.write('batch queue.throttled', 1);
  image.write('batch queue.tasks_timeline.rb_node', ref('c.se.run_node'));
  for (const i of [0, 1, 2]) image.list(`runqueues@0.rt.active.queue[${i}]`, []);
  return image;
}
