/**
 * `struct rw_semaphore` (include/linux/rwsem.h): held for writing or by how many readers, and by whom. A writer's owner
 * field is exact; a reader's is a hint: it names the reader that took the lock last, which may have released it since.
 */
import { clearBits, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { LookupError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { rtMutexState } from './rt-mutex.ts';

/** RWSEM_WRITER_LOCKED, RWSEM_FLAG_WAITERS, RWSEM_READER_SHIFT since 5.3 (commit 64489e78004c). */
const WRITER_LOCKED = 1n;
const FLAG_WAITERS = 2n;
const READER_SHIFT = 8n;
const READER_MASK = (1n << 55n) - 1n;
/** RWSEM_READER_OWNED and the NONSPINNABLE bits beside it. */
const OWNER_FLAGS = 7n;
const READER_OWNED = 1n;
/** RWSEM_ACTIVE_MASK until 5.2. */
const ACTIVE_MASK = 0xffffffffn;
/** READER_BIAS and WRITER_BIAS of `struct rwbase_rt` (include/linux/rwbase_rt.h). */
const READER_BIAS = 0x80000000;
const WRITER_BIAS = 0x40000000;

export interface RwsemState {
  readonly heldBy: 'writer' | 'readers' | 'nobody' | 'unknown';
  /** Readers that hold it, when `heldBy` is 'readers'. */
  readonly readers: number | undefined;
  readonly hasWaiters: boolean | undefined;
  /** `struct task_struct *`: the writer, or a hint at a reader. */
  readonly owner: VirtAddr | undefined;
  /** `exact` for a writer; `hint` for the reader that took it last. */
  readonly ownerIs: 'exact' | 'hint' | undefined;
  /** The count; on PREEMPT_RT the word `readers`. */
  readonly count: bigint;
  readonly rawOwner: bigint | undefined;
  /**
   * PREEMPT_RT: `struct task_struct *` of the writer that owns the rt_mutex inside and waits until the readers have left.
   * It stands before all others, and in no queue.
   */
  readonly nextWriter: VirtAddr | undefined;
}

/**
 * State of a read-write semaphore.
 * @param rwsem - `struct rw_semaphore *`
 * @throws FaultError, LookupError for a layout that is not known
 */
export function rwsemState(program: Program, rwsem: VirtAddr): RwsemState {
  const realtime = rwsemRtMutex(program, rwsem);
  if (realtime !== undefined) return rwbaseState(program, realtime.readers, realtime.base);
  const countField =
    program.tryField('struct rw_semaphore', 'count.counter') ?? program.tryField('struct rw_semaphore', 'count');
  if (countField === undefined) throw new LookupError('member', 'struct rw_semaphore.count');
  const count = countField.u64(rwsem);
  // owner: atomic_long_t since 5.3 (commit 94a9717b3c40), and with it the count of today; proven on 5.10 to 7.2.
  const owner = program.tryField('struct rw_semaphore', 'owner.counter');
  if (owner === undefined) {
    program.layouts.chose('struct rw_semaphore', 'biased count (until 5.2)', []);
    return biased(program, rwsem, count);
  }
  program.layouts.chose('struct rw_semaphore', 'flags and readers in the count (since 5.3)', [
    '5.10',
    '6.1',
    '6.12',
    '7.2',
  ]);
  return today(count, owner.u64(rwsem));
}

function today(count: bigint, raw: bigint): RwsemState {
  const readers = Number((count >> READER_SHIFT) & READER_MASK);
  const writer = (count & WRITER_LOCKED) !== 0n;
  const task = clearBits(virt(raw), OWNER_FLAGS);
  const owner = isKernel(task) ? task : undefined;
  const byReader = (raw & READER_OWNED) !== 0n;
  return {
    heldBy: writer ? 'writer' : readers > 0 ? 'readers' : 'nobody',
    readers: writer ? undefined : readers,
    hasWaiters: (count & FLAG_WAITERS) !== 0n,
    owner,
    ownerIs: owner === undefined ? undefined : byReader ? 'hint' : writer ? 'exact' : 'hint',
    count,
    rawOwner: raw,
    nextWriter: undefined,
  };
}

/**
 * Until 5.2: the low half counts active lockers, the high half falls by one while a writer holds it and by one more
 * while somebody waits. A writer without waiters and one reader with waiters have the same count: only the owner field
 * tells them apart (3.16 to 5.2, CONFIG_RWSEM_SPIN_ON_OWNER). Never seen on a real dump here.
 */
function biased(program: Program, rwsem: VirtAddr, count: bigint): RwsemState {
  const active = Number(count & ACTIVE_MASK);
  const bias = -(BigInt.asIntN(64, count) >> 32n);
  const raw = program.tryField('struct rw_semaphore', 'owner')?.u64(rwsem);
  // Low bits since 4.8 (commit 19c5d690e416): a reader has it, or nobody who is known.
  const task = raw === undefined ? undefined : clearBits(virt(raw), 3n);
  const owner = task !== undefined && isKernel(task) ? task : undefined;
  const byReader = raw !== undefined && (raw & 3n) !== 0n;
  const writer = owner !== undefined && !byReader;
  let heldBy: RwsemState['heldBy'] = 'unknown';
  if (active === 0) heldBy = 'nobody';
  else if (writer) heldBy = 'writer';
  else if (byReader || bias <= 0n || active > 1) heldBy = 'readers';
  return {
    heldBy,
    readers: writer ? undefined : active,
    hasWaiters: heldBy === 'unknown' ? undefined : bias > (heldBy === 'writer' ? 1n : 0n),
    owner,
    ownerIs: owner === undefined ? undefined : byReader ? 'hint' : 'exact',
    count,
    rawOwner: raw,
    nextWriter: undefined,
  };
}

/** Where a lock of PREEMPT_RT has its words. */
export interface RwsemInside {
  /** Address of `atomic_t readers`. */
  readonly readers: VirtAddr;
  /** `struct rt_mutex_base *` (`struct rt_mutex *` until 5.14). */
  readonly base: VirtAddr;
}

/**
 * The words of a rw_semaphore of PREEMPT_RT.
 * @param rwsem - `struct rw_semaphore *`
 * @returns undefined for one that has no rt_mutex inside
 * @throws nothing for what the dump holds
 */
export function rwsemRtMutex(program: Program, rwsem: VirtAddr): RwsemInside | undefined {
  const type = 'struct rw_semaphore';
  // struct rwbase_rt since 5.15 (commit 42254105dfe8); in the RT patches before, readers and rtmutex stand in it themselves.
  const rwbase = program.tryField(type, 'rwbase.rtmutex');
  if (rwbase !== undefined) {
    program.layouts.chose(type, 'rwbase_rt inside (PREEMPT_RT since 5.15)', ['6.1-rt']);
    return { readers: program.field(type, 'rwbase.readers').address(rwsem), base: rwbase.address(rwsem) };
  }
  const rtmutex = program.tryField(type, 'rtmutex');
  const readers = program.tryField(type, 'readers');
  if (rtmutex === undefined || readers === undefined) return undefined;
  program.layouts.chose(type, 'readers and rt_mutex inside (RT patches until 5.14)', []);
  return { readers: readers.address(rwsem), base: rtmutex.address(rwsem) };
}

/**
 * PREEMPT_RT, kernel/locking/rwbase_rt.c: `readers` is READER_BIAS plus the readers while no writer wants it, the readers
 * alone while a writer that owns the rt_mutex waits for them to leave, WRITER_BIAS while that writer has it. A reader is
 * named nowhere.
 */
function rwbaseState(program: Program, readersAt: VirtAddr, base: VirtAddr): RwsemState {
  const word = program.memory.readU32(readersAt);
  const inside = rtMutexState(program, base);
  const open = word >= READER_BIAS;
  const readers = open ? word - READER_BIAS : word;
  const writer = word === WRITER_BIAS;
  const damaged = !writer && readers >= WRITER_BIAS;
  const nextWriter = !open && !writer && !damaged ? inside.owner : undefined;
  const owner = writer ? inside.owner : undefined;
  return {
    heldBy: damaged ? 'unknown' : writer ? 'writer' : readers > 0 ? 'readers' : 'nobody',
    readers: writer || damaged ? undefined : readers,
    hasWaiters: inside.hasWaiters || nextWriter !== undefined,
    owner,
    ownerIs: owner === undefined ? undefined : 'exact',
    count: BigInt(word),
    rawOwner: inside.raw,
    nextWriter,
  };
}
