/**
 * Who waits for a lock, in the order in which they get it, read from the lock itself: `struct mutex`, `rw_semaphore`,
 * `semaphore` by their rings of waiters, `rt_mutex` and all of PREEMPT_RT by their trees.
 */
import { add, isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { isDataError, LookupError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { MAX_LIST } from './list.ts';
import {
  LISTED_KINDS,
  type LockKind,
  type LockWaiter,
  queueLayout,
  type QueueLayout,
  readWaiter,
} from './lock-kinds.ts';
import { mutexRtMutex } from './mutex.ts';
import { percpuRwsemWaiters } from './percpu-rwsem.ts';
import { rtMutexWaiters } from './rt-mutex.ts';
import { rwsemRtMutex, rwsemState } from './rwsem.ts';

export interface LockQueue {
  readonly waiters: readonly LockWaiter[];
  /** Why the list ends before its end; undefined when it was walked whole. */
  readonly problem: string | undefined;
}

/**
 * All waiters of a lock, in queue order, from the lock itself.
 * @param lock - `struct mutex *`, `struct rw_semaphore *` or another of the structs of `LockKind`
 * @returns the waiters up to the first broken link, and why it ends there
 * @throws LookupError for a layout that is not known
 */
export function lockWaiters(program: Program, kind: LockKind, lock: VirtAddr): LockQueue {
  if (kind === 'percpu_rw_semaphore') return collect(percpuRwsemWaiters(program, lock));
  const inside = rtMutexIn(program, kind, lock);
  if (inside !== undefined) return realtimeQueue(program, kind, lock, inside);
  const listed = LISTED_KINDS.find((each) => each.kind === kind);
  const layout = listed === undefined ? undefined : queueLayout(program, listed);
  if (listed === undefined || layout === undefined) throw new LookupError('member', `struct ${kind}.wait_list`);
  const nodes = layout.form === 'head' ? fromHead(program, layout, lock) : fromFirst(program, layout, lock);
  return collect(nodes.map((address) => readWaiter(program, listed, address)));
}

/** As many as can be had. */
function collect(found: Iterable<LockWaiter>): LockQueue {
  const waiters: LockWaiter[] = [];
  try {
    for (const waiter of found) waiters.push(waiter);
    return { waiters, problem: undefined };
  } catch (error) {
    if (!isDataError(error)) throw error;
    return { waiters, problem: error.message };
  }
}

/**
 * The rt_mutex inside of a lock.
 * @param lock - `struct mutex *`, `struct rw_semaphore *` or another of the structs of `LockKind`
 * @returns `struct rt_mutex_base *` (`struct rt_mutex *` until 5.14); undefined where it has none
 * @throws nothing for what the dump holds
 */
export function rtMutexIn(program: Program, kind: LockKind, lock: VirtAddr): VirtAddr | undefined {
  switch (kind) {
    case 'mutex':
      return mutexRtMutex(program, lock);
    case 'rw_semaphore':
      return rwsemRtMutex(program, lock)?.base;
    case 'rt_mutex':
      // `rtmutex` since 5.15; before, the lock itself has the words.
      return program.tryField('struct rt_mutex', 'rtmutex')?.address(lock) ?? lock;
    case 'spinlock':
      return program.tryField('struct spinlock', 'lock')?.address(lock);
    case 'rwbase_rt':
      return program.tryField('struct rwbase_rt', 'rtmutex')?.address(lock);
    default:
      return undefined;
  }
}

/** On PREEMPT_RT: the writer that the readers keep waiting owns the rt_mutex inside, and the others wait for that. */
function realtimeQueue(program: Program, kind: LockKind, lock: VirtAddr, base: VirtAddr): LockQueue {
  const { waiters, problem } = rtMutexWaiters(program, base);
  const queue = waiters.map(({ address, task }): LockWaiter => ({ address, task, mode: undefined }));
  if (kind !== 'rw_semaphore') return { waiters: queue, problem };
  try {
    const writer = rwsemState(program, lock).nextWriter;
    return {
      waiters: writer === undefined ? queue : [{ address: base, task: writer, mode: 'write' }, ...queue],
      problem,
    };
  } catch (error) {
    if (!isDataError(error)) throw error;
    return { waiters: queue, problem: problem ?? error.message };
  }
}

function* fromHead(program: Program, { field }: QueueLayout, lock: VirtAddr): Generator<VirtAddr> {
  const head = field.address(lock);
  const next = program.field('struct list_head', 'next');
  yield* chain(program, next.pointer(head), head, head);
}

/** The ring is closed by the first again. */
function* fromFirst(program: Program, { field }: QueueLayout, lock: VirtAddr): Generator<VirtAddr> {
  const first = field.pointer(lock);
  if (first === 0n) return;
  if (!isKernel(first) || !isAligned(first, 8)) throw new ValidationError('lock wait list', lock, 'begins nowhere');
  yield first;
  const next = program.field('struct list_head', 'next').pointer(first);
  const last = yield* chain(program, next, first, first);
  if (program.memory.readPointer(add(first, 8)) !== last)
    throw new ValidationError('lock wait list', first, 'does not point back');
}

/** Nodes from `at` to before `end`, each of which must point back; returns the last of them. */
function* chain(program: Program, from: VirtAddr, end: VirtAddr, before: VirtAddr): Generator<VirtAddr, VirtAddr> {
  const next = program.field('struct list_head', 'next');
  let last = before;
  let n = 0;
  for (let at = from; at !== end; at = next.pointer(at)) {
    if (!isKernel(at) || n++ >= MAX_LIST) throw new ValidationError('lock wait list', last, 'does not end');
    if (program.memory.readPointer(add(at, 8)) !== last)
      throw new ValidationError('lock wait list', at, 'does not point back');
    yield at;
    last = at;
  }
  return last;
}
