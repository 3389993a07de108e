/**
 * Waits for a work item, or for a whole workqueue, to be flushed (kernel/workqueue.c): `struct wq_barrier` and `struct
 * wq_flusher` lie on the stack of the one that waits, and stand in lists that lead to the work and to who runs it. A work
 * item that waits in the list of its pool for a worker leads to nobody.
 */
import { clearBits, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { listEntries, listNodes } from './list.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import { isOnStack, nameOfFunction, type SleeperStack } from './wait-shapes.ts';
import { type Worker, workqueueName, type WorkerOf } from './wait-work.ts';

/** Works that may be linked behind one that runs, and flushers of one workqueue. */
const MAX_LINKED = 1 << 16;
const MAX_QUEUES = 1 << 16;

/** Flags of `work_struct.data`: what it points to is a `struct pool_workqueue`; it waits until others have been done. */
const PWQ = 4n;
const INACTIVE = 2n;

/**
 * A wait in flush_work(): the barrier stands behind the work on the list of the worker that runs it, or behind a work that
 * still waits for its turn.
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
  if (call !== BARRIER) return undefined;
  const entry = field('work.entry').address(barrier);
  const worker = workerBehind(program, entry, workers);
  const later = worker === undefined ? attempt(() => pendingWork(program, entry)) : undefined;
  const found = { kind: 'work', proof: 'structure' } as const;
  const itself = { address: barrier, ctype: 'struct wq_barrier' };
  if (worker !== undefined) {
    const { task, func, work } = worker;
    return {
      ...found,
      what: 'for the end of the work item',
      name: func,
      object: work === undefined ? itself : { address: work, ctype: WORK },
      awaited: [{ task, certainty: 'exact', why: 'the barrier stands behind the work that it runs' }],
    };
  }
  if (later === undefined) return { ...found, what: 'for a work item to be done that was not found', object: itself };
  return {
    ...found,
    what: 'for the end of the still queued work item',
    name: later.func,
    object: { address: later.work, ctype: WORK },
    awaited: attempt(() => aheadOf(program, later, workers)) ?? [],
  };
}

const WORK = 'struct work_struct';
const BARRIER = 'wq_barrier_func';

function workerBehind(program: Program, entry: VirtAddr, { byWorker }: WorkerOf): Worker | undefined {
  const scheduled = program.field('struct worker', 'scheduled');
  // From this node round to itself: one of the others is the head, inside the worker.
  for (const node of listNodes(program, entry, MAX_LINKED)) {
    const worker = byWorker.get(scheduled.container(node));
    if (worker !== undefined) return worker;
  }
  return undefined;
}

interface PendingWork {
  /** `struct work_struct *`. */
  readonly work: VirtAddr;
  readonly func: string;
}

/** insert_wq_barrier() puts the barrier right behind the work; barriers of others may stand in between. */
function pendingWork(program: Program, entry: VirtAddr): PendingWork | undefined {
  const prev = program.field('struct list_head', 'prev');
  const link = program.field(WORK, 'entry');
  const called = program.field(WORK, 'func');
  let at = prev.pointer(entry);
  for (let n = 0; n < MAX_LINKED && at !== entry && isKernel(at); n++, at = prev.pointer(at)) {
    const work = link.container(at);
    // The head of the list is no work: no function begins where its third word points.
    const func = nameOfFunction(program, called.pointer(work));
    if (func === undefined || !program.isText(called.pointer(work))) return undefined;
    if (func !== BARRIER) return { work, func };
  }
  return undefined;
}

/** Who runs the work that an inactive one waits behind: `max_active` of its workqueue run at a time. */
function aheadOf(program: Program, { work }: PendingWork, { byTask }: WorkerOf): readonly Awaited[] {
  // An atomic_long_t.
  const data = program.firstField(WORK, ['data.counter', 'data']).u64(work);
  if ((data & PWQ) === 0n || (data & INACTIVE) === 0n) return [];
  // WORK_STRUCT_PWQ_SHIFT since 6.10 (commit e9a8e01f9b13), WORK_STRUCT_FLAG_BITS before.
  const bits = program.enumerator('WORK_STRUCT_PWQ_SHIFT') ?? program.enumerator('WORK_STRUCT_FLAG_BITS') ?? 8n;
  const pwq = clearBits(virt(data), (1n << bits) - 1n);
  const running = [...byTask.values()].filter((worker) => worker.pwq === pwq && worker.work !== undefined);
  const certainty = running.length === 1 ? 'exact' : 'inferred';
  return running.map(({ task, func }) => ({
    task,
    certainty,
    why: `it runs ${func ?? 'the work'} that is ahead of it on the same workqueue`,
  }));
}

/** A wait in flush_workqueue() for all that was queued before: `struct wq_flusher`. @throws as `flushedWork` */
export function flushedQueue(stack: SleeperStack, completion: VirtAddr, workers: WorkerOf): FoundWait | undefined {
  const { program, frames } = stack;
  if (!frames.some(({ func }) => /^(__)?flush_workqueue$|^drain_workqueue$/.test(func ?? ''))) return undefined;
  const flusher = program.field('struct wq_flusher', 'done').container(completion);
  if (!isOnStack(stack, flusher, program.sizeOf('struct wq_flusher'))) return undefined;
  const queue = attempt(() => queueOf(program, flusher));
  const name = queue === undefined ? undefined : attempt(() => workqueueName(program, queue));
  return {
    kind: 'work',
    what: name === undefined ? 'for a workqueue to be flushed' : 'for all work that was queued on the workqueue',
    name,
    object:
      queue === undefined
        ? { address: flusher, ctype: 'struct wq_flusher' }
        : { address: queue, ctype: 'struct workqueue_struct' },
    proof: 'structure',
    awaited: queue === undefined ? [] : (attempt(() => flushedWorkers(program, queue, flusher, workers)) ?? []),
  };
}

/** The workqueue that has the flusher: as its first one, or in a line behind that. */
function queueOf(program: Program, flusher: VirtAddr): VirtAddr | undefined {
  const type = 'struct workqueue_struct';
  const first = program.field(type, 'first_flusher');
  const node = program.field('struct wq_flusher', 'list').address(flusher);
  const head = program.symbol('workqueues').address;
  const lines = ['flusher_queue', 'flusher_overflow'].map((name) => program.field(type, name));
  const stands = (line: VirtAddr): boolean => {
    for (const at of listNodes(program, line, MAX_LINKED)) if (at === node) return true;
    return false;
  };
  for (const queue of listEntries(program, head, type, 'list', MAX_QUEUES)) {
    if (attempt(() => first.pointer(queue)) === flusher) return queue;
    if (lines.some((line) => attempt(() => stands(line.address(queue))) === true)) return queue;
  }
  return undefined;
}

/** Workers that run what was queued before the flush, or before one that comes first. */
function flushedWorkers(
  program: Program,
  queue: VirtAddr,
  flusher: VirtAddr,
  { byTask }: WorkerOf,
): readonly Awaited[] {
  const color = program.field('struct wq_flusher', 'flush_color');
  const first = program.field('struct workqueue_struct', 'first_flusher').pointer(queue);
  const colors = [flusher, first].flatMap((each) => attempt(() => color.value(each)) ?? []);
  const busy = [...byTask.values()].filter((worker) => worker.queue === queue && worker.work !== undefined);
  return busy
    .filter((worker) => worker.color === undefined || colors.includes(worker.color))
    .map(({ task, color: own }) => ({
      task,
      certainty: own === undefined ? 'inferred' : 'exact',
      why: own === undefined ? 'it runs work of this workqueue' : 'it runs work that was queued before the flush',
    }));
}
