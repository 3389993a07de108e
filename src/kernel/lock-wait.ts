/**
 * What lock a sleeping task waits for, found from the waiter object on its own stack: `struct mutex_waiter`,
 * `struct rwsem_waiter` or `struct semaphore_waiter`, each a list_head and the task. The waiter must name this very task
 * and be linked both ways; its ring leads to the one node that is no waiter: the list head inside the lock. Functions on
 * the stack say which kind of lock it can be; the lock's own words must agree. Not handled: the rings without a head of
 * Linux 7.1 and later (`first_waiter`), the one-way ring of el7's rw_semaphore.
 */
import { add, clearBits, contains, isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError, ValidationError, type KwhyError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { MAX_LIST } from './list.ts';
import { mutexState, type MutexState } from './mutex.ts';
import { rwsemState } from './rwsem.ts';
import type { Task } from './sched.ts';
import { frameAt, stackArea, stackWords, threadSize, type NamedFrame, type StackWords } from './stack.ts';

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
  {
    kind: 'semaphore',
    waiterType: 'struct semaphore_waiter',
    lockType: 'struct semaphore',
    functions: /^_*down(_common|_interruptible|_killable|_timeout)?$/,
  },
];

/** A list of waiters as one of them leads to it. */
interface Ring {
  /** The nodes that are no waiters: one, unless a waiter's task is on no list or this is no lock's list at all. */
  readonly heads: readonly VirtAddr[];
  /** Why it could not be walked all around. */
  readonly error: KwhyError | undefined;
}

/** Rings that were walked already, by each of their nodes: thousands may wait for one lock. */
export type RingCache = Map<VirtAddr, Ring>;

/** Where so many nodes are no waiters, it is no list of waiters. */
const MAX_HEADS = 8;
/** A task word lies here in every kind of waiter, in all kernels looked at. */
const TASK_OFFSET = 16;

/**
 * The lock that a sleeping task waits for.
 * @param task - a `struct task_struct` that sleeps
 * @param frames - its stack
 * @param isTask - whether an address is a `struct task_struct *` of this dump
 * @param rings - give the same to all calls for one dump
 * @returns undefined when no such waiter lies on its stack
 * @throws FaultError when the stack cannot be read, FaultError or ValidationError when a waiter is there, but its list
 *   is broken on both sides, and no lock was found between the breaks
 */
export function findLockWait(
  program: Program,
  task: Task,
  frames: readonly NamedFrame[],
  isTask: (address: VirtAddr) => boolean,
  rings: RingCache = new Map(),
): LockWait | undefined {
  if (!task.state.sleeping || task.running) return undefined;
  // Which locks a stack can be waiting for narrows the search, and proves nothing.
  const kinds = KINDS.filter((kind) => frames.some((frame) => fits(kind, frame)));
  const sp = frames[0]?.sp;
  if (kinds.length === 0 || sp === undefined) return undefined;
  const area = stackArea(program, task.address);
  const stack = area === undefined ? undefined : stackWords(program, area, sp);
  if (stack === undefined) return undefined;
  let error: KwhyError | undefined;
  for (const at of waiterShapes(program, task, stack)) {
    const ring = ringAt(program, at, isTask, rings);
    error ??= ring.error;
    const frame = frameAt(frames, at);
    const ofFrame = kinds.filter((kind) => frame !== undefined && fits(kind, frame));
    for (const kind of ofFrame.length > 0 ? ofFrame : kinds) {
      const lock = lockOf(program, kind, ring.heads, isTask);
      if (lock !== undefined) {
        return { kind: kind.kind, lock, waiter: readWaiter(program, kind, at), func: frame?.func };
      }
    }
  }
  if (error !== undefined) throw error;
  return undefined;
}

function fits(kind: Kind, frame: NamedFrame): boolean {
  return frame.func !== undefined && kind.functions.test(frame.func);
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

/** The lock that one of the nodes lies in; undefined when none makes sense, or more than one. */
function lockOf(
  program: Program,
  kind: Kind,
  heads: readonly VirtAddr[],
  isTask: (address: VirtAddr) => boolean,
): VirtAddr | undefined {
  // `wait_list` until 7.0; since 7.1 the locks hold a `first_waiter` pointer and the ring has no head in it.
  const list = program.tryField(kind.lockType, 'wait_list');
  if (list === undefined || program.tryField(kind.waiterType, 'task')?.offset !== TASK_OFFSET) return undefined;
  const locks = heads
    .map((head) => list.container(head))
    .filter((lock) => isPlausible(program, kind.kind, lock, isTask));
  return locks.length === 1 ? locks[0] : undefined;
}

/** Walks a ring once, and from the other end too where it breaks off. */
function ringAt(program: Program, start: VirtAddr, isTask: (a: VirtAddr) => boolean, rings: RingCache): Ring {
  const known = rings.get(start);
  if (known !== undefined) return known;
  const isWaiter = waiterTest(program, isTask);
  const visited = new Set<VirtAddr>();
  const heads: VirtAddr[] = [];
  let error: KwhyError | undefined;
  for (const link of ['next', 'prev'] as const) {
    try {
      for (const node of nodes(program, start, link)) {
        if (visited.has(node)) continue;
        visited.add(node);
        if (!isWaiter(node) && heads.push(node) >= MAX_HEADS) break;
      }
      break;
    } catch (thrown) {
      if (!isDataError(thrown)) throw thrown;
      error ??= thrown;
    }
  }
  const ring: Ring = { heads: heads.length < MAX_HEADS ? heads : [], error };
  for (const node of visited) rings.set(node, ring);
  return ring;
}

/** A node is a waiter when it names a task and lies on that task's stack, as all waiters do. */
function waiterTest(program: Program, isTask: (a: VirtAddr) => boolean): (node: VirtAddr) => boolean {
  const stackOf = program.field('struct task_struct', 'stack');
  const size = threadSize(program);
  return (node) =>
    attempt(() => {
      const task = program.memory.readPointer(add(node, TASK_OFFSET));
      return isTask(task) && contains(stackOf.pointer(task), size, node);
    }) === true;
}

/** The nodes of a ring from `start` on; ends when it comes back there. */
function* nodes(program: Program, start: VirtAddr, link: 'next' | 'prev'): Generator<VirtAddr> {
  const other = link === 'next' ? 'prev' : 'next';
  const onward = program.field('struct list_head', link);
  const back = program.field('struct list_head', other);
  let at = start;
  for (let n = 0; n < MAX_LIST; n++) {
    yield at;
    const following = onward.pointer(at);
    if (!isKernel(following) || !isAligned(following, 8) || back.pointer(following) !== at) {
      throw new ValidationError('lock wait list', at, `${link} does not point back`);
    }
    at = following;
    if (at === start) return;
  }
  throw new ValidationError('lock wait list', start, 'does not end');
}

/** The lock's own words must make sense for its kind: an owner is a task of this dump. */
function isPlausible(program: Program, kind: LockKind, lock: VirtAddr, isTask: (a: VirtAddr) => boolean): boolean {
  try {
    if (kind === 'mutex') {
      const state = mutexState(program, lock);
      return (
        state.hasWaiters !== false && (state.owner === undefined ? isOwnerless(program, state) : isTask(state.owner))
      );
    }
    if (kind === 'rw_semaphore') {
      const state = rwsemState(program, lock);
      const ownerFits =
        state.owner === undefined ? state.rawOwner === undefined || state.rawOwner < 8n : isTask(state.owner);
      const counts = (state.readers ?? 0) <= MAX_LIST;
      return counts && state.hasWaiters !== false && (ownerFits || state.ownerIs === 'hint');
    }
    const count = program.field('struct semaphore', 'count').number(lock);
    return count === 0;
  } catch (error) {
    if (isDataError(error)) return false;
    throw error;
  }
}

/** A mutex that names no owner: its word holds flags only, or, until 4.9, a small count. */
function isOwnerless(program: Program, { raw }: MutexState): boolean {
  if (program.tryField('struct mutex', 'count.counter') === undefined) return clearBits(virt(raw), 7n) === 0n;
  const count = BigInt.asIntN(32, raw);
  return count <= 0n && count >= -BigInt(MAX_LIST);
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
