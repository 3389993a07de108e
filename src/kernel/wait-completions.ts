/**
 * Waits for a `struct completion` (include/linux/completion.h), and who is to complete it: the child of vfork(2), the
 * kernel worker that runs a flushed work item, the grace period of RCU.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { Task } from './sched.ts';
import type { WaitClocks } from './wait-timers.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import { placeOf } from './wait-objects.ts';
import { busyWorkers, wokenWorkers } from './wait-pool.ts';
import { gracePeriodWait } from './wait-rcu.ts';
import { isOnStack, type QueuedEntry, type SleeperStack } from './wait-shapes.ts';
import { flushedWork, flushedQueue } from './wait-flush.ts';
import type { WorkerOf } from './wait-work.ts';

/** What the search for the one who completes needs of the whole machine. */
export interface Machine {
  readonly tasks: readonly Task[];
  readonly byPid: ReadonlyMap<number, Task>;
  readonly byAddress: ReadonlyMap<VirtAddr, Task>;
  /** Processes by the task that is their parent. */
  readonly children: ReadonlyMap<VirtAddr | undefined, readonly Task[]>;
  readonly clocks: WaitClocks;
  readonly workers: WorkerOf;
  /** `task_struct.vfork_done` of each task that has one. */
  readonly vforks: ReadonlyMap<VirtAddr, VirtAddr>;
}

/** Functions that wait for a completion, in all kernels since 2.6.32. */
const COMPLETION = /^(__)?wait_for_(common|completion\w*)$/;

/** complete() counts each call; complete_all() sets UINT_MAX today, and half of it in older kernels. */
const ALL_DONE: ReadonlySet<number> = new Set([0xffffffff, 0x7fffffff]);
const MAX_DONE = 1 << 16;

/**
 * A wait for a `struct completion`.
 * @param entry - of the task, in a queue
 * @returns undefined when the queue is not that of a completion
 * @throws FaultError, LookupError
 */
export function completionWait(stack: SleeperStack, { queue }: QueuedEntry, machine: Machine): FoundWait | undefined {
  const { program, frames } = stack;
  // A swait_queue_head since 5.7, a wait_queue_head before: each lies in all kinds of objects.
  if (queue === undefined || !frames.some(({ func }) => func !== undefined && COMPLETION.test(func))) return undefined;
  const completion = program.field('struct completion', 'wait').container(queue);
  const count = program.field('struct completion', 'done').number(completion);
  if (count > MAX_DONE && !ALL_DONE.has(count)) return undefined;
  const done = count !== 0;
  const object = { address: completion, ctype: 'struct completion' };
  const proof = 'structure';
  const child = done ? undefined : vforkChild(machine, completion);
  // A kernel thread has a completion there for kthread_stop().
  if (child !== undefined && machine.byAddress.get(child.task)?.kthread === true)
    return {
      kind: 'exit',
      edge: 'kernel thread that ends',
      what: 'for a kernel thread that it has told to stop',
      object,
      proof,
      awaited: [{ ...child, why: 'the completion is the one of its end' }],
    };
  if (child !== undefined)
    return {
      kind: 'child',
      edge: 'child of vfork',
      what: 'for the child of its vfork to call exec or to end',
      object,
      proof,
      awaited: [child],
    };
  const own = isOnStack(stack, completion);
  if (own && !done) {
    const work =
      attempt(() => flushedWork(stack, completion, machine.workers)) ??
      attempt(() => flushedQueue(stack, completion, machine.workers));
    if (work !== undefined) return { ...work, ...pooled(program, work, machine) };
    const grace = attempt(() => gracePeriodWait(stack, completion, machine.tasks));
    if (grace !== undefined) return grace;
  }
  const caller = callerOf(stack);
  const place = own ? undefined : placeOf(program, completion);
  const whose = place === undefined ? (own ? ' on its own stack' : '') : ` in ${place.what}`;
  return {
    kind: 'completion',
    ...(done ? { over: true } : {}),
    what: `for a completion${done ? ' that is done already' : ''}${place === undefined && caller !== undefined ? `, in ${caller},` : ''}${whose}`.replace(
      /,$/,
      '',
    ),
    name: place?.name,
    object,
    proof,
  };
}

/** A work item that nobody runs: whoever was woken to run it, or keeps the CPU of its pool. */
function pooled(
  program: Program,
  { object, awaited = [] }: FoundWait,
  { workers, byAddress }: Machine,
): Pick<FoundWait, 'awaited'> {
  if (awaited.length > 0 || object?.ctype !== 'struct work_struct') return { awaited };
  const woken = attempt(() => wokenWorkers(program, object.address, workers, byAddress)) ?? [];
  if (woken.length > 0) return { awaited: woken };
  return { awaited: attempt(() => busyWorkers(program, object.address, workers, byAddress)) ?? [] };
}

/** The first function that is not part of waiting itself. */
function callerOf({ frames }: SleeperStack): string | undefined {
  return frames.find(
    ({ func }) =>
      func !== undefined && !COMPLETION.test(func) && !/^(__)?schedule|^io_schedule|wait_for_common/.test(func),
  )?.func;
}

function vforkChild({ vforks }: Machine, completion: VirtAddr): Awaited | undefined {
  const task = vforks.get(completion);
  return task === undefined ? undefined : { task, certainty: 'exact', why: 'its vfork_done is the completion' };
}

/** Each task by its `vfork_done`, a `struct completion *` that its parent waits for. @throws nothing for what the dump holds */
export function vforkChildren(program: Program, tasks: readonly Task[]): ReadonlyMap<VirtAddr, VirtAddr> {
  const field = attempt(() => program.tryField('struct task_struct', 'vfork_done'));
  const found = new Map<VirtAddr, VirtAddr>();
  if (field === undefined) return found;
  for (const { address } of tasks) {
    const done = attempt(() => field.pointer(address));
    if (done !== undefined && isKernel(done)) found.set(done, address);
  }
  return found;
}
