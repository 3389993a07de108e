/**
 * `struct rt_mutex_base` (include/linux/rtmutex.h) and who waits for it: rt_mutexes and PI futexes everywhere, and on
 * PREEMPT_RT the inside of mutexes, rw_semaphores and sleeping spinlocks. Until 5.14 the same words are `struct rt_mutex`.
 * The waiters stand in the order in which they get it: by priority, then by arrival.
 */
import { clearBits, contains, isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { isDataError, LookupError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';
import { rbEntries } from './rbtree.ts';
import { stackArea } from './stack.ts';

/** RT_MUTEX_HAS_WAITERS; until 2.6.38 bit 0 was RT_MUTEX_OWNER_PENDING and bit 1 this (commit 8161239a8bcc). */
const HAS_WAITERS = 1n;
const FLAGS = 3n;

export interface RtMutexState {
  /** `struct task_struct *`; undefined when nobody owns it. */
  readonly owner: VirtAddr | undefined;
  readonly hasWaiters: boolean;
  /** The owner word with its flags. */
  readonly raw: bigint;
}

export interface RtMutexWaiter {
  /** `struct rt_mutex_waiter *`. */
  readonly address: VirtAddr;
  /** `struct task_struct *`. */
  readonly task: VirtAddr;
}

/** The words of the lock: `struct rt_mutex_base` since 5.15 (commit 830e6acc8a1c), `struct rt_mutex` before. */
function baseType(program: Program): string {
  return program.types.tryFind('struct rt_mutex_base') === undefined ? 'struct rt_mutex' : 'struct rt_mutex_base';
}

/**
 * Owner of an rt_mutex.
 * @param base - `struct rt_mutex_base *`, or `struct rt_mutex *` until 5.14
 * @throws FaultError, LookupError
 */
export function rtMutexState(program: Program, base: VirtAddr): RtMutexState {
  const raw = program.field(baseType(program), 'owner').u64(base);
  const owner = clearBits(virt(raw), FLAGS);
  return { owner: isKernel(owner) ? owner : undefined, hasWaiters: (raw & HAS_WAITERS) !== 0n, raw };
}

interface WaiterLayout {
  readonly task: Field;
  readonly lock: Field;
  readonly entries: (base: VirtAddr) => Iterable<VirtAddr>;
}

function waiterLayout(program: Program): WaiterLayout {
  const type = 'struct rt_mutex_waiter';
  const fields = { task: program.field(type, 'task'), lock: program.field(type, 'lock') };
  // A red-black tree since 3.14 (commit fb00aca47440), with its leftmost node since 4.14 (a23ba907d5e6); before, a plist.
  const tree = program.tryField(baseType(program), 'waiters');
  if (tree !== undefined) {
    // `tree.entry` since 6.5 (commit f7853c342418, and in stable kernels back to 6.1), `tree_entry` before.
    const member = program.tryField(type, 'tree.entry') === undefined ? 'tree_entry' : 'tree.entry';
    const proven = member === 'tree.entry' ? ['6.1', '6.1-rt', '6.12', '7.2'] : [];
    program.layouts.chose('struct rt_mutex_waiter', `red-black tree by ${member} (since 3.14)`, proven);
    return { ...fields, entries: (base) => rbEntries(program, tree.address(base), type, member) };
  }
  // plist_head.node_list since 2.6.36 or so; the queue of equal priorities stands in it in order. On no real dump.
  const list = program.field(baseType(program), 'wait_list.node_list');
  program.layouts.chose('struct rt_mutex_waiter', 'plist (until 3.13)', []);
  return {
    ...fields,
    entries: (base) => listEntries(program, list.address(base), type, 'list_entry.node_list'),
  };
}

/**
 * All that wait for an rt_mutex, in the order in which they get it.
 * @param base - `struct rt_mutex_base *`, or `struct rt_mutex *` until 5.14
 * @returns the waiters up to the first that is damaged, and why it ends there
 * @throws LookupError for a layout that is not known
 */
export function rtMutexWaiters(
  program: Program,
  base: VirtAddr,
): { readonly waiters: readonly RtMutexWaiter[]; readonly problem: string | undefined } {
  const { task, entries } = waiterLayout(program);
  const waiters: RtMutexWaiter[] = [];
  try {
    for (const address of entries(base)) waiters.push({ address, task: task.pointer(address) });
    return { waiters, problem: undefined };
  } catch (error) {
    if (!isDataError(error) || error instanceof LookupError) throw error;
    return { waiters, problem: error.message };
  }
}

/**
 * What a task itself says that it waits for: `task_struct.pi_blocked_on`, exact, in all kernels with CONFIG_RT_MUTEXES.
 * @param task - `struct task_struct *`
 * @returns its waiter and the `struct rt_mutex_base *`; undefined when it waits for none, or the waiter is not its own
 * @throws FaultError
 */
export function rtMutexWait(
  program: Program,
  task: VirtAddr,
): { readonly waiter: VirtAddr; readonly base: VirtAddr } | undefined {
  const field = program.tryField('struct task_struct', 'pi_blocked_on');
  const waiter = field?.pointer(task);
  // PI_WAKEUP_INPROGRESS (1) is no waiter.
  if (waiter === undefined || !isKernel(waiter) || !isAligned(waiter, 8)) return undefined;
  const layout = waiterLayout(program);
  if (layout.task.pointer(waiter) !== task) return undefined;
  const area = stackArea(program, task);
  if (area === undefined || !contains(area.start, area.size, waiter)) return undefined;
  const base = layout.lock.pointer(waiter);
  return isKernel(base) && isAligned(base, 8) ? { waiter, base } : undefined;
}
