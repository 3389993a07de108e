/**
 * Workqueues (kernel/workqueue.c): what a kernel worker is doing, and waits for a work item or a whole workqueue to be
 * flushed: `struct wq_barrier` and `struct wq_flusher` on the stack of the one that waits. `struct worker` since 3.9 or so
 * as it is here; the workqueues before are not handled.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { listNodes } from './list.ts';
import type { Task } from './sched.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import { isOnStack, nameOfFunction, type SleeperStack } from './wait-shapes.ts';

/** Works that may be linked behind one that runs. */
const MAX_SCHEDULED = 1 << 16;

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
  };
}

/** Name of a `struct workqueue_struct`: a char array since 3.3 or so. @throws FaultError, LookupError */
export function workqueueName(program: Program, queue: VirtAddr): string {
  return program.field('struct workqueue_struct', 'name').text(queue);
}

/**
 * A wait in flush_work(): the barrier stands behind the work on the list of the worker that runs it, so that the list
 * leads to this worker.
 * @param completion - `struct completion *` on the task's stack
 * @returns undefined when no barrier lies around it
 * @throws FaultError, LookupError, ValidationError when the list is broken
 */
export function flushedWork(stack: SleeperStack, completion: VirtAddr, workers: WorkerOf): FoundWait | undefined {
  const { program } = stack;
  const field = (path: string) => program.field('struct wq_barrier', path);
  const barrier = field('done').container(completion);
  if (!isOnStack(stack, barrier, program.sizeOf('struct wq_barrier'))) return undefined;
  const call = nameOfFunction(program, field('work.func').pointer(barrier));
  if (call !== 'wq_barrier_func') return undefined;
  const worker = workerBehind(program, field('work.entry').address(barrier), workers);
  const awaited: readonly Awaited[] =
    worker === undefined
      ? []
      : [{ task: worker.task, certainty: 'exact', why: 'the barrier stands behind the work that it runs' }];
  return {
    kind: 'work',
    what: `for a work item to be done${worker?.func === undefined ? ', which no worker runs yet' : ''}`,
    name: worker?.func,
    object: { address: barrier, ctype: 'struct wq_barrier' },
    proof: 'structure',
    awaited,
  };
}

function workerBehind(program: Program, entry: VirtAddr, { byWorker }: WorkerOf): Worker | undefined {
  const scheduled = program.field('struct worker', 'scheduled');
  // From this node round to itself: one of the others is the head, inside the worker.
  for (const node of listNodes(program, entry, MAX_SCHEDULED)) {
    const worker = byWorker.get(scheduled.container(node));
    if (worker !== undefined) return worker;
  }
  return undefined;
}

/** A wait in flush_workqueue() for all that was queued before: `struct wq_flusher`. @throws as `flushedWork` */
export function flushedQueue(stack: SleeperStack, completion: VirtAddr, workers: WorkerOf): FoundWait | undefined {
  const { program, frames, words } = stack;
  if (!frames.some(({ func }) => /^(__)?flush_workqueue$|^drain_workqueue$/.test(func ?? ''))) return undefined;
  const flusher = program.field('struct wq_flusher', 'done').container(completion);
  if (!isOnStack(stack, flusher, program.sizeOf('struct wq_flusher'))) return undefined;
  // The workqueue was saved on the stack: the one among its words that workers work for.
  const saved = new Set(words.words);
  const busy = [...workers.byTask.values()].filter(({ queue }) => queue !== undefined && saved.has(queue));
  const queues = new Set(busy.map(({ queue }) => queue));
  const [queue] = queues;
  const name = queues.size === 1 && queue !== undefined ? attempt(() => workqueueName(program, queue)) : undefined;
  return {
    kind: 'work',
    what: name === undefined ? 'for a workqueue to be flushed' : 'for all work that was queued on the workqueue',
    name,
    object: { address: flusher, ctype: 'struct wq_flusher' },
    proof: 'structure',
    awaited:
      queues.size === 1
        ? busy.map(({ task }) => ({ task, certainty: 'inferred', why: 'it runs work of this workqueue' }) as const)
        : [],
  };
}
