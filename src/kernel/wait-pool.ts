/**
 * Who is to run a work item that still stands in the list of its pool (`struct worker_pool`, kernel/workqueue.c): idle
 * workers that were woken for it and have not got a CPU yet. A pool wakes one when it has none at work, so that a woken
 * worker without a CPU stops all work of its pool. `struct worker` since 3.9.
 */
import { clearBits, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { Task } from './sched.ts';
import type { Awaited } from './wait-kinds.ts';
import type { WorkerOf } from './wait-work.ts';

/** WORK_STRUCT_PWQ: what `data` points to is a `struct pool_workqueue`. */
const PWQ = 4n;

/**
 * @param work - `struct work_struct *` that no worker runs
 * @returns nothing when no worker of the pool was woken
 * @throws FaultError, LookupError
 */
export function wokenWorkers(
  program: Program,
  work: VirtAddr,
  { byTask }: WorkerOf,
  byAddress: ReadonlyMap<VirtAddr, Task>,
): readonly Awaited[] {
  // An atomic_long_t.
  const data = program.firstField('struct work_struct', ['data.counter', 'data']).u64(work);
  if ((data & PWQ) === 0n) return [];
  // WORK_STRUCT_PWQ_SHIFT since 6.10 (commit e9a8e01f9b13), WORK_STRUCT_FLAG_BITS before.
  const bits = program.enumerator('WORK_STRUCT_PWQ_SHIFT') ?? program.enumerator('WORK_STRUCT_FLAG_BITS') ?? 8n;
  const pwq = clearBits(virt(data), (1n << bits) - 1n);
  const pool = program.field('struct pool_workqueue', 'pool').pointer(pwq);
  if (!isKernel(pool)) return [];
  const poolOf = program.field('struct worker', 'pool');
  const cpu = program.field('struct worker_pool', 'cpu').value(pool);
  const woken = [...byTask.values()].filter(({ worker, task, work: own }) => {
    const runner = byAddress.get(task);
    if (own !== undefined || runner === undefined || runner.state.sleeping || runner.running) return false;
    return attempt(() => poolOf.pointer(worker) === pool) === true;
  });
  // Workers of a pool without a CPU of its own may run anywhere.
  const where = cpu < 0n ? 'its pool' : `the pool of CPU ${cpu}`;
  const certainty = woken.length === 1 ? 'exact' : 'inferred';
  return woken.map(({ task }) => ({
    task,
    certainty,
    why: `it was woken to run the work of ${where}, and has not run`,
  }));
}
