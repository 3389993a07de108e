/**
 * `struct mutex` (include/linux/mutex.h): who owns it. With CONFIG_DEBUG_MUTEXES and lockdep it has more members, and a
 * `struct ww_mutex` begins with one: neither matters here.
 */
import { clearBits, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { LookupError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { rtMutexState } from './rt-mutex.ts';

/** MUTEX_FLAG_WAITERS, MUTEX_FLAG_HANDOFF, MUTEX_FLAG_PICKUP (the last since 4.12, commit e274795ea7b7). */
const FLAGS = 7n;
const FLAG_WAITERS = 1n;

export interface MutexState {
  /** `struct task_struct *`; undefined when nobody owns it. */
  readonly owner: VirtAddr | undefined;
  readonly locked: boolean;
  /** The lock says that somebody waits; undefined where this layout does not say. */
  readonly hasWaiters: boolean | undefined;
  /** The raw owner or count word. */
  readonly raw: bigint;
}

/**
 * State of a mutex.
 * @param mutex - `struct mutex *`
 * @throws FaultError, LookupError for a layout that is not known
 */
export function mutexState(program: Program, mutex: VirtAddr): MutexState {
  const inside = mutexRtMutex(program, mutex);
  if (inside !== undefined) {
    const { owner, hasWaiters, raw } = rtMutexState(program, inside);
    return { owner, locked: owner !== undefined, hasWaiters, raw };
  }
  const count = program.tryField('struct mutex', 'count.counter');
  if (count === undefined) {
    // owner: atomic_long_t, task and flags in one word, since 4.10 (commit 3ca0ff571b09); proven on 5.10 to 7.2.
    const word = program.tryField('struct mutex', 'owner.counter');
    if (word === undefined) throw new LookupError('member', 'struct mutex.owner');
    program.layouts.chose('struct mutex', 'owner and flags in one word (since 4.10)', ['5.10', '6.1', '6.12', '7.2']);
    const raw = word.u64(mutex);
    const owner = clearBits(virt(raw), FLAGS);
    return {
      owner: isKernel(owner) ? owner : undefined,
      locked: owner !== 0n,
      hasWaiters: (raw & FLAG_WAITERS) !== 0n,
      raw,
    };
  }
  // count: 1 free, 0 locked, below 0 locked and waited for, and `owner` a plain task pointer, until 4.9. Never seen on
  // a real dump here.
  program.layouts.chose('struct mutex', 'count and owner (until 4.9)', []);
  const value = count.value(mutex);
  const owner = plainOwner(program, mutex);
  return {
    owner: owner !== undefined && isKernel(owner) ? owner : undefined,
    locked: value <= 0n,
    hasWaiters: value < 0n,
    raw: BigInt.asUintN(32, value),
  };
}

/**
 * The rt_mutex inside of a mutex of PREEMPT_RT.
 * @param mutex - `struct mutex *`
 * @returns `struct rt_mutex_base *` (`struct rt_mutex *` until 5.14); undefined for a mutex that is none inside
 * @throws nothing for what the dump holds
 */
export function mutexRtMutex(program: Program, mutex: VirtAddr): VirtAddr | undefined {
  // `rtmutex` since 5.15 (commit bb630f9f7a7d); in the RT patches before, `lock`, a struct rt_mutex.
  const since515 = program.tryField('struct mutex', 'rtmutex');
  if (since515 !== undefined) {
    program.layouts.chose('struct mutex', 'rt_mutex_base inside (PREEMPT_RT since 5.15)', ['6.1-rt']);
    return since515.address(mutex);
  }
  const before = program.tryField('struct mutex', 'lock');
  const type = before === undefined ? undefined : strip(before.type);
  if (before === undefined || type?.kind !== 'struct' || type.name !== 'rt_mutex') return undefined;
  program.layouts.chose('struct mutex', 'rt_mutex inside (RT patches until 5.14)', []);
  return before.address(mutex);
}

/** The owner until 4.9: a task, in 2.6.32 its thread_info; only with some configurations. */
function plainOwner(program: Program, mutex: VirtAddr): VirtAddr | undefined {
  const field = program.tryField('struct mutex', 'owner');
  const owner = field?.pointer(mutex);
  if (field === undefined || owner === undefined || !isKernel(owner)) return undefined;
  const type = strip(field.type);
  const target = type.kind === 'pointer' ? strip(type.target) : undefined;
  if (target?.kind !== 'struct' || target.name !== 'thread_info') return owner;
  return program.tryField('struct thread_info', 'task')?.pointer(owner);
}
