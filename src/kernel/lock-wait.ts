/**
 * What lock a sleeping task waits for. The task says so itself (`blocker`, `blocked_on`, `pi_blocked_on`), or the waiter
 * object on its own stack leads there: `struct mutex_waiter`, `struct rwsem_waiter` or `struct semaphore_waiter`. It must
 * name this very task and be linked both ways; its ring leads to the list head inside the lock, or, since 7.1, is the one
 * whose first waiter the lock points to. Functions on the stack say which kind of lock it can be; the lock's own words
 * must agree.
 */
import { clearBits, contains, isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt, FaultError, isDataError, type KwhyError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type Blocker, blockerOf } from './blocker.ts';
import { MAX_LIST } from './list.ts';
import {
  LISTED_KINDS,
  type ListedKind,
  type LockKind,
  type LockWaiter,
  queueLayout,
  readWaiter,
} from './lock-kinds.ts';
import { lockWaiters } from './lock-queue.ts';
import { mutexState, type MutexState } from './mutex.ts';
import { percpuRwsemWait } from './percpu-rwsem.ts';
import { realtimeWait } from './realtime-wait.ts';
import { rwsemState } from './rwsem.ts';
import type { Task } from './sched.ts';
import { semaphoreState } from './semaphore.ts';
import { slabObjectAt } from './slab.ts';
import { frameAt, stackArea, stackWords, type NamedFrame, type StackWords } from './stack.ts';
import { newRingCache, type Ring, ringAt, type RingCache, waiterShapes } from './waiter-ring.ts';

export interface LockWait {
  readonly kind: LockKind;
  /** `struct mutex *`, `struct rw_semaphore *` or another of the structs of `LockKind`. */
  readonly lock: VirtAddr;
  readonly waiter: LockWaiter;
  /** Function in whose frame the waiter lies. */
  readonly func: string | undefined;
  /** What shows it: the waiter object on the task's `stack`, or only a word of the `task` itself or of the `lock`. */
  readonly shownBy: 'stack' | 'task' | 'lock';
}

/** What every search needs. */
interface Search {
  readonly program: Program;
  readonly task: Task;
  readonly frames: readonly NamedFrame[];
  readonly isTask: (address: VirtAddr) => boolean;
  readonly rings: RingCache;
}

/**
 * The lock that a sleeping task waits for.
 * @param task - a `struct task_struct` that sleeps
 * @param frames - its stack
 * @param isTask - whether an address is a `struct task_struct *` of this dump
 * @param rings - give the same to all calls for one dump
 * @returns undefined when it names none and no such waiter lies on its stack
 * @throws FaultError when the stack cannot be read, FaultError or ValidationError when a waiter is there, but its list
 *   is broken on both sides, and no lock was found between the breaks
 */
export function findLockWait(
  program: Program,
  task: Task,
  frames: readonly NamedFrame[],
  isTask: (address: VirtAddr) => boolean,
  rings: RingCache = newRingCache(),
): LockWait | undefined {
  if (!task.state.sleeping || task.running) return undefined;
  const search: Search = { program, task, frames, isTask, rings };
  const blocker = attempt(() => blockerOf(program, task.address));
  const words = blocker === undefined ? 'wrong' : wordsOf(search, blocker.kind, blocker.lock);
  const named = words === 'wrong' ? undefined : blocker;
  const realtime = attempt(() => realtimeWait(program, task, frames));
  if (realtime !== undefined) return realtime;
  const percpu = attempt(() => percpuRwsemWait(program, task, frames, rings));
  if (percpu !== undefined) return { kind: 'percpu_rw_semaphore', ...percpu };
  if (named === undefined) return waitOnStack(search, undefined);
  // The word is the task's own: what is wrong with its stack does not make it wrong.
  return attempt(() => waitOnStack(search, named)) ?? namedWait(search, named);
}

/** From the waiter object on the task's stack. */
function waitOnStack(search: Search, named: Blocker | undefined): LockWait | undefined {
  const { program, task, frames, isTask, rings } = search;
  // Which locks a stack can be waiting for narrows the search, and proves nothing.
  const kinds = LISTED_KINDS.filter((kind) =>
    named === undefined ? frames.some((frame) => fits(kind, frame)) : kind.kind === named.kind,
  );
  const sp = frames[0]?.sp;
  if (kinds.length === 0 || sp === undefined) return undefined;
  const area = stackArea(program, task.address);
  const stack = area === undefined ? undefined : stackWords(program, area, sp);
  if (stack === undefined) return undefined;
  const alone = kinds.some((kind) => queueLayout(program, kind)?.form === 'first');
  let error: KwhyError | undefined;
  for (const at of waiterShapes(program, task.address, stack, alone)) {
    const ring = ringAt(program, at, isTask, rings);
    error ??= ring.error;
    const frame = frameAt(frames, at);
    const ofFrame = kinds.filter((kind) => frame !== undefined && fits(kind, frame));
    for (const kind of ofFrame.length > 0 ? ofFrame : kinds) {
      const lock = lockOf(search, kind, ring, named, stack);
      if (lock === undefined) continue;
      return { kind: kind.kind, lock, waiter: readWaiter(program, kind, at), func: frame?.func, shownBy: 'stack' };
    }
  }
  if (error !== undefined) throw error;
  return undefined;
}

function fits(kind: ListedKind, frame: NamedFrame): boolean {
  return frame.func !== undefined && kind.functions.test(frame.func);
}

/** The lock that a ring belongs to; undefined when none makes sense, or more than one. */
function lockOf(
  search: Search,
  kind: ListedKind,
  ring: Ring,
  named: Blocker | undefined,
  stack: StackWords,
): VirtAddr | undefined {
  const layout = queueLayout(search.program, kind);
  if (layout === undefined) return undefined;
  const { form, field } = layout;
  if (form === 'head') {
    const locks = ring.heads
      .map((head) => field.container(head))
      .filter((lock) => isPlausible(search, kind.kind, lock) && (named === undefined || named.lock === lock));
    return locks.length === 1 ? locks[0] : undefined;
  }
  // The ring does not lead to the lock, but the lock's pointer leads into the ring.
  const leads = (lock: VirtAddr): boolean =>
    !ring.nodes.has(field.address(lock)) &&
    attempt(() => ring.nodes.has(field.pointer(lock))) === true &&
    isPlausible(search, kind.kind, lock);
  if (named !== undefined) return leads(named.lock) ? named.lock : undefined;
  const words = new Set(stack.words);
  const locks = [...words]
    .map((word) => virt(word))
    .filter((word) => isKernel(word) && isAligned(word, 8) && leads(word));
  return locks.length === 1 ? locks[0] : undefined;
}

/** A lock that the task names, when its stack does not show the waiter: found in the lock's own queue. */
function namedWait({ program, task, rings }: Search, { kind, lock, mode }: Blocker): LockWait {
  const queue =
    rings.queues.get(lock) ??
    new Map(attempt(() => lockWaiters(program, kind, lock).waiters.map((waiter) => [waiter.task, waiter])));
  rings.queues.set(lock, queue);
  const listed = queue.get(task.address);
  // Not as far as the queue can be read: what is known of it is the task's own word.
  const waiter = listed ?? { address: task.address, task: task.address, mode };
  return { kind, lock, waiter, func: undefined, shownBy: 'task' };
}

function isPlausible(search: Search, kind: ListedKind['kind'], lock: VirtAddr): boolean {
  return wordsOf(search, kind, lock) === 'fitting';
}

/** Whether the lock's own words make sense for its kind; a dump may lack the page that it lies on. */
function wordsOf(search: Search, kind: ListedKind['kind'], lock: VirtAddr): 'fitting' | 'wrong' | 'missing' {
  try {
    return haveSense(search, kind, lock) ? 'fitting' : 'wrong';
  } catch (error) {
    if (!isDataError(error)) throw error;
    const there = error instanceof FaultError && error.reason !== 'unmapped' && error.reason !== 'absent';
    return there ? 'missing' : 'wrong';
  }
}

function haveSense({ program, isTask }: Search, kind: ListedKind['kind'], lock: VirtAddr): boolean {
  const isOwner = (owner: VirtAddr): boolean => isTask(owner) || wasTask(program, kind, lock, owner);
  if (kind === 'mutex') {
    const state = mutexState(program, lock);
    const fitting = state.owner === undefined ? isOwnerless(program, state) : isOwner(state.owner);
    return state.hasWaiters !== false && fitting;
  }
  if (kind === 'rw_semaphore') {
    const state = rwsemState(program, lock);
    const fitting =
      state.owner === undefined ? state.rawOwner === undefined || state.rawOwner < 8n : isOwner(state.owner);
    const counts = (state.readers ?? 0) <= MAX_LIST;
    return counts && state.hasWaiters !== false && (fitting || state.ownerIs === 'hint');
  }
  return semaphoreState(program, lock).count === 0;
}

/**
 * A task that has exited with the lock owns it for ever: its `task_struct` is freed, and its memory may be of other use by
 * now. What points into the lock itself, or to an object of another kind, was none.
 */
function wasTask(program: Program, kind: ListedKind['kind'], lock: VirtAddr, owner: VirtAddr): boolean {
  // ARCH_MIN_TASKALIGN is a cache line at least.
  if (!isKernel(owner) || !isAligned(owner, 64) || contains(lock, program.sizeOf(`struct ${kind}`), owner))
    return false;
  const object = attempt(() => slabObjectAt(program, owner));
  return object === undefined || (object.cacheName === 'task_struct' && object.start === owner);
}

/** A mutex that names no owner: its word holds flags only, or, until 4.9, a small count. */
function isOwnerless(program: Program, { raw }: MutexState): boolean {
  if (program.tryField('struct mutex', 'count.counter') === undefined) return clearBits(virt(raw), 7n) === 0n;
  const count = BigInt.asIntN(32, raw);
  return count <= 0n && count >= -BigInt(MAX_LIST);
}
