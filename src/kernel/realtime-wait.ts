/**
 * What rt_mutex a sleeping task waits for: PI futexes and rt_mutexes everywhere, and on PREEMPT_RT mutexes, rw_semaphores,
 * sleeping spinlocks and rwlocks, which have a `struct rt_mutex_base` inside. `task_struct.pi_blocked_on` names the waiter
 * and that the rt_mutex; the functions on the stack say what it is the inside of. Semaphores are as elsewhere.
 */
import { isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { LockKind, LockWaiter } from './lock-kinds.ts';
import { rtMutexIn } from './lock-queue.ts';
import type { LockWait } from './lock-wait.ts';
import { rtMutexWait } from './rt-mutex.ts';
import { rwsemRtMutex, rwsemState } from './rwsem.ts';
import type { Task } from './sched.ts';
import { frameAt, stackArea, stackWords, type NamedFrame } from './stack.ts';

interface Use {
  readonly kind: LockKind;
  readonly mode: LockWaiter['mode'];
  readonly functions: RegExp;
}

/** By functions that are on the stack while it waits (kernel/locking, PREEMPT_RT since 5.15); the first that fits. */
const USES: readonly Use[] = [
  { kind: 'spinlock', mode: undefined, functions: /^rt_spin_lock/ },
  { kind: 'rwbase_rt', mode: 'read', functions: /^rt_read_lock/ },
  { kind: 'rwbase_rt', mode: 'write', functions: /^rt_write_lock/ },
  { kind: 'rw_semaphore', mode: 'read', functions: /^_*(rwbase_read_lock|down_read)/ },
  { kind: 'rw_semaphore', mode: 'write', functions: /^_*(rwbase_write_lock|down_write)/ },
  { kind: 'mutex', mode: undefined, functions: /^_*(ww_)?mutex_lock|^__ww_rt_mutex_lock/ },
  {
    kind: 'rt_mutex',
    mode: undefined,
    functions: /^_*rt_mutex_(lock|wait_proxy_lock)|^futex_(lock_pi|wait_requeue_pi)/,
  },
];

/**
 * The lock that a task waits for by an rt_mutex.
 * @param task - a `struct task_struct` that sleeps
 * @param frames - its stack
 * @returns undefined when it waits for none, or nothing on its stack says what lock that is
 * @throws FaultError, LookupError for a layout that is not known
 */
export function realtimeWait(program: Program, task: Task, frames: readonly NamedFrame[]): LockWait | undefined {
  const fits = ({ functions }: Use): boolean => frames.some(({ func }) => func !== undefined && functions.test(func));
  const use = USES.find(fits) ?? [unnamedUse(program)].find(fits);
  if (use === undefined) return undefined;
  const wait = rtMutexWait(program, task.address);
  if (wait === undefined) return use.mode === 'write' ? nextWriterWait(program, task, frames, use) : undefined;
  const inside = rtMutexIn(program, use.kind, wait.base);
  if (inside === undefined) return undefined;
  return {
    kind: use.kind,
    // The rt_mutex lies as far behind the start of any lock of the kind.
    lock: virt(wait.base - (inside - wait.base)),
    waiter: { address: wait.waiter, task: task.address, mode: use.mode },
    func: frameAt(frames, wait.waiter)?.func,
    shownBy: 'stack',
  };
}

/** Who calls the slow path may have jumped there, and is not on the stack: on PREEMPT_RT that is mutex_lock as a rule. */
function unnamedUse(program: Program): Use {
  const realtime = program.tryField('struct mutex', 'rtmutex') !== undefined;
  return { kind: realtime ? 'mutex' : 'rt_mutex', mode: undefined, functions: /^_*rt_mutex_slowlock/ };
}

/** A writer that owns the rt_mutex already waits for the readers, and is in no queue: the lock names it. */
function nextWriterWait(
  program: Program,
  task: Task,
  frames: readonly NamedFrame[],
  { kind }: Use,
): LockWait | undefined {
  const sp = frames[0]?.sp;
  const area = stackArea(program, task.address);
  const stack = area === undefined || sp === undefined ? undefined : stackWords(program, area, sp);
  if (stack === undefined || kind !== 'rw_semaphore') return undefined;
  const locks = [...new Set(stack.words)]
    .map((word) => virt(word))
    .filter((word) => isKernel(word) && isAligned(word, 8) && isNextWriter(program, word, task.address));
  const [lock] = locks;
  const inside = lock === undefined ? undefined : rwsemRtMutex(program, lock);
  if (lock === undefined || inside === undefined || locks.length > 1) return undefined;
  const waiter: LockWaiter = { address: inside.base, task: task.address, mode: 'write' };
  const frame = frames.find(({ func }) => func !== undefined && /rwbase_write_lock|down_write/.test(func));
  return { kind, lock, waiter, func: frame?.func, shownBy: 'lock' };
}

function isNextWriter(program: Program, lock: VirtAddr, task: VirtAddr): boolean {
  return (
    attempt(() => rwsemRtMutex(program, lock) !== undefined && rwsemState(program, lock).nextWriter === task) === true
  );
}
