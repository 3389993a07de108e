/**
 * Workqueues (kernel/workqueue.c): what each kernel worker is doing. `struct worker` since 3.9 or so as it is here; the
 * workqueues before are not handled. Who waits for their work: wait-flush.ts.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { Task } from './sched.ts';
import { nameOfFunction } from './wait-shapes.ts';

export interface Worker {
  /** `struct worker *`. */
  readonly worker: VirtAddr;
  /** `struct task_struct *`. */
  readonly task: VirtAddr;
  /** `struct work_struct *` that it runs; undefined when it has none. */
  readonly work: VirtAddr | undefined;
  /** The function of that work. */
  readonly func: string | undefined;
  /** `struct workqueue_struct *` that the work was queued on. */
  readonly queue: VirtAddr | undefined;
  /** `struct pool_workqueue *` of that. */
  readonly pwq: VirtAddr | undefined;
  /** `current_color`: which flush the work belongs to (since 5.15, commit d812796eb390). */
  readonly color: bigint | undefined;
}

export interface WorkerOf {
  readonly byTask: ReadonlyMap<VirtAddr, Worker>;
  readonly byWorker: ReadonlyMap<VirtAddr, Worker>;
}

/** All kernel workers, `struct worker`, among the tasks. @throws nothing for what the dump holds: one that cannot be read is left out */
export function readWorkers(program: Program, tasks: readonly Task[]): WorkerOf {
  const byTask = new Map<VirtAddr, Worker>();
  for (const task of tasks) {
    if (!task.kthread || !task.comm.startsWith('kworker/')) continue;
    const worker = attempt(() => workerOf(program, task.address));
    if (worker !== undefined) byTask.set(task.address, worker);
  }
  return { byTask, byWorker: new Map([...byTask.values()].map((worker) => [worker.worker, worker])) };
}

function workerOf(program: Program, task: VirtAddr): Worker | undefined {
  // struct kthread: in worker_private since 5.17 (commit e32cf5dfbe22), in set_child_tid before.
  const kthread = program.firstField('struct task_struct', ['worker_private', 'set_child_tid']).pointer(task);
  const worker = program.field('struct kthread', 'data').pointer(kthread);
  const field = (path: string) => program.field('struct worker', path);
  if (!isKernel(worker) || field('task').pointer(worker) !== task) return undefined;
  const work = field('current_work').pointer(worker);
  const pwq = field('current_pwq').pointer(worker);
  const queue = isKernel(pwq) ? attempt(() => program.field('struct pool_workqueue', 'wq').pointer(pwq)) : undefined;
  return {
    worker,
    task,
    work: isKernel(work) ? work : undefined,
    func: isKernel(work) ? nameOfFunction(program, field('current_func').pointer(worker)) : undefined,
    queue,
    pwq: isKernel(pwq) ? pwq : undefined,
    color: isKernel(work) ? program.tryField('struct worker', 'current_color')?.value(worker) : undefined,
  };
}

/** Name of a `struct workqueue_struct`: a char array since 3.3 or so. @throws FaultError, LookupError */
export function workqueueName(program: Program, queue: VirtAddr): string {
  return program.field('struct workqueue_struct', 'name').text(queue);
}
