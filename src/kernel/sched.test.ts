import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder, type TaskEra } from '../../test/builders/tasks.ts';
import { LookupError } from '../base/errors.ts';
import { readTasks, taskCount, type TaskList } from './sched.ts';

const read = (tasks: TasksBuilder): TaskList => readTasks(programOfImage(tasks.image));
const names = (list: TaskList): readonly string[] => list.tasks.map((task) => task.comm);

/** Five processes, the second with two threads. */
function five(era: TaskEra = '6.1'): TasksBuilder {
  const tasks = new TasksBuilder(era);
  for (const [i, label] of ['a', 'b', 'c', 'd', 'e'].entries()) tasks.add(label, { pid: i + 1, tgid: i + 1 });
  tasks.thread('b', 'b2', { pid: 12, tgid: 2 });
  tasks.thread('b', 'b3', { pid: 13, tgid: 2 });
  tasks.link();
  return tasks;
}

const ALL = ['a', 'b', 'b2', 'b3', 'c', 'd', 'e', 'swapper/0', 'swapper/1'];

describe.each(['6.1', '5.10', '3.10'] as const)('tasks in the layout of %s', (era) => {
  it('are processes in order with their threads, then the idle tasks', () => {
    const list = read(five(era));
    expect(names(list)).toEqual(ALL);
    expect(list.problems).toEqual([]);
    expect(list.tasks.map((task) => task.pid)).toEqual([1, 2, 12, 13, 3, 4, 5, 0, 0]);
    expect(list.tasks.map((task) => task.idle)).toEqual([...Array<boolean>(7).fill(false), true, true]);
  });

  it('have what their records tell', () => {
    const tasks = new TasksBuilder(era);
    tasks.add('shell', { pid: 50, tgid: 50 });
    tasks.add('ps', {
      pid: 96,
      tgid: 96,
      comm: 'caf\u00e9',
      [era === '6.1' ? '__state' : 'state']: 2,
      real_parent: ref('shell'),
      mm: 0xffff888012340000n,
      utime: 8_000_000n,
      stime: 16_000_000n,
      sched_info: { pcount: 7, run_delay: 11, last_arrival: 2n ** 60n, last_queued: 13 },
      ...(era === '3.10' ? { start_time: { tv_sec: 5, tv_nsec: 6 } } : { start_time: 8_440_000_000n }),
      ...{ '6.1': { 'thread_info.cpu': 1 }, '5.10': { cpu: 1 }, '3.10': {} }[era],
    });
    if (era === '3.10')
      tasks.image.place('thread_info', 'struct thread_info', { cpu: 1 }, { at: tasks.image.address('ps stack') });
    tasks.running('ps', 1);
    tasks.link();
    const ps = read(tasks).tasks[1];
    const { state, ...rest } = ps ?? {};
    expect(state).toMatchObject({ letter: 'D', uninterruptible: true });
    expect(rest).toEqual({
      address: tasks.image.address('ps'),
      pid: 96,
      tgid: 96,
      comm: 'caf\u00e9',
      kthread: false,
      realParent: tasks.image.address('shell'),
      groupLeader: tasks.image.address('ps'),
      mm: 0xffff888012340000n,
      // Before 4.9 it lies in the thread_info on the stack.
      cpu: 1,
      running: true,
      startTime: era === '3.10' ? 5_000_000_006n : 8_440_000_000n,
      schedInfo: { runs: 7n, runDelay: 11n, lastArrival: 2n ** 60n, lastQueued: 13n },
      // cputime_t had no fixed unit.
      cpuTime: era === '3.10' ? undefined : { user: 8_000_000n, system: 16_000_000n },
      idle: false,
    });
  });
});

describe('one task', () => {
  it('is a kernel thread by its flag, and running when a run queue says so', () => {
    const tasks = new TasksBuilder();
    tasks.add('kthreadd', { pid: 2, flags: 0x208040 });
    tasks.add('init', { pid: 1, flags: 0x400100 });
    tasks.running('init', 0);
    tasks.link();
    const list = read(tasks);
    expect(list.tasks.map((task) => [task.comm, task.kthread, task.running])).toEqual([
      ['kthreadd', true, false],
      ['init', false, true],
      ['swapper/0', true, false],
      ['swapper/1', true, true],
    ]);
  });

  it('with hostile pointers has none', () => {
    const tasks = new TasksBuilder();
    tasks.add('evil', { real_parent: 0x41414141, group_leader: 0xdead000000000100n, mm: 8, 'thread_info.cpu': 5 });
    tasks.link();
    expect(read(tasks).tasks[0]).toMatchObject({
      realParent: undefined,
      groupLeader: undefined,
      mm: undefined,
      cpu: 5,
    });
  });

  it('that makes no sense or lies on a lost page is left out and told', () => {
    const tasks = five();
    tasks.image.write('c.pid', 0x7fffffff);
    const list = read(tasks);
    expect(names(list)).toEqual(ALL.filter((name) => name !== 'c'));
    expect(list.problems).toEqual([expect.stringContaining('its pid is 2147483647')]);
  });
});

describe('the CPU of a task until 4.8', () => {
  it('is not known when its stack was freed or is not in the dump', () => {
    const tasks = new TasksBuilder('3.10');
    tasks.add('gone', { stack: 0 });
    tasks.image.bytes('a lost page', new Uint8Array(16384), { page: 'lost' });
    tasks.add('lost', { stack: ref('a lost page') });
    tasks.link();
    expect(read(tasks).tasks.map(({ comm, cpu }) => [comm, cpu])).toEqual([
      ['gone', undefined],
      ['lost', undefined],
      ['swapper/0', undefined],
      ['swapper/1', undefined],
    ]);
  });
});

describe('the list of processes', () => {
  it('whose next pointer is damaged is bridged from the other end', () => {
    for (const damage of [0n, 0x4141414141414141n, 0xffff900000000008n]) {
      const tasks = five();
      tasks.image.write('c.tasks.next', damage);
      const list = read(tasks);
      expect(names(list)).toEqual(ALL);
      expect(list.problems).toEqual([expect.stringMatching(/^list of processes, forwards: /)]);
    }
  });

  it('whose prev pointer is damaged is whole', () => {
    const tasks = five();
    tasks.image.write('c.tasks.prev', 0);
    const list = read(tasks);
    expect(names(list)).toEqual(ALL);
    expect(list.problems).toEqual([
      expect.stringContaining('forwards'),
      expect.stringContaining('backwards: struct list_head'),
    ]);
  });

  it('that leads into another list does not follow it', () => {
    const tasks = five();
    tasks.image.place('other', 'struct list_head');
    tasks.image.place('others', 'struct task_struct', { comm: 'foreign', pid: 66 });
    tasks.image.list('other', ['others.tasks']);
    tasks.image.write('c.tasks.next', ref('others.tasks'));
    const list = read(tasks);
    expect(names(list)).toEqual(ALL);
    expect(list.problems).toEqual([expect.stringContaining('prev does not point back')]);
  });

  it('that runs into itself ends, and no task is there twice', () => {
    const tasks = five();
    tasks.image.write('d.tasks.next', ref('b.tasks'));
    const list = read(tasks);
    expect(names(list)).toEqual(ALL);
    expect(list.problems).toEqual([expect.stringContaining('runs into itself')]);
    // A ring that leaves out the head: neither end knows whom to believe.
    tasks.image.write('b.tasks.prev', ref('d.tasks'));
    const cut = read(tasks);
    expect(names(cut)).toEqual(['a', 'e', 'swapper/0', 'swapper/1']);
    expect(cut.problems).toHaveLength(2);
  });

  it('that is broken twice lacks what lies between', () => {
    const tasks = five();
    tasks.image.write('a.tasks.next', 0);
    tasks.image.write('e.tasks.prev', 0);
    const list = read(tasks);
    expect(names(list)).toEqual(['a', 'e', 'swapper/0', 'swapper/1']);
    expect(list.problems).toHaveLength(2);
  });

  it('that is broken twice is no loss where the ids of processes lead to them', () => {
    const tasks = five();
    tasks.ids({ a: 1, b: 2, b2: 12, b3: 13, c: 3, d: 4, e: 5 });
    tasks.image.write('a.tasks.next', 0);
    tasks.image.write('e.tasks.prev', 0);
    const list = read(tasks);
    expect(names(list)).toEqual(['a', 'e', 'b', 'c', 'd', 'b2', 'b3', 'swapper/0', 'swapper/1']);
    expect(list.problems).toHaveLength(2);
  });

  it('gives way to the ids only where they lead to a task that names them', () => {
    const tasks = five();
    tasks.ids({ b: 2, c: 3, d: 4 });
    tasks.image.write('a.tasks.next', 0);
    tasks.image.write('e.tasks.prev', 0);
    tasks.image.write('c.thread_pid', ref('pid of b'));
    tasks.image.write('pid node.slots[4]', 0xffff900000000000n);
    tasks.image.write('pid node.slots[5]', ref('pid of b', 8));
    expect(names(read(tasks))).toEqual(['a', 'e', 'b', 'swapper/0', 'swapper/1']);
    tasks.image.write('init_pid_ns.idr.idr_rt.xa_head', 0x4142);
    const without = read(tasks);
    expect(names(without)).toEqual(['a', 'e', 'swapper/0', 'swapper/1']);
    expect(without.problems.at(-1)).toMatch(/^ids of processes: .*is no kernel pointer/);
  });

  it('is not doubled by the ids', () => {
    const tasks = five();
    tasks.ids({ a: 1, b: 2 });
    tasks.image.global('nr_threads', 'int', 9);
    expect(names(read(tasks))).toEqual(ALL);
  });

  it('with a process on a lost page goes on behind it', () => {
    const tasks = five();
    const page = tasks.image.place('lost page', 'struct task_struct', {}, { page: 'lost' });
    const { image } = tasks;
    // c lies there: neighbours point to it, and it cannot be read.
    const tasksAt = image.address('c.tasks') - image.address('c');
    image.write('b.tasks.next', page + tasksAt);
    image.write('d.tasks.prev', page + tasksAt);
    const list = read(tasks);
    expect(names(list)).toEqual(ALL.filter((name) => name !== 'c'));
    expect(list.problems).toEqual([expect.stringContaining('lost'), expect.stringContaining('lost')]);
  });
});

describe('threads', () => {
  it.each(['6.1', '3.10'] as const)('are bridged too, in the layout of %s', (era) => {
    const tasks = five(era);
    const node = era === '6.1' ? 'thread_node' : 'thread_group';
    tasks.image.write(`b.${node}.next`, 0);
    const list = read(tasks);
    expect(names(list)).toEqual(ALL);
    expect(list.problems).toEqual([expect.stringMatching(/^threads of a process, forwards: /)]);
  });

  it('of a process without signal_struct are none, and a hostile one costs its threads only', () => {
    const tasks = five();
    tasks.image.write('a.signal', 0);
    tasks.image.write('b.signal', 0xffff900000000000n);
    const list = read(tasks);
    expect(names(list)).toEqual(ALL.filter((name) => name !== 'b2' && name !== 'b3'));
    expect(list.problems).toHaveLength(2);
  });
});

describe('the number of threads', () => {
  it('is what the kernel counted', () => {
    const tasks = five();
    tasks.image.global('nr_threads', 'int', 7);
    expect(read(tasks).expected).toBe(7);
    expect(read(five()).expected).toBeUndefined();
    const odd = five();
    odd.image.global('nr_threads', 'int', -1);
    expect(read(odd).expected).toBeUndefined();
  });

  it('with the idle tasks is told without a look at any task, or not at all', () => {
    const tasks = five();
    tasks.image.global('nr_threads', 'int', 7);
    tasks.image.write('a.tasks.next', 0);
    expect(taskCount(programOfImage(tasks.image))).toBe(9);
    expect(taskCount(programOfImage(five().image))).toBeUndefined();
    tasks.image.write('__per_cpu_offset[1]', 0xffff900000000000n);
    expect(taskCount(programOfImage(tasks.image))).toBeUndefined();
  });
});

describe('run queues', () => {
  it('that cannot be read cost the idle tasks, and who is running', () => {
    const tasks = five();
    tasks.image.write('__per_cpu_offset[1]', 0xffff900000000000n);
    const list = read(tasks);
    expect(names(list)).toEqual(ALL.slice(0, -1));
    expect(list.problems).toEqual(Array(2).fill('run queue of CPU 1 cannot be read'));
    const none = five();
    none.image.write('nr_cpu_ids', 0);
    expect(names(read(none))).toEqual(ALL.slice(0, -2));
    expect(read(none).problems[0]).toMatch(/^run queues: nr_cpu_ids/);
  });
});

describe('a kernel without types', () => {
  it('has no tasks that could be read', () => {
    expect(() => readTasks(programOfImage(new KernelImage()))).toThrow(LookupError);
  });
});
