/**
 * `struct percpu_rw_semaphore` (include/linux/percpu-rwsem.h): readers count on each CPU and are named nowhere; a writer
 * blocks them. Of those who wait, readers and further writers stand on a wait queue, and the one writer that waits for
 * the readers to leave is in `writer`. cpu_hotplug_lock, cgroup_threadgroup_rwsem, and the gates that freezing a file
 * system closes are such locks. The form since 5.7 (commit 7f26482a872c); the ones before are not handled.
 */
import { add, isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt, LookupError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { MAX_LIST } from './list.ts';
import type { LockWaiter } from './lock-kinds.ts';
import type { RwsemState } from './rwsem.ts';
import type { Task } from './sched.ts';
import { frameAt, stackArea, stackWords, type NamedFrame } from './stack.ts';
import { waitQueueEntries, waitQueueLayout } from './wait-queue.ts';
import { newRingCache, type RingCache } from './waiter-ring.ts';

const TYPE = 'struct percpu_rw_semaphore';
const WAKE = 'percpu_rwsem_wake_function';
const WRITING = /^percpu_down_write/;
const WAITING = /^(percpu_down_write|percpu_rwsem_wait|__percpu_down_read)/;

function isKnown(program: Program): boolean {
  const known = ['read_count', 'writer.task', 'waiters', 'block.counter'].every(
    (member) => program.tryField(TYPE, member) !== undefined,
  );
  if (known) program.layouts.chose(TYPE, 'a wait queue and the writer (since 5.7)', ['6.1', '6.12', '7.2']);
  return known;
}

/**
 * State of a per-CPU rw_semaphore, in the terms of an ordinary one: `count` is `block`, and the owner of a lock that is
 * held is never known.
 * @param sem - `struct percpu_rw_semaphore *`
 * @throws FaultError, LookupError for a layout that is not known
 */
export function percpuRwsemState(program: Program, sem: VirtAddr): RwsemState {
  if (!isKnown(program)) throw new LookupError('member', `${TYPE}.writer`);
  const counts = program.field(TYPE, 'read_count').pointer(sem);
  // A reader may leave on another CPU than it came on: only the sum, in 32 bits, says something.
  let sum = 0;
  for (const cpu of cpus(program, 'possible'))
    sum = (sum + program.memory.readU32(program.perCpuAddress(counts, cpu))) >>> 0;
  const writer = program.field(TYPE, 'writer.task').pointer(sem);
  const block = program.field(TYPE, 'block.counter').u64(sem);
  if (sum > MAX_LIST) throw new ValidationError(TYPE, sem, `${sum} readers`);
  return {
    heldBy: sum > 0 ? 'readers' : block !== 0n ? 'writer' : 'nobody',
    readers: sum > 0 || block === 0n ? sum : undefined,
    hasWaiters: undefined,
    owner: undefined,
    ownerIs: undefined,
    count: block,
    rawOwner: undefined,
    nextWriter: isKernel(writer) ? writer : undefined,
  };
}

/**
 * All that wait: the writer that the readers keep waiting, then the queue.
 * @param sem - `struct percpu_rw_semaphore *`
 * @throws FaultError, LookupError, ValidationError when the list is broken; what came before the damage was returned
 */
export function* percpuRwsemWaiters(program: Program, sem: VirtAddr): Generator<LockWaiter> {
  const { nextWriter } = percpuRwsemState(program, sem);
  const writer = program.field(TYPE, 'writer').address(sem);
  if (nextWriter !== undefined) yield { address: writer, task: nextWriter, mode: 'write' };
  const { private: data } = waitQueueLayout(program);
  for (const { entry } of waitQueueEntries(program, program.field(TYPE, 'waiters').address(sem))) {
    yield { address: entry, task: data.pointer(entry), mode: undefined };
  }
}

/** What a task waits for. */
export interface PercpuRwsemWait {
  /** `struct percpu_rw_semaphore *`. */
  readonly lock: VirtAddr;
  readonly waiter: LockWaiter;
  readonly func: string | undefined;
  readonly shownBy: 'stack' | 'lock';
}

/**
 * The per-CPU rw_semaphore that a sleeping task waits for.
 * @param task - a `struct task_struct` that sleeps
 * @param frames - its stack
 * @param rings - give the same to all calls for one dump
 * @returns undefined when it waits for none
 * @throws FaultError
 */
export function percpuRwsemWait(
  program: Program,
  task: Task,
  frames: readonly NamedFrame[],
  rings: RingCache = newRingCache(),
): PercpuRwsemWait | undefined {
  const at = frames.find(({ func }) => func !== undefined && WAITING.test(func));
  const sp = frames[0]?.sp;
  if (at === undefined || sp === undefined || !isKnown(program)) return undefined;
  const area = stackArea(program, task.address);
  const stack = area === undefined ? undefined : stackWords(program, area, sp);
  if (stack === undefined) return undefined;
  const candidates = [...new Set(stack.words)]
    .map((word) => virt(word))
    .filter((word) => isKernel(word) && isAligned(word, 8));
  const writes = frames.some(({ func }) => func !== undefined && WRITING.test(func));
  const mode = writes ? 'write' : 'read';
  const entry = queued(program, task.address, stack.start, stack.words);
  const locks = candidates.filter((lock) => attempt(() => leadsTo(program, lock, task.address, entry, rings)) === true);
  const [lock] = locks;
  if (lock === undefined || locks.length > 1) return undefined;
  const address = entry ?? program.field(TYPE, 'writer').address(lock);
  const func = entry === undefined ? at.func : frameAt(frames, entry)?.func;
  return { lock, waiter: { address, task: task.address, mode }, func, shownBy: entry === undefined ? 'lock' : 'stack' };
}

/** The task's own `struct wait_queue_entry` with the wake function of these locks. */
function queued(program: Program, task: VirtAddr, start: VirtAddr, words: BigUint64Array): VirtAddr | undefined {
  const wake = program.symbols.kernel.lookup(WAKE)?.address;
  if (wake === undefined) return undefined;
  const { private: data, func } = waitQueueLayout(program);
  for (let i = 0; i < words.length; i++) {
    if (words[i] !== wake) continue;
    const entry = func.container(add(start, 8 * i));
    if (attempt(() => data.pointer(entry)) === task) return entry;
  }
  return undefined;
}

/** A lock that names the task as its writer, or in whose queue the task's entry stands. */
function leadsTo(
  program: Program,
  lock: VirtAddr,
  task: VirtAddr,
  entry: VirtAddr | undefined,
  { queues }: RingCache,
): boolean {
  // Cheap to tell first: most words of a stack lead to no such lock.
  const block = program.field(TYPE, 'block.counter').u64(lock);
  if (entry === undefined) {
    if (block !== 1n || program.field(TYPE, 'writer.task').pointer(lock) !== task) return false;
    return percpuRwsemState(program, lock).nextWriter === task;
  }
  if (block > 1n) return false;
  const queue =
    queues.get(lock) ?? new Map(attempt(() => [...percpuRwsemWaiters(program, lock)].map((w) => [w.task, w])));
  queues.set(lock, queue);
  return queue.get(task)?.address === entry;
}
