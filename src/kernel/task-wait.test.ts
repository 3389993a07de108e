import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { CoreStore } from '../../test/builders/core-store.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { completing, Sleeper } from '../../test/builders/sleepers.ts';
import { openProgram, programOf } from '../program/open.ts';
import { readTasks } from './sched.ts';
import { cpuStates, taskStack } from './stack.ts';
import { taskWait, waitSearch } from './task-wait.ts';

const SCHEDULE = ['__schedule', 'schedule'];
const COMPLETION = [...SCHEDULE, 'schedule_timeout', '__wait_for_common', 'wait_for_completion', 'a_driver_read'];

describe('completions', () => {
  it('are found by the simple wait queue on the stack, and said where they lie', () => {
    const sleeper = new Sleeper();
    completing(sleeper);
    sleeper.image.symbol('a_driver_done', 'done', 32);
    const wait = sleeper.wait(COMPLETION);
    expect(wait).toMatchObject({ kind: 'completion', proof: 'structure', name: 'a_driver_done', awaited: [] });
    expect(wait.over).toBeUndefined();
    expect(wait.object).toEqual({ address: sleeper.image.address('done'), ctype: 'struct completion' });
    expect(wait.what).toBe('for a completion in the global');
  });

  it('of vfork name the child', () => {
    const sleeper = new Sleeper();
    completing(sleeper);
    sleeper.tasks.add('child', { pid: 101, vfork_done: ref('done') });
    const { kind, awaited } = sleeper.wait(COMPLETION);
    expect(kind).toBe('child');
    expect(awaited).toMatchObject([{ task: sleeper.image.address('child'), certainty: 'exact' }]);
  });

  it('that are done are told as such: nobody has to act any more', () => {
    const done = new Sleeper();
    completing(done);
    done.image.write('done.done', 1);
    done.tasks.add('child', { pid: 101, vfork_done: ref('done') });
    const wait = done.wait(COMPLETION);
    expect(wait).toMatchObject({ kind: 'completion', proof: 'structure', over: true, awaited: [] });
    expect(wait.what).toContain('that is done already');
  });

  it('that were completed more often than anybody would are damaged', () => {
    const damaged = new Sleeper();
    completing(damaged);
    damaged.image.write('done.done', 0xdeadbeef);
    expect(damaged.wait(COMPLETION).over).toBeUndefined();
  });

  it('that do not link back are none', () => {
    const broken = new Sleeper();
    completing(broken);
    broken.image.write('done.wait.task_list.next', 0);
    expect(broken.wait(COMPLETION)).toMatchObject({ kind: 'completion', proof: 'function', object: undefined });
  });
});

describe('work', () => {
  function flushing(): Sleeper {
    const sleeper = new Sleeper();
    const { image, tasks } = sleeper;
    image.function('wq_barrier_func');
    image.function('slow_work');
    sleeper.on('barrier', 'struct wq_barrier', { 'work.func': ref('wq_barrier_func'), task: ref('sleeper') });
    completing(sleeper, 'barrier.done');
    tasks.add('kworker/0:1', { pid: 50, flags: 0x200000, worker_private: ref('kthread') });
    image.place('kthread', 'struct kthread', { data: ref('worker') });
    const work = { task: ref('kworker/0:1'), current_work: 0xffff888000006000n, current_func: ref('slow_work') };
    image.place('worker', 'struct worker', work);
    image.list('worker.scheduled', ['barrier.work.entry']);
    return sleeper;
  }
  const stack = [...COMPLETION.slice(0, 5), '__flush_work', 'a_driver_stop'];

  it('that is flushed leads to its worker', () => {
    const sleeper = flushing();
    const { kind, name, awaited } = sleeper.wait(stack);
    expect({ kind, name }).toEqual({ kind: 'work', name: 'slow_work' });
    expect(awaited).toMatchObject([{ task: sleeper.image.address('kworker/0:1'), certainty: 'exact' }]);
  });

  it('behind a list that is damaged leads to nobody', () => {
    const sleeper = flushing();
    sleeper.image.write('worker.scheduled.prev', 0);
    expect(sleeper.wait(stack)).toMatchObject({ kind: 'completion', awaited: [] });
  });
});

describe('pages and bits', () => {
  const stack = [...SCHEDULE, 'io_schedule', 'folio_wait_bit_common', 'filemap_read'];

  function page(bit: number): Sleeper {
    const sleeper = new Sleeper();
    sleeper.image.function('wake_page_function');
    sleeper.image.place('folio', 'struct folio');
    const wait = { 'wait.private': ref('sleeper'), 'wait.func': ref('wake_page_function') };
    sleeper.on('key', 'struct wait_page_queue', { folio: ref('folio'), bit_nr: bit, ...wait });
    return sleeper;
  }

  it('a page to be unlocked or written back, by the key beside the entry', () => {
    for (const [bit, what] of [
      [0, 'for a page to be unlocked'],
      [15, 'for a page to be written back'],
    ] as const) {
      const sleeper = page(bit);
      sleeper.queue('key.wait.entry');
      expect(sleeper.wait(stack)).toMatchObject({ kind: 'page', what, proof: 'structure' });
    }
  });

  it('an entry that is only prepared stands in no queue, and proves nothing', () => {
    const sleeper = page(0);
    sleeper.image.list('key.wait.entry');
    expect(sleeper.wait(stack)).toMatchObject({ kind: 'io', proof: 'function', object: undefined });
  });

  it('a bit of a word', () => {
    const sleeper = new Sleeper();
    sleeper.image.function('wake_bit_function');
    sleeper.image.global('some_flags', 'unsigned long', 4);
    const wait = { 'wq_entry.private': ref('sleeper'), 'wq_entry.func': ref('wake_bit_function') };
    sleeper.on('key', 'struct wait_bit_queue_entry', { 'key.flags': ref('some_flags'), 'key.bit_nr': 2, ...wait });
    sleeper.queue('key.wq_entry.entry');
    const { kind, what, name } = sleeper.wait([...SCHEDULE, 'bit_wait', '__wait_on_bit']);
    expect({ kind, what, name }).toEqual({
      kind: 'bit',
      what: 'for bit 2 of a word in the global',
      name: 'some_flags',
    });
  });
});

describe('system calls and timers', () => {
  it('a futex of its own memory, but not one that an earlier call left', () => {
    const stack = [...SCHEDULE, 'futex_wait_queue', 'futex_wait', 'do_futex'];
    const place = (mm: bigint): Sleeper => {
      const sleeper = new Sleeper();
      const key = { 'key.private.mm': mm, 'key.private.address': 0x7f0000001000n, 'key.private.offset': 0x10 };
      sleeper.on('q', 'struct futex_q', { task: ref('sleeper'), ...key });
      sleeper.image.place('bucket', 'struct list_head');
      sleeper.image.list('bucket', ['q.list.node_list']);
      return sleeper;
    };
    expect(place(0xffff888000005000n).wait(stack)).toMatchObject({
      kind: 'futex',
      what: 'for the futex at 0x7f0000001010 of its memory',
      proof: 'structure',
    });
    expect(place(0xffff888000009000n).wait(stack)).toMatchObject({ kind: 'futex', proof: 'function' });
    const woken = place(0xffff888000005000n);
    woken.image.list('q.list.node_list');
    expect(woken.wait(stack)).toMatchObject({ kind: 'futex', proof: 'function' });
  });

  it('a timer that wakes this task', () => {
    const sleeper = new Sleeper();
    sleeper.image.function('hrtimer_wakeup');
    sleeper.on('timer', 'struct hrtimer_sleeper', { task: ref('sleeper'), 'timer.function': ref('hrtimer_wakeup') });
    const stack = [...SCHEDULE, 'do_nanosleep', 'hrtimer_nanosleep'];
    expect(sleeper.wait(stack)).toMatchObject({ kind: 'timer', proof: 'structure', left: undefined });
  });

  it('what nothing tells keeps the function as its channel', () => {
    expect(new Sleeper().wait([...SCHEDULE, 'a_driver_hangs', 'vfs_read'])).toMatchObject({
      kind: 'unknown',
      what: 'in a_driver_hangs',
      channel: 'a_driver_hangs',
    });
  });

  it('in_iowait says that it is input or output', () => {
    const sleeper = new Sleeper();
    sleeper.image.write('sleeper.in_iowait', 1);
    expect(sleeper.wait([...SCHEDULE, 'a_driver_hangs'])).toMatchObject({ kind: 'io', proof: 'function' });
  });
});

it('on the sample: those who wait for their children, and the page fault, are proven', () => {
  const program = openProgram(SAMPLE);
  const { tasks } = readTasks(program);
  const search = waitSearch(program, tasks);
  const states = cpuStates(program);
  const waits = new Map(
    tasks.map((task) => [task.pid, taskWait(search, task, taskStack(program, task, states).frames)]),
  );
  expect(waits.get(96)).toMatchObject({ kind: 'user-fault', proof: 'structure' });
  expect(waits.get(2)).toMatchObject({ kind: 'idle' });
  const kinds = [...waits.values()].filter((wait) => wait !== undefined);
  // 50 times timeout, which has one child each, and crond, which has them all.
  const parents = kinds.filter(({ kind, proof }) => kind === 'child' && proof === 'structure');
  expect(parents.map(({ awaited }) => awaited.length).sort((a, b) => a - b)).toEqual([
    0,
    ...Array.from({ length: 50 }, () => 1),
  ]);
  expect(kinds.filter(({ kind, channel }) => kind === 'unknown' && !/rwsem/.test(channel ?? ''))).toEqual([]);
});

it('on a core of PREEMPT_RT: a grace period of RCU that does not end, and who runs on the CPU that it waits for', () => {
  const program = programOf(new CoreStore(`${import.meta.dirname}/../../test/cores`).open('every-lock-rt'));
  const { tasks } = readTasks(program);
  const search = waitSearch(program, tasks);
  const states = cpuStates(program);
  const waits = tasks.map((task) => ({ task, wait: taskWait(search, task, taskStack(program, task, states).frames) }));
  const grace = waits.filter(({ wait }) => wait?.kind === 'grace-period');
  expect(grace.map(({ task, wait }) => [task.comm, wait?.proof])).toEqual([['bash', 'structure']]);
  const [first] = grace;
  const awaited = tasks.find(({ address }) => address === first?.wait?.awaited[0]?.task);
  expect([awaited?.comm, first?.wait?.awaited.length, first?.wait?.awaited[0]?.certainty]).toEqual([
    'spins',
    1,
    'exact',
  ]);
  // It began when the module's task took the CPU, 139 s before the crash.
  expect(first?.wait?.what).toMatch(/^for a grace period of RCU; one has been running for 139\.\d+ s$/);
  // Requests for the one lock of a file, one behind the other.
  expect(waits.filter(({ wait }) => wait?.kind === 'file-lock' && wait.awaited.length === 1).length).toBe(5);
});
