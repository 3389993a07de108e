/**
 * What lock a sleeping task waits for, found from the waiter object on its own stack: `struct mutex_waiter`,
 * `struct rwsem_waiter` or `struct semaphore_waiter`, each a list_head and the task. The waiter must name this very task
 * and be linked both ways; its ring leads to the one node that is no waiter: the list head inside the lock. Function
 * names only say which kind of lock to try first; the lock's own words must agree.
 */
import { add, clearBits, isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { MAX_LIST } from './list.ts';
import { mutexState } from './mutex.ts';
import { rwsemState } from './rwsem.ts';
import type { Task } from './sched.ts';
import { frameAt, stackArea, stackWords, type NamedFrame, type StackWords } from './stack.ts';

export type LockKind = 'mutex' | 'rw_semaphore' | 'semaphore';

export interface LockWaiter {
  /** Address of the waiter object. */
  readonly address: VirtAddr;
  /** `struct task_struct *`. */
  readonly task: VirtAddr;
  /** For an rw_semaphore: what it waits for. */
  readonly mode: 'read' | 'write' | undefined;
}

export interface LockWait {
  readonly kind: LockKind;
  /** `struct mutex *`, `struct rw_semaphore *` or `struct semaphore *`. */
  readonly lock: VirtAddr;
  readonly waiter: LockWaiter;
  /** Function in whose frame the waiter lies. */
  readonly func: string | undefined;
}

interface Kind {
  readonly kind: LockKind;
  readonly waiterType: string;
  readonly lockType: string;
  readonly functions: RegExp;
}

const KINDS: readonly Kind[] = [
  { kind: 'mutex', waiterType: 'struct mutex_waiter', lockType: 'struct mutex', functions: /mutex_lock/ },
  {
    kind: 'rw_semaphore',
    waiterType: 'struct rwsem_waiter',
    lockType: 'struct rw_semaphore',
    functions: /rwsem_down|down_(read|write)/,
  },
  { kind: 'semaphore', waiterType: 'struct semaphore_waiter', lockType: 'struct semaphore', functions: /^_*down(_|$)/ },
];

/** True when a stack stands in a function that queues on one of these locks; narrows the search, proves nothing. */
function isLockFunction(frame: NamedFrame): boolean {
  return KINDS.some((kind) => frame.func !== undefined && kind.functions.test(frame.func));
}

/**
 * The lock that a sleeping task waits for.
 * @param task - a `struct task_struct` that sleeps
 * @param frames - its stack
 * @param isTask - whether an address is a `struct task_struct *` of this dump
 * @returns undefined when no such waiter lies on its stack
 * @throws FaultError when the stack cannot be read, ValidationError when a waiter is there but its list is broken
 */
export function findLockWait(
  program: Program,
  task: Task,
  frames: readonly NamedFrame[],
  isTask: (address: VirtAddr) => boolean,
): LockWait | undefined {
  if (!task.state.sleeping || task.running || !frames.some(isLockFunction)) return undefined;
  const area = stackArea(program, task.address);
  const sp = frames[0]?.sp;
  if (area === undefined || sp === undefined) return undefined;
  const stack = stackWords(program, area, sp);
  if (stack === undefined) return undefined;
  for (const at of waiterShapes(program, task, stack)) {
    const frame = frameAt(frames, at);
    for (const kind of [...KINDS].sort((a, b) => likelihood(b, frame) - likelihood(a, frame))) {
      const wait = asWait(program, kind, at, frame?.func, isTask);
      if (wait !== undefined) return wait;
    }
  }
  return undefined;
}

function likelihood(kind: Kind, frame: NamedFrame | undefined): number {
  return frame?.func !== undefined && kind.functions.test(frame.func) ? 1 : 0;
}

/** Addresses on the stack that look like {list.next, list.prev, task} of this task, with neighbours that link back. */
function* waiterShapes(program: Program, task: Task, stack: StackWords): Generator<VirtAddr> {
  const { words, start } = stack;
  for (let i = 0; i + 2 < words.length; i++) {
    if (words[i + 2] !== task.address) continue;
    const next = virt(words[i] ?? 0n);
    const prev = virt(words[i + 1] ?? 0n);
    if (!isKernel(next) || !isKernel(prev) || !isAligned(next, 8) || !isAligned(prev, 8)) continue;
    const at = add(start, 8 * i);
    // Linked only to itself: prepared, not queued.
    if (next === at) continue;
    const linked = attempt(
      () => program.memory.readPointer(add(next, 8)) === at && program.memory.readPointer(prev) === at,
    );
    if (linked === true) yield at;
  }
}

function asWait(
  program: Program,
  kind: Kind,
  at: VirtAddr,
  func: string | undefined,
  isTask: (address: VirtAddr) => boolean,
): LockWait | undefined {
  // `wait_list` until 7.0; since 7.1 the locks hold a `first_waiter` pointer and the ring has no head in it.
  const list = program.tryField(kind.lockType, 'wait_list');
  const taskOf = program.tryField(kind.waiterType, 'task');
  if (list === undefined || taskOf === undefined) return undefined;
  const head = ringHead(program, at, taskOf.offset, isTask);
  if (head === undefined) return undefined;
  const lock = list.container(head);
  if (!isPlausible(program, kind.kind, lock, isTask)) return undefined;
  return { kind: kind.kind, lock, waiter: readWaiter(program, kind, at), func };
}

/**
 * Walks the ring once; the head is the node whose word at the task's place is no task of this dump.
 * @throws ValidationError when the ring is broken or has no head or two
 */
function ringHead(
  program: Program,
  start: VirtAddr,
  taskOffset: number,
  isTask: (a: VirtAddr) => boolean,
): VirtAddr | undefined {
  const next = program.field('struct list_head', 'next');
  let head: VirtAddr | undefined;
  let at = start;
  for (let n = 0; n < MAX_LIST; n++) {
    if (!isTask(program.memory.readPointer(add(at, taskOffset)))) {
      if (head !== undefined) throw new ValidationError('lock wait list', start, 'holds two nodes that are no waiters');
      head = at;
    }
    const following = next.pointer(at);
    if (!isKernel(following) || program.memory.readPointer(add(following, 8)) !== at) {
      throw new ValidationError('lock wait list', at, 'next does not point back');
    }
    at = following;
    if (at === start) return head;
  }
  throw new ValidationError('lock wait list', start, 'does not end');
}

/** The lock's own words must make sense for its kind: an owner is a task of this dump. */
function isPlausible(program: Program, kind: LockKind, lock: VirtAddr, isTask: (a: VirtAddr) => boolean): boolean {
  try {
    if (kind === 'mutex') {
      const state = mutexState(program, lock);
      return (
        state.hasWaiters !== false &&
        (state.owner === undefined ? clearBits(virt(state.raw), 7n) === 0n : isTask(state.owner))
      );
    }
    if (kind === 'rw_semaphore') {
      const state = rwsemState(program, lock);
      const ownerFits =
        state.owner === undefined ? state.rawOwner === undefined || state.rawOwner < 8n : isTask(state.owner);
      return state.hasWaiters !== false && (ownerFits || state.ownerIs === 'hint');
    }
    const count = program.field('struct semaphore', 'count').number(lock);
    return count === 0;
  } catch (error) {
    if (isDataError(error)) return false;
    throw error;
  }
}

function readWaiter(program: Program, kind: Kind, at: VirtAddr): LockWaiter {
  const task = program.field(kind.waiterType, 'task').pointer(at);
  return { address: at, task, mode: kind.kind === 'rw_semaphore' ? waitMode(program, at) : undefined };
}

/** enum rwsem_waiter_type: RWSEM_WAITING_FOR_WRITE, RWSEM_WAITING_FOR_READ (since 3.x; `flags` in 2.6.32). */
function waitMode(program: Program, waiter: VirtAddr): 'read' | 'write' | undefined {
  const type = program.tryField('struct rwsem_waiter', 'type');
  if (type === undefined) return undefined;
  const value = type.value(waiter);
  if (value === program.enumerator('RWSEM_WAITING_FOR_WRITE')) return 'write';
  return value === program.enumerator('RWSEM_WAITING_FOR_READ') ? 'read' : undefined;
}

/**
 * All waiters of a lock, in queue order, from the lock itself.
 * @param lock - `struct mutex *`, `struct rw_semaphore *` or `struct semaphore *`
 * @returns the waiters up to the first broken link, and why it ends there
 * @throws LookupError for a layout that is not known
 */
export function lockWaiters(
  program: Program,
  kind: LockKind,
  lock: VirtAddr,
): { readonly waiters: readonly LockWaiter[]; readonly problem: string | undefined } {
  const waiters: LockWaiter[] = [];
  const of = KINDS.find((k) => k.kind === kind);
  if (of === undefined) return { waiters, problem: undefined };
  const head = program.field(of.lockType, 'wait_list').address(lock);
  const next = program.field('struct list_head', 'next');
  try {
    let last = head;
    for (let at = next.pointer(head); at !== head; at = next.pointer(at)) {
      if (!isKernel(at) || waiters.length >= MAX_LIST)
        throw new ValidationError('lock wait list', last, 'does not end');
      if (program.memory.readPointer(add(at, 8)) !== last)
        throw new ValidationError('lock wait list', at, 'does not point back');
      waiters.push(readWaiter(program, of, at));
      last = at;
    }
    return { waiters, problem: undefined };
  } catch (error) {
    if (!isDataError(error)) throw error;
    return { waiters, problem: error.message };
  }
}
