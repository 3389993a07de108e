/**
 * Every sleeping lock that somebody waits for: found from the waiters on the sleepers' stacks, then read from the lock
 * itself, and matched. Owners as the lock tells them; whether a reader's hint holds is judged by `holders`.
 */
import type { VirtAddr } from '../../base/address.ts';
import { isDataError } from '../../base/errors.ts';
import type { LockKind, LockWaiter } from '../../kernel/lock-kinds.ts';
import { lockWaiters, rtMutexIn } from '../../kernel/lock-queue.ts';
import { findLockWait, type LockWait } from '../../kernel/lock-wait.ts';
import { mutexState, type MutexState } from '../../kernel/mutex.ts';
import { percpuRwsemState } from '../../kernel/percpu-rwsem.ts';
import { rtMutexState } from '../../kernel/rt-mutex.ts';
import { rwsemState, type RwsemState } from '../../kernel/rwsem.ts';
import type { Task } from '../../kernel/sched.ts';
import { semaphoreState } from '../../kernel/semaphore.ts';
import type { NamedFrame } from '../../kernel/stack.ts';
import { newRingCache } from '../../kernel/waiter-ring.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { groupReasons } from './reasons.ts';
import { stacksFact, waitsIn } from './stacks.ts';
import { tasksFact } from './tasks.ts';

export interface WaitingTask {
  readonly task: Task;
  readonly mode: 'read' | 'write' | undefined;
  /** Its `struct mutex_waiter`, `rwsem_waiter`, `semaphore_waiter` or `rt_mutex_waiter`. */
  readonly waiter: VirtAddr;
}

export interface ContendedLock {
  readonly kind: LockKind;
  readonly address: VirtAddr;
  /** Those whose tasks could be read, in queue order. */
  readonly waiters: readonly WaitingTask[];
  /** Its own list as far as it could be walked, those whose tasks could not be read among them. */
  readonly queue: readonly LockWaiter[];
  /** How many of its list name tasks that could not be read. */
  readonly strangers: number;
  /** True when its list was walked to the end: then there are no more waiters than in `queue`. */
  readonly whole: boolean;
  /** How many of them were found on the stacks of their tasks, too. */
  readonly onStacks: number;
  /** How many more name the lock in their own `task_struct`, or are named by the lock beside its list. */
  readonly named: number;
  /** The task that the lock names. */
  readonly owner: Task | undefined;
  /**
   * `exact`: the lock names its holder; `hint`: it names the reader, or for a semaphore the task, that took it last;
   * undefined: it names nobody.
   */
  readonly ownerIs: 'exact' | 'hint' | undefined;
  /** `struct task_struct *` that the lock names, and which is no task of this machine: it has exited. */
  readonly ownerGone: VirtAddr | undefined;
  /** The same where not all tasks could be read: it may be one of these. */
  readonly ownerUnread: VirtAddr | undefined;
  /** Only for rw_semaphores. */
  readonly rwsem: RwsemState | undefined;
  /** Only for mutexes. */
  readonly mutex: MutexState | undefined;
  /** Why its own words cannot be read, though tasks name it: a dump may lack its page. */
  readonly unread: string | undefined;
  /** What of its queue could not be read or does not fit. */
  readonly problems: readonly string[];
}

export interface LockTable {
  /** Most waiters first. */
  readonly locks: readonly ContendedLock[];
  /** The lock that a task waits for. */
  readonly waitOf: (task: Task) => ContendedLock | undefined;
}

/** Functions that queue on these locks and sleep; narrower than what the search looks at. */
const SLEEPS_ON_LOCK =
  /^(_*(ww_)?mutex_lock(_\w+)?|__ww_rt_mutex_lock|rwsem_down_(read|write)_\w+|down_(read|write)(_killable|_interruptible)?|_*down(_common|_interruptible|_killable|_timeout)?|_*(rt_mutex_slowlock|rtlock_slowlock)\w*|_*rwbase_(read|write)_lock|percpu_down_write|percpu_rwsem_wait|__percpu_down_read)$/;

/** The function that took a task to sleep on a lock; undefined where its stack does not show one. */
export function lockCaller(frames: readonly NamedFrame[]): string | undefined {
  const first = frames.findIndex(({ func }) => func !== undefined && SLEEPS_ON_LOCK.test(func));
  if (first < 0) return undefined;
  return frames.slice(first).find(({ func }) => func === undefined || !SLEEPS_ON_LOCK.test(func))?.func;
}

export const locksFact = defineFact<LockTable>({
  id: 'locks',
  derive(context) {
    const { tasks, isTask } = context.use(tasksFact);
    const stacks = context.use(stacksFact);
    const waits = new Map<Task, LockWait>();
    // A queue is walked once, however many wait in it.
    const rings = newRingCache();
    const unmatched = new Map<Task, string>();
    for (const task of tasks) {
      context.budget.check();
      const { frames, problem } = stacks.of(task);
      try {
        const wait = findLockWait(context.program, task, frames, isTask, rings);
        const place = waitsIn(frames);
        if (wait !== undefined) waits.set(task, wait);
        else if (task.state.sleeping && !task.running && place !== undefined && SLEEPS_ON_LOCK.test(place))
          unmatched.set(task, `sleeps in ${place}, and no lock was found`);
        // Nobody can say that it waits for none.
        else if (task.state.uninterruptible && !task.running && !task.idle && problem !== undefined)
          unmatched.set(task, `what it sleeps in is not known: ${problem}`);
      } catch (error) {
        if (!isDataError(error)) throw error;
        unmatched.set(task, error.message);
      }
    }
    const locks = [...Map.groupBy(waits, ([, wait]) => wait.lock).values()].map((group) => readLock(context, group));
    locks.sort((a, b) => b.waiters.length - a.waiters.length || (a.address < b.address ? -1 : 1));
    const lockAt = new Map(locks.map((lock) => [lock.address, lock]));
    const lockOf = new Map([...waits].map(([task, wait]) => [task, lockAt.get(wait.lock)]));
    // Its own links are damaged, but the lock's list comes to it.
    for (const lock of locks) {
      for (const { task } of lock.waiters) if (unmatched.delete(task)) lockOf.set(task, lock);
    }
    if (unmatched.size > 0) {
      context.cover({
        what: 'lock waits',
        read: lockOf.size,
        total: lockOf.size + unmatched.size,
        missing: groupReasons([...unmatched].map(([task, reason]) => `pid ${task.pid}: ${reason}`)),
      });
    }
    return { locks, waitOf: (task) => lockOf.get(task) };
  },
});

function readLock(context: FactContext, group: readonly (readonly [Task, LockWait])[]): ContendedLock {
  const [first] = group;
  if (first === undefined) throw new RangeError('a group of waiters is never empty');
  const { kind, lock: address } = first[1];
  const { byAddress } = context.use(tasksFact);
  const problems: string[] = [];
  const listed = lockWaiters(context.program, kind, address);
  if (listed.problem !== undefined) problems.push(listed.problem);
  const waits = new Map(group);
  const queue = listed.waiters.map((waiter): LockWaiter => {
    // A waiter of PREEMPT_RT does not say whether it reads: the functions on the task's stack do.
    const task = byAddress.get(waiter.task);
    const own = task === undefined ? undefined : waits.get(task)?.waiter.mode;
    return { ...waiter, mode: waiter.mode ?? own };
  });
  const waiters: WaitingTask[] = [];
  for (const waiter of queue) {
    const task = byAddress.get(waiter.task);
    if (task !== undefined) waiters.push({ task, mode: waiter.mode, waiter: waiter.address });
  }
  const strangers = listed.waiters.length - waiters.length;
  if (strangers > 0)
    problems.push(
      strangers === 1
        ? 'a waiter names a task that is on no list'
        : `${strangers} waiters name tasks that are on no list`,
    );
  // Found on a stack but not on the lock's own list: it breaks off before them.
  const known = new Set(waiters.map((waiting) => waiting.task));
  for (const [task, wait] of group) {
    if (known.has(task)) continue;
    waiters.push({ task, mode: wait.waiter.mode, waiter: wait.waiter.address });
  }
  return {
    kind,
    address,
    waiters,
    queue,
    strangers,
    whole: listed.problem === undefined,
    onStacks: group.filter(([, { shownBy }]) => shownBy === 'stack').length,
    named: group.filter(([, { shownBy }]) => shownBy !== 'stack').length,
    problems,
    ...ownerOrNot(context, kind, address),
  };
}

type Ownership = Pick<ContendedLock, 'owner' | 'ownerIs' | 'ownerGone' | 'ownerUnread' | 'rwsem' | 'mutex'>;

function ownerOrNot(
  context: FactContext,
  kind: LockKind,
  address: VirtAddr,
): Ownership & Pick<ContendedLock, 'unread'> {
  try {
    return { ...ownerOf(context, kind, address), unread: undefined };
  } catch (error) {
    if (!isDataError(error)) throw error;
    const nobody = { owner: undefined, ownerIs: undefined, ownerGone: undefined, ownerUnread: undefined };
    return { ...nobody, rwsem: undefined, mutex: undefined, unread: error.message };
  }
}

function ownerOf(context: FactContext, kind: LockKind, address: VirtAddr): Ownership {
  const { byAddress, complete } = context.use(tasksFact);
  const named = (at: VirtAddr | undefined, is: ContendedLock['ownerIs']): Omit<Ownership, 'rwsem' | 'mutex'> => {
    const owner = at === undefined ? undefined : byAddress.get(at);
    const missing = owner === undefined ? at : undefined;
    return {
      owner,
      ownerIs: owner === undefined ? undefined : is,
      ownerGone: complete ? missing : undefined,
      ownerUnread: complete ? undefined : missing,
    };
  };
  if (kind === 'mutex') {
    const mutex = mutexState(context.program, address);
    return { ...named(mutex.owner, 'exact'), rwsem: undefined, mutex };
  }
  if (kind === 'rw_semaphore') {
    const rwsem = rwsemState(context.program, address);
    return { ...named(rwsem.owner, rwsem.ownerIs), rwsem, mutex: undefined };
  }
  if (kind === 'percpu_rw_semaphore') {
    return { ...named(undefined, undefined), rwsem: percpuRwsemState(context.program, address), mutex: undefined };
  }
  if (kind === 'semaphore') {
    // Whoever took it last may have given its turn back, or others may hold it as well.
    const { lastHolder } = semaphoreState(context.program, address);
    return { ...named(lastHolder, 'hint'), rwsem: undefined, mutex: undefined };
  }
  const inside = rtMutexIn(context.program, kind, address);
  const owner = inside === undefined ? undefined : rtMutexState(context.program, inside).owner;
  return { ...named(owner, 'exact'), rwsem: undefined, mutex: undefined };
}
