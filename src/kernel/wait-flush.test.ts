import { describe, expect, it } from 'vitest';
import { ref, type Value } from '../../test/builders/image.ts';
import { completing, Sleeper } from '../../test/builders/sleepers.ts';

const STACK = ['__schedule', 'schedule', 'schedule_timeout', '__wait_for_common', 'wait_for_completion'];
const PENDING = 1;
const INACTIVE = 2;
const PWQ = 4;

/** A kernel worker that runs `slow_work` of the workqueue 'queue', for its part 'pwq'. */
function machine(): Sleeper {
  const sleeper = new Sleeper();
  const { image, tasks } = sleeper;
  const list = 'struct list_head';
  for (const name of ['wq_barrier_func', 'slow_work', 'next_work']) image.function(name);
  image.struct('worker', {
    current_work: 'void *',
    current_func: 'void *',
    current_pwq: 'void *',
    current_color: 'int',
    scheduled: list,
    task: 'struct task_struct *',
  });
  image.enum(undefined, { WORK_STRUCT_FLAG_BITS: 8 });
  image.struct('pool_workqueue', { pool: 'void *', wq: 'void *', inactive_works: list });
  image.struct('wq_flusher', { list, flush_color: 'int', done: 'struct completion' });
  image.struct('workqueue_struct', {
    list,
    first_flusher: 'void *',
    flusher_queue: list,
    flusher_overflow: list,
    name: 'char[32]',
  });
  image.place('slow', 'struct work_struct', { func: ref('slow_work') });
  image.place('pwq', 'struct pool_workqueue', { wq: ref('queue') }, { at: 0xffff88800a000000n });
  image.place('queue', 'struct workqueue_struct', { name: 'mirror' });
  image.list('queue.flusher_queue');
  image.list('queue.flusher_overflow');
  image.global('workqueues', list);
  image.list('workqueues', ['queue.list']);
  tasks.add('kworker/0:1', { pid: 50, flags: 0x200000, worker_private: ref('kthread') });
  image.place('kthread', 'struct kthread', { data: ref('worker') });
  image.place('worker', 'struct worker', {
    task: ref('kworker/0:1'),
    current_work: ref('slow'),
    current_func: ref('slow_work'),
    current_pwq: ref('pwq'),
    current_color: 3,
  });
  image.list('worker.scheduled');
  return sleeper;
}

describe('a flush of a work item', () => {
  const stack = [...STACK, '__flush_work', 'a_driver_stop'];

  function flushing(): Sleeper {
    const sleeper = machine();
    sleeper.on('barrier', 'struct wq_barrier', { 'work.func': ref('wq_barrier_func'), task: ref('sleeper') });
    completing(sleeper, 'barrier.done');
    return sleeper;
  }

  it('that runs is a wait for this work, so that all who flush it wait for the same', () => {
    const sleeper = flushing();
    sleeper.image.list('worker.scheduled', ['barrier.work.entry']);
    const object = { address: sleeper.image.address('slow'), ctype: 'struct work_struct' };
    expect(sleeper.wait(stack)).toMatchObject({ kind: 'work', name: 'slow_work', object, proof: 'structure' });
  });

  /** `next_work` stands behind the one that runs, and one who flushes it already behind that. */
  function waiting(data: Value): Sleeper {
    const sleeper = flushing();
    sleeper.image.place('next', 'struct work_struct', { func: ref('next_work'), data });
    sleeper.image.place('other', 'struct wq_barrier', { 'work.func': ref('wq_barrier_func') });
    sleeper.image.list('pwq.inactive_works', ['next.entry', 'other.work.entry', 'barrier.work.entry']);
    return sleeper;
  }

  it('that waits for its turn leads to who runs the one before it', () => {
    const sleeper = waiting(ref('pwq', PENDING | INACTIVE | PWQ | 0x30));
    const { name, what, object, awaited } = sleeper.wait(stack);
    expect({ name, what }).toEqual({ name: 'next_work', what: 'for the end of the still queued work item' });
    expect(object).toEqual({ address: sleeper.image.address('next'), ctype: 'struct work_struct' });
    const [first, ...others] = awaited;
    expect(first).toMatchObject({ task: sleeper.image.address('kworker/0:1'), certainty: 'exact' });
    expect(first?.why).toBe('it runs slow_work that is ahead of it on the same workqueue');
    expect(others).toEqual([]);
  });

  it('that only waits for a worker of its pool leads to nobody', () => {
    expect(waiting(ref('pwq', PENDING | PWQ)).wait(stack)).toMatchObject({ name: 'next_work', awaited: [] });
  });

  it('of another workqueue than the one at work leads to nobody', () => {
    const data = 0xffff88800a000100n | BigInt(PENDING | INACTIVE | PWQ);
    expect(waiting(data).wait(stack)).toMatchObject({ name: 'next_work', awaited: [] });
  });

  it('in a list that is damaged, or in none, leads to nobody', () => {
    const damaged = waiting(ref('pwq', PENDING | INACTIVE | PWQ));
    damaged.image.write('other.work.func', ref('worker'));
    expect(damaged.wait(stack)).toMatchObject({ kind: 'work', awaited: [], name: undefined });
    const cut = waiting(ref('pwq', PENDING | INACTIVE | PWQ));
    cut.image.write('barrier.work.entry.prev', 0);
    expect(cut.wait(stack)).toMatchObject({ kind: 'work', awaited: [], name: undefined });
  });
});

describe('a flush of a workqueue', () => {
  const stack = [...STACK, '__flush_workqueue', 'a_driver_stop'];

  function flushing(color: number): Sleeper {
    const sleeper = machine();
    sleeper.on('flusher', 'struct wq_flusher', { flush_color: color });
    sleeper.image.list('flusher.list');
    completing(sleeper, 'flusher.done');
    return sleeper;
  }
  const worker = { certainty: 'exact', why: 'it runs work that was queued before the flush' };

  it('leads to who runs work that was queued before', () => {
    const sleeper = flushing(3);
    sleeper.image.write('queue.first_flusher', ref('flusher'));
    const wait = sleeper.wait(stack);
    expect(wait).toMatchObject({ kind: 'work', name: 'mirror', proof: 'structure' });
    expect(wait.object).toEqual({ address: sleeper.image.address('queue'), ctype: 'struct workqueue_struct' });
    expect(wait.awaited).toMatchObject([{ task: sleeper.image.address('kworker/0:1'), ...worker }]);
  });

  it('that stands in line behind another waits for what that one waits for', () => {
    const sleeper = flushing(4);
    sleeper.image.place('first', 'struct wq_flusher', { flush_color: 3 });
    sleeper.image.write('queue.first_flusher', ref('first'));
    sleeper.image.list('queue.flusher_queue', ['flusher.list']);
    expect(sleeper.wait(stack)).toMatchObject({ name: 'mirror', awaited: [worker] });
  });

  it('does not wait for work that was queued later', () => {
    const sleeper = flushing(2);
    sleeper.image.write('queue.first_flusher', ref('flusher'));
    expect(sleeper.wait(stack)).toMatchObject({ name: 'mirror', awaited: [] });
  });

  it('that no workqueue has, or whose list of workqueues is damaged, leads to nobody', () => {
    expect(flushing(3).wait(stack)).toMatchObject({ what: 'for a workqueue to be flushed', awaited: [] });
    const damaged = flushing(3);
    damaged.image.write('workqueues.next', 0x1000);
    expect(damaged.wait(stack)).toMatchObject({ what: 'for a workqueue to be flushed', awaited: [] });
  });
});
