/**
 * The kinds of sleeping locks and their waiter objects: `struct mutex_waiter`, `rwsem_waiter`, `semaphore_waiter`, each a
 * list_head and the task. On PREEMPT_RT the waiter of all but semaphores is `struct rt_mutex_waiter` (rt-mutex.ts).
 */
import type { VirtAddr } from '../base/address.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';

/**
 * The C struct that the lock is. `rt_mutex`: also inside of a PI futex. Only on PREEMPT_RT: `spinlock`, one that sleeps,
 * and `rwbase_rt`, the inside of an rwlock_t.
 */
export type LockKind =
  | 'mutex'
  | 'rw_semaphore'
  | 'semaphore'
  | 'percpu_rw_semaphore'
  | 'rt_mutex'
  | 'spinlock'
  | 'rwbase_rt';

export interface LockWaiter {
  /** Address of the waiter object; of the lock's own word for the one that is named there and in no queue. */
  readonly address: VirtAddr;
  /** `struct task_struct *`. */
  readonly task: VirtAddr;
  /** For a lock with readers: what it waits for, where the waiter object says so. */
  readonly mode: 'read' | 'write' | undefined;
}

/** A kind of lock whose waiters form a ring of list_heads. */
export interface ListedKind {
  readonly kind: 'mutex' | 'rw_semaphore' | 'semaphore';
  readonly waiterType: string;
  readonly lockType: string;
  /** Functions that may have such a waiter on their stack. */
  readonly functions: RegExp;
}

export const LISTED_KINDS: readonly ListedKind[] = [
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

/** A task word lies here in every kind of waiter, in all kernels looked at. */
export const TASK_OFFSET = 16;

/** Where a lock of this kind has its queue. */
export type QueueLayout =
  /** `wait_list`: the head is a node of the ring. */
  | { readonly form: 'head'; readonly field: Field }
  /** `first_waiter`: a pointer to the first; the ring holds waiters alone. */
  | { readonly form: 'first'; readonly field: Field };

/**
 * Where this kernel's locks of a kind, such as `struct mutex`, keep their queue.
 * @returns undefined when they have none that is known: on PREEMPT_RT
 * @throws nothing for what the dump holds
 */
export function queueLayout(program: Program, { lockType, waiterType }: ListedKind): QueueLayout | undefined {
  if (program.tryField(waiterType, 'task')?.offset !== TASK_OFFSET) return undefined;
  const list = program.tryField(lockType, 'wait_list');
  if (list !== undefined) return { form: 'head', field: list };
  // Since 7.1 (absent in 6.19), for all three kinds at once.
  const first = program.tryField(lockType, 'first_waiter');
  if (first === undefined) return undefined;
  program.layouts.chose(lockType, 'first_waiter and a ring without a head (since 7.1)', ['7.2']);
  return { form: 'first', field: first };
}

/** A `struct mutex_waiter`, `rwsem_waiter` or `semaphore_waiter` as it lies in memory. @throws FaultError, LookupError */
export function readWaiter(program: Program, { kind, waiterType }: ListedKind, address: VirtAddr): LockWaiter {
  const task = program.field(waiterType, 'task').pointer(address);
  return { address, task, mode: kind === 'rw_semaphore' ? waitMode(program, address) : undefined };
}

/** enum rwsem_waiter_type: RWSEM_WAITING_FOR_WRITE, RWSEM_WAITING_FOR_READ (since 3.x; `flags` in 2.6.32). */
function waitMode(program: Program, waiter: VirtAddr): LockWaiter['mode'] {
  const type = program.tryField('struct rwsem_waiter', 'type');
  if (type === undefined) return undefined;
  const value = type.value(waiter);
  if (value === program.enumerator('RWSEM_WAITING_FOR_WRITE')) return 'write';
  return value === program.enumerator('RWSEM_WAITING_FOR_READ') ? 'read' : undefined;
}
