/**
 * What a task itself says that it waits for: `task_struct.blocker`, written for khungtaskd (include/linux/hung_task.h,
 * CONFIG_DETECT_HUNG_TASK_BLOCKER, not on PREEMPT_RT), and `task_struct.blocked_on`, written for proxy execution and
 * CONFIG_DEBUG_MUTEXES. Both only while it sleeps for the lock. rt_mutexes are in rt-mutex.ts.
 */
import { clearBits, isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import type { ListedKind, LockWaiter } from './lock-kinds.ts';

/** BLOCKER_TYPE_MASK; the types are macros. */
const TYPE_MASK = 3n;
const TYPES: readonly Pick<Blocker, 'kind' | 'mode'>[] = [
  { kind: 'mutex', mode: undefined },
  { kind: 'semaphore', mode: undefined },
  { kind: 'rw_semaphore', mode: 'read' },
  { kind: 'rw_semaphore', mode: 'write' },
];

export interface Blocker {
  readonly kind: ListedKind['kind'];
  /** `struct mutex *`, `struct semaphore *` or `struct rw_semaphore *`. */
  readonly lock: VirtAddr;
  readonly mode: LockWaiter['mode'];
}

/**
 * The lock that a sleeping task names as what it waits for.
 * @param task - `struct task_struct *`
 * @returns undefined when it names none, or this kernel has no such member
 * @throws FaultError
 */
export function blockerOf(program: Program, task: VirtAddr): Blocker | undefined {
  // `blocker`, an unsigned long with the kind in its low bits, since 6.16; `blocker_mutex`, a struct mutex *, in 6.15.
  const blocker = program.tryField('struct task_struct', 'blocker');
  const word = blocker?.u64(task) ?? 0n;
  if (word !== 0n) {
    const lock = clearBits(virt(word), TYPE_MASK);
    const type = TYPES[Number(word & TYPE_MASK)];
    if (type !== undefined && isLock(lock)) {
      program.layouts.chose('struct task_struct.blocker', 'lock and its kind in one word (since 6.16)', ['7.2']);
      return { ...type, lock };
    }
  }
  for (const name of ['blocker_mutex', 'blocked_on']) {
    const field = program.tryField('struct task_struct', name);
    if (field === undefined) continue;
    // blocked_on: a struct mutex * since 6.17; before, with CONFIG_DEBUG_MUTEXES, a struct mutex_waiter *.
    const type = strip(field.type);
    const target = type.kind === 'pointer' ? strip(type.target) : undefined;
    if (target?.kind !== 'struct' || target.name !== 'mutex') continue;
    // PROXY_WAKING, -1, is no lock.
    const lock = field.pointer(task);
    if (isLock(lock)) return { kind: 'mutex', lock, mode: undefined };
  }
  return undefined;
}

function isLock(address: VirtAddr): boolean {
  return isKernel(address) && isAligned(address, 8);
}
