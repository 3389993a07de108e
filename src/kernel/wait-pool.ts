/**
 * Who is to run a work item that still stands in the list of its pool (`struct worker_pool`, kernel/workqueue.c): idle
 * workers that were woken for it and have not got a CPU yet. A pool wakes one when it has none at work, so that a woken
 * worker without a CPU stops all work of its pool, and so does one that runs and does not come to its end. `struct worker`
 * since 3.9.
 */
import { clearBits, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type Nanoseconds, nanoseconds } from '../base/units.ts';
import type { Task } from './sched.ts';
import { timekeeping } from './timekeeping.ts';
import type { Awaited } from './wait-kinds.ts';
import type { WorkerOf } from './wait-work.ts';

/** WORK_STRUCT_PWQ: what `data` points to is a `struct pool_workqueue`. */
const PWQ = 4n;

/** WORK_STRUCT_INACTIVE, WORK_STRUCT_DELAYED until 5.14: it waits for the limit of its own workqueue, and not for the pool. */
const INACTIVE = 2n;

/** `struct worker_pool *` in whose list a work item stands. */
function poolOf(program: Program, work: VirtAddr): VirtAddr | undefined {
  // An atomic_long_t.
  const data = program.firstField('struct work_struct', ['data.counter', 'data']).u64(work);
  if ((data & PWQ) === 0n) return undefined;
  // WORK_STRUCT_PWQ_SHIFT since 6.10 (commit e9a8e01f9b13), WORK_STRUCT_FLAG_BITS before.
  const bits = program.enumerator('WORK_STRUCT_PWQ_SHIFT') ?? program.enumerator('WORK_STRUCT_FLAG_BITS') ?? 8n;
  const pwq = clearBits(virt(data), (1n << bits) - 1n);
  const pool = program.field('struct pool_workqueue', 'pool').pointer(pwq);
  return isKernel(pool) ? pool : undefined;
}

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
  const pool = poolOf(program, work);
  if (pool === undefined) return [];
  const own = program.field('struct worker', 'pool');
  const cpu = program.field('struct worker_pool', 'cpu').value(pool);
  const woken = [...byTask.values()].filter(({ worker, task, work: item }) => {
    const runner = byAddress.get(task);
    if (item !== undefined || runner === undefined || runner.state.sleeping || runner.running) return false;
    return attempt(() => own.pointer(worker) === pool) === true;
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

/** Workers that do not count as running, and do not keep their pool from beginning more: `enum worker_flags`. */
const NOT_RUNNING = ['WORKER_PREP', 'WORKER_CPU_INTENSIVE', 'WORKER_UNBOUND', 'WORKER_REBOUND'] as const;

/**
 * Who keeps a work item from being begun: a pool with a CPU of its own begins no work as long as one of its workers runs
 * and does not sleep (`need_more_worker()`), however long that takes. Since 6.5 the kernel takes a worker out of that count
 * after 10 ms (wq_cpu_intensive_thresh_us).
 * @param work - `struct work_struct *` that no worker runs
 * @returns nothing when the pool may begin it
 * @throws FaultError, LookupError
 */
export function busyWorkers(
  program: Program,
  work: VirtAddr,
  { byTask }: WorkerOf,
  byAddress: ReadonlyMap<VirtAddr, Task>,
): readonly Awaited[] {
  const pool = poolOf(program, work);
  const data = program.firstField('struct work_struct', ['data.counter', 'data']).u64(work);
  if (pool === undefined || (data & INACTIVE) !== 0n) return [];
  const cpu = program.field('struct worker_pool', 'cpu').value(pool);
  // An atomic_t before it was an int.
  const running = program.firstField('struct worker_pool', ['nr_running.counter', 'nr_running']).number(pool);
  if (cpu < 0n || running < 1) return [];
  const own = program.field('struct worker', 'pool');
  const flags = program.field('struct worker', 'flags');
  const exempt = NOT_RUNNING.reduce((mask, flag) => mask | (program.enumerator(flag) ?? 0n), 0n);
  const busy = [...byTask.values()].filter(({ worker, task, work: item }) => {
    const runner = byAddress.get(task);
    if (item === undefined || runner === undefined || runner.state.sleeping) return false;
    return attempt(() => own.pointer(worker) === pool && (flags.u64(worker) & exempt) === 0n) === true;
  });
  const certainty = busy.length === 1 && running === 1 ? 'exact' : 'inferred';
  return busy.map(({ task, func }) => ({
    task,
    certainty,
    why: `it runs ${func ?? 'another work item'}, and the pool of CPU ${cpu} begins no other work as long as one of its workers runs`,
  }));
}

/**
 * How long the pool of a worker has begun no work, although some stands in its list: since `watchdog_ts`, which is kept
 * without CONFIG_WQ_WATCHDOG as well (since 4.5).
 * @param worker - `struct worker *`
 * @returns undefined where nothing waits there, or where the kernel does not keep it
 * @throws FaultError, LookupError
 */
export function poolStall(program: Program, worker: VirtAddr): Nanoseconds | undefined {
  const pool = program.field('struct worker', 'pool').pointer(worker);
  const stamp = program.tryField('struct worker_pool', 'watchdog_ts');
  if (!isKernel(pool) || stamp === undefined) return undefined;
  const list = program.field('struct worker_pool', 'worklist').address(pool);
  if (program.field('struct list_head', 'next').pointer(list) === list) return undefined;
  const { jiffies, hz } = timekeeping(program);
  if (jiffies.value === undefined || hz.value === undefined) return undefined;
  const since = BigInt.asIntN(64, jiffies.value - stamp.u64(pool));
  return since < 0n ? undefined : nanoseconds((since * 1_000_000_000n) / BigInt(hz.value));
}
