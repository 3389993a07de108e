import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { readTasks } from './sched.ts';
import { busyWorkers, poolStall, wokenWorkers } from './wait-pool.ts';
import { readWorkers } from './wait-work.ts';

/** A work item in the list of the pool of CPU 1, and two idle workers of it, the second asleep. */
function pool(): TasksBuilder {
  const tasks = new TasksBuilder('6.1', { worker_private: 'void *' });
  const { image } = tasks;
  image.enum('work_bits', { WORK_STRUCT_FLAG_BITS: 8 });
  image.struct('work_struct', { data: 'atomic_long_t', entry: 'struct list_head', func: 'void *' });
  image.struct('kthread', { flags: 'unsigned long', data: 'void *' });
  image.enum('worker_flags', { WORKER_PREP: 8, WORKER_CPU_INTENSIVE: 64, WORKER_UNBOUND: 128, WORKER_REBOUND: 256 });
  image.struct('worker_pool', {
    lock: 'raw_spinlock_t',
    cpu: 'int',
    nr_running: 'int',
    watchdog_ts: 'unsigned long',
    worklist: 'struct list_head',
  });
  image.struct('pool_workqueue', { pool: 'struct worker_pool *', wq: 'void *' });
  image.struct('worker', {
    current_work: 'void *',
    current_func: 'void *',
    current_pwq: 'void *',
    pool: 'struct worker_pool *',
    task: 'struct task_struct *',
    flags: 'unsigned int',
  });
  image.place('pool', 'struct worker_pool', { cpu: 1 });
  image.place('pwq', 'struct pool_workqueue', { pool: ref('pool') }, { align: 256 });
  image.place('work', 'struct work_struct', { data: ref('pwq', 5) });
  for (const [i, state] of [0, 1].entries()) {
    const label = `kworker/1:${i}`;
    tasks.add(label, { pid: 20 + i, flags: 0x200000, __state: state, worker_private: ref(`${label} kthread`) });
    image.place(`${label} kthread`, 'struct kthread', { data: ref(`${label} worker`) });
    image.place(`${label} worker`, 'struct worker', { task: ref(label), pool: ref('pool') });
  }
  return tasks;
}

function woken(tasks: TasksBuilder): readonly string[] {
  tasks.link();
  const program = programOfImage(tasks.image);
  const all = readTasks(program).tasks;
  const byAddress = new Map(all.map((task) => [task.address, task]));
  return wokenWorkers(program, tasks.image.address('work'), readWorkers(program, all), byAddress).map(
    ({ task, certainty, why }) => `${byAddress.get(task)?.comm} ${certainty}: ${why}`,
  );
}

describe('work that nobody runs', () => {
  it('leads to the worker that was woken for it and has not run', () => {
    expect(woken(pool())).toEqual([
      'kworker/1:0 exact: it was woken to run the work of the pool of CPU 1, and has not run',
    ]);
  });

  it('leads to nobody where all workers sleep, or the one that is awake has other work', () => {
    const asleep = pool();
    asleep.image.write('kworker/1:0.__state', 1);
    expect(woken(asleep)).toEqual([]);
    const busy = pool();
    busy.image.write('kworker/1:0 worker.current_work', 0xffff888000006000n);
    expect(woken(busy)).toEqual([]);
  });

  it('leads to nobody of another pool, nor where the work names none', () => {
    const other = pool();
    other.image.place('other pool', 'struct worker_pool');
    other.image.write('kworker/1:0 worker.pool', ref('other pool'));
    expect(woken(other)).toEqual([]);
    const none = pool();
    none.image.write('work.data', 0x1fe0n);
    expect(woken(none)).toEqual([]);
  });
});

describe('work that the pool may not begin', () => {
  /** The first worker runs, the second sleeps in its own work item. */
  function running(): TasksBuilder {
    const tasks = pool();
    const item = 0xffff888000006000n;
    tasks.image.write('pool.nr_running', 1);
    for (const i of [0, 1]) tasks.image.write(`kworker/1:${i} worker.current_work`, item);
    return tasks;
  }

  function busy(tasks: TasksBuilder): readonly string[] {
    tasks.link();
    const program = programOfImage(tasks.image);
    const all = readTasks(program).tasks;
    const byAddress = new Map(all.map((task) => [task.address, task]));
    return busyWorkers(program, tasks.image.address('work'), readWorkers(program, all), byAddress).map(
      ({ task, certainty, why }) => `${byAddress.get(task)?.comm} ${certainty}: ${why}`,
    );
  }

  it('leads to the worker that runs', () => {
    expect(busy(running())).toEqual([
      'kworker/1:0 exact: it runs another work item, and the pool of CPU 1 begins no other work as long as one of its workers runs',
    ]);
  });

  it('is inferred where the pool counts more of them', () => {
    const tasks = running();
    tasks.image.write('pool.nr_running', 2);
    expect(busy(tasks)).toEqual([expect.stringContaining('kworker/1:0 inferred')]);
  });

  it.each([
    ['the pool counts none that runs', 'pool.nr_running', 0],
    ['the pool has no CPU of its own', 'pool.cpu', -1],
    ['the worker was taken out of the count', 'kworker/1:0 worker.flags', 64],
    ['the worker sleeps', 'kworker/1:0.__state', 2],
    ['the worker is of another pool', 'kworker/1:0 worker.pool', 0xffff888000007000n],
  ])('leads to nobody where %s', (_, path, value) => {
    const tasks = running();
    tasks.image.write(path, value);
    expect(busy(tasks)).toEqual([]);
  });

  it('leads to nobody where it waits for the limit of its own workqueue', () => {
    const tasks = running();
    tasks.image.write('work.data', ref('pwq', 7));
    expect(busy(tasks)).toEqual([]);
  });
});

describe('how long a pool has begun no work', () => {
  /** INITIAL_JIFFIES is 300 seconds before the 32-bit wrap. */
  const BOOT = BigInt.asUintN(32, -300n * 250n);

  function stall(begun: bigint, waiting: boolean): bigint | undefined {
    const tasks = pool();
    tasks.image.global('tick_nsec', 'unsigned long', 4_000_000);
    tasks.image.global('jiffies_64', 'u64', BOOT + 5000n);
    tasks.image.write('pool.watchdog_ts', BOOT + begun);
    tasks.image.list('pool.worklist', waiting ? ['work.entry'] : []);
    tasks.link();
    const program = programOfImage(tasks.image);
    return poolStall(program, tasks.image.address('kworker/1:0 worker'));
  }

  it('is told by when it last began some', () => {
    expect(stall(2500n, true)).toBe(10n * 1_000_000_000n);
  });

  it('is nothing where no work waits, nor where that lies in the future', () => {
    expect(stall(2500n, false)).toBeUndefined();
    expect(stall(5001n, true)).toBeUndefined();
  });
});
