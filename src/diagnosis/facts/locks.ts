/**
 * Every sleeping lock that somebody waits for: found from the waiters on the sleepers' stacks, then read from the lock
 * itself, and matched. Owners as the lock tells them; whether a reader's hint holds is judged by `holders`.
 */
import type { VirtAddr } from '../../base/address.ts';
import { isDataError } from '../../base/errors.ts';
import { findLockWait, lockWaiters, type LockKind, type LockWait } from '../../kernel/lock-wait.ts';
import { mutexState } from '../../kernel/mutex.ts';
import { rwsemState, type RwsemState } from '../../kernel/rwsem.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';

export interface WaitingTask {
  readonly task: Task;
  readonly mode: 'read' | 'write' | undefined;
  /** Its `struct mutex_waiter`, `rwsem_waiter` or `semaphore_waiter`. */
  readonly waiter: VirtAddr;
}

export interface ContendedLock {
  readonly kind: LockKind;
  readonly address: VirtAddr;
  /** In queue order. */
  readonly waiters: readonly WaitingTask[];
  /** The task that the lock names. */
  readonly owner: Task | undefined;
  /** `exact`: the lock names its holder; `hint`: it names the reader that took it last; undefined: it names nobody. */
  readonly ownerIs: 'exact' | 'hint' | undefined;
  /** Only for rw_semaphores. */
  readonly rwsem: RwsemState | undefined;
  /** What of it could not be read or does not fit. */
  readonly problems: readonly string[];
}

export interface LockTable {
  /** Most waiters first. */
  readonly locks: readonly ContendedLock[];
  /** The lock that a task waits for. */
  waitOf(task: Task): ContendedLock | undefined;
}

export const locksFact = defineFact<LockTable>({
  id: 'locks',
  derive(context) {
    const { tasks, isTask } = context.use(tasksFact);
    const stacks = context.use(stacksFact);
    const waits = new Map<Task, LockWait>();
    const problems: string[] = [];
    for (const task of tasks) {
      context.budget.check();
      try {
        const wait = findLockWait(context.program, task, stacks.of(task).frames, isTask);
        if (wait !== undefined) waits.set(task, wait);
      } catch (error) {
        if (!isDataError(error)) throw error;
        problems.push(`pid ${task.pid}: ${error.message}`);
      }
    }
    const byLock = Map.groupBy(waits, ([, wait]) => wait.lock);
    const locks = [...byLock.values()].map((group) => readLock(context, group));
    locks.sort((a, b) => b.waiters.length - a.waiters.length || (a.address < b.address ? -1 : 1));
    if (problems.length > 0) {
      context.cover({ what: 'lock waits', read: waits.size, total: waits.size + problems.length, missing: problems });
    }
    const lockAt = new Map(locks.map((lock) => [lock.address, lock]));
    return {
      locks,
      waitOf(task) {
        const wait = waits.get(task);
        return wait === undefined ? undefined : lockAt.get(wait.lock);
      },
    };
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
  const waiters: WaitingTask[] = [];
  for (const waiter of listed.waiters) {
    const task = byAddress.get(waiter.task);
    if (task === undefined) problems.push('a waiter names a task that is on no list');
    else waiters.push({ task, mode: waiter.mode, waiter: waiter.address });
  }
  // Found on a stack but not on the lock's own list: it breaks off before them.
  for (const [task, wait] of group) {
    if (waiters.some((waiting) => waiting.task === task)) continue;
    waiters.push({ task, mode: wait.waiter.mode, waiter: wait.waiter.address });
  }
  return { kind, address, waiters, problems, ...ownerOf(context, kind, address, problems) };
}

function ownerOf(
  context: FactContext,
  kind: LockKind,
  address: VirtAddr,
  problems: string[],
): Pick<ContendedLock, 'owner' | 'ownerIs' | 'rwsem'> {
  const { byAddress } = context.use(tasksFact);
  const taskAt = (owner: VirtAddr | undefined): Task | undefined => {
    const task = owner === undefined ? undefined : byAddress.get(owner);
    if (owner !== undefined && task === undefined)
      problems.push('its owner is no task of this dump (it may have exited)');
    return task;
  };
  if (kind === 'mutex') {
    const owner = taskAt(mutexState(context.program, address).owner);
    return { owner, ownerIs: owner === undefined ? undefined : 'exact', rwsem: undefined };
  }
  if (kind === 'rw_semaphore') {
    const rwsem = rwsemState(context.program, address);
    const owner = taskAt(rwsem.owner);
    return { owner, ownerIs: owner === undefined ? undefined : rwsem.ownerIs, rwsem };
  }
  return { owner: undefined, ownerIs: undefined, rwsem: undefined };
}
