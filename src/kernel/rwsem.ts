/**
 * `struct rw_semaphore` (include/linux/rwsem.h): held for writing or by how many readers, and by whom. A writer's owner
 * field is exact; a reader's is a hint: it names the reader that took the lock last, which may have released it since.
 */
import { clearBits, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { LookupError } from '../base/errors.ts';
import { PROVEN } from '../program/layouts.ts';
import type { Program } from '../program/program.ts';

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

export interface RwsemState {
  readonly heldBy: 'writer' | 'readers' | 'nobody' | 'unknown';
  /** Readers that hold it, when `heldBy` is 'readers'. */
  readonly readers: number | undefined;
  readonly hasWaiters: boolean | undefined;
  /** `struct task_struct *`: the writer, or a hint at a reader. */
  readonly owner: VirtAddr | undefined;
  /** `exact` for a writer; `hint` for the reader that took it last. */
  readonly ownerIs: 'exact' | 'hint' | undefined;
  readonly count: bigint;
  readonly rawOwner: bigint | undefined;
}

/**
 * State of a read-write semaphore.
 * @param rwsem - `struct rw_semaphore *`
 * @throws FaultError, LookupError for a layout that is not known
 */
export function rwsemState(program: Program, rwsem: VirtAddr): RwsemState {
  const countField =
    program.tryField('struct rw_semaphore', 'count.counter') ?? program.tryField('struct rw_semaphore', 'count');
  if (countField === undefined) throw new LookupError('member', 'struct rw_semaphore.count');
  const count = countField.u64(rwsem);
  // owner: atomic_long_t since 5.3 (commit 94a9717b3c40), and with it the count of today; proven on 5.10, 6.1, 6.12.
  const owner = program.tryField('struct rw_semaphore', 'owner.counter');
  if (owner === undefined) {
    program.layouts.chose('struct rw_semaphore', 'biased count (until 5.2)', []);
    return biased(program, rwsem, count);
  }
  program.layouts.chose('struct rw_semaphore', 'flags and readers in the count (since 5.3)', PROVEN);
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
  };
}
