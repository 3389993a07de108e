/**
 * Rings of waiter objects, walked from a waiter that lies on the stack of its task: `struct mutex_waiter`, `rwsem_waiter`,
 * `semaphore_waiter`. Until 7.0 the list_head inside the lock is one node of the ring; since 7.1 there are waiters alone.
 * In el7's rw_semaphore that node has `next` alone: its owner took the place of `prev`.
 */
import { add, contains, isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError, ValidationError, type KwhyError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { MAX_LIST } from './list.ts';
import { type LockWaiter, TASK_OFFSET } from './lock-kinds.ts';
import { type StackWords, threadSize } from './stack.ts';

/** A list of waiters as one of them leads to it. */
export interface Ring {
  /** Every node that was passed, those of `heads` among them. */
  readonly nodes: ReadonlySet<VirtAddr>;
  /**
   * The nodes that are no waiters. Where locks have a head in the ring it is one, unless a waiter's task is on no list or
   * this is no lock's list at all.
   */
  readonly heads: readonly VirtAddr[];
  /** Why it could not be walked all around. */
  readonly error: KwhyError | undefined;
}

/** What was walked already: thousands may wait for one lock. Give the same to all calls for one dump. */
export interface RingCache {
  /** By each of their nodes. */
  readonly rings: Map<VirtAddr, Ring>;
  /** By lock: its queue, by task. */
  readonly queues: Map<VirtAddr, ReadonlyMap<VirtAddr, LockWaiter>>;
}

/** An empty cache of rings of `struct mutex_waiter` and the like. */
export function newRingCache(): RingCache {
  return { rings: new Map(), queues: new Map() };
}

/** Where so many nodes are no waiters, it is no list of waiters. */
const MAX_HEADS = 8;

/**
 * Addresses on a stack that look like {list.next, list.prev, task} of a task, with neighbours that link back.
 * @param task - `struct task_struct *`
 * @param alone - whether a waiter that is linked to itself counts: it does where rings have no head
 * @throws nothing for what the dump holds
 */
export function* waiterShapes(
  program: Program,
  task: VirtAddr,
  { words, start }: StackWords,
  alone: boolean,
): Generator<VirtAddr> {
  for (let i = 0; i + 2 < words.length; i++) {
    if (words[i + 2] !== task) continue;
    const next = virt(words[i] ?? 0n);
    const prev = virt(words[i + 1] ?? 0n);
    if (!isKernel(next) || !isKernel(prev) || !isAligned(next, 8) || !isAligned(prev, 8)) continue;
    const at = add(start, 8 * i);
    // Linked only to itself: where the lock's head is in the ring, prepared and not queued.
    if (next === at && !alone) continue;
    const linked = attempt(
      () => program.memory.readPointer(prev) === at && (backOf(program, next) === at || isOneWayHead(program, next)),
    );
    if (linked === true) yield at;
  }
}

/**
 * Walks a ring once, and from the other end too where it breaks off.
 * @param start - a waiter, `struct list_head *`
 * @throws nothing for what the dump holds
 */
export function ringAt(
  program: Program,
  start: VirtAddr,
  isTask: (address: VirtAddr) => boolean,
  { rings }: RingCache,
): Ring {
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
  const ring: Ring = { nodes: visited, heads: heads.length < MAX_HEADS ? heads : [], error };
  for (const node of visited) rings.set(node, ring);
  return ring;
}

function backOf(program: Program, node: VirtAddr): VirtAddr {
  return program.memory.readPointer(add(node, 8));
}

/** The head of a list whose wait_list is a `struct slist_head`, one pointer: what it points to points back to it. */
function isOneWayHead(program: Program, node: VirtAddr): boolean {
  if (program.tryField('struct rw_semaphore', 'wait_list')?.size !== 8) return false;
  program.layouts.chose('struct rw_semaphore', 'wait_list of one pointer (el7)', []);
  const first = program.memory.readPointer(node);
  return isKernel(first) && isAligned(first, 8) && backOf(program, first) === node;
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
    const sound = isKernel(following) && isAligned(following, 8);
    const linked = sound && (back.pointer(following) === at || (link === 'next' && isOneWayHead(program, following)));
    if (!linked) {
      throw new ValidationError('lock wait list', at, `${link} does not point back`);
    }
    at = following;
    if (at === start) return;
  }
  throw new ValidationError('lock wait list', start, 'does not end');
}
