import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { readTasks } from './sched.ts';
import { wokenWorkers } from './wait-pool.ts';
import { readWorkers } from './wait-work.ts';

/** A work item in the list of the pool of CPU 1, and two idle workers of it, the second asleep. */
function pool(): TasksBuilder {
  const tasks = new TasksBuilder('6.1', { worker_private: 'void *' });
  const { image } = tasks;
  image.enum('work_bits', { WORK_STRUCT_FLAG_BITS: 8 });
  image.struct('work_struct', { data: 'atomic_long_t', entry: 'struct list_head', func: 'void *' });
  image.struct('kthread', { flags: 'unsigned long', data: 'void *' });
  image.struct('worker_pool', { lock: 'raw_spinlock_t', cpu: 'int' });
  image.struct('pool_workqueue', { pool: 'struct worker_pool *', wq: 'void *' });
  image.struct('worker', {
    current_work: 'void *',
    current_func: 'void *',
    current_pwq: 'void *',
    pool: 'struct worker_pool *',
    task: 'struct task_struct *',
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
