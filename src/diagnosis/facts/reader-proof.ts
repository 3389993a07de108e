/**
 * Who holds a rw_semaphore for reading, by the stacks: the lock, or the object around it, lies saved in a frame of a
 * function that works under the lock. A lock names at most the reader that took it last, and on PREEMPT_RT none.
 */
import { add, type VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Task } from '../../kernel/sched.ts';
import { frameAt, stackArea, stackWords, type NamedFrame } from '../../kernel/stack.ts';
import type { FactContext } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { lockNamesFact } from './lock-names.ts';
import type { ContendedLock } from './locks.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';

/** Where a reader's stack shows that it works under the lock. */
export interface ReaderProof {
  /** Address on the stack. */
  readonly at: VirtAddr;
  /** What lies there: the lock itself or the object that holds it. */
  readonly points: 'lock' | 'container';
  /** Function in whose frame it was saved. */
  readonly func: string | undefined;
  /** Function further out that takes this kind of lock and keeps it while it calls; undefined when none is known. */
  readonly taker: string | undefined;
}

/** A page fault under the mmap_lock; since 6.4 (commit 5e31275cc997) one may do with the lock of the VMA alone. */
const FAULTS = ['do_user_addr_fault', '__do_page_fault', 'do_page_fault'];

/**
 * Functions that take a lock of an object and hold it while they call others, by the lock's member.
 * `iterate_dir` (fs/readdir.c) takes the directory's i_rwsem, shared since 4.7 (commit 6192269444eb), around
 * iterate/iterate_shared; `lookup_slow` and `walk_component` the parent's around ->lookup; `path_openat` around ->create.
 * The mmap_lock is taken for reading by page faults, by get_user_pages and access_remote_vm, by mlock and madvise, and
 * around each line of /proc/PID/maps (m_start to m_stop in fs/proc/task_mmu.c). `s_umount` by whatever walks the super
 * blocks (fs/super.c, fs/sync.c), by the shrinker of a file system's caches and by writeback.
 */
const TAKERS: { readonly [member: string]: readonly string[] } = {
  i_rwsem: ['iterate_dir', 'lookup_slow', 'open_last_lookups', 'path_openat', 'do_last', 'vfs_rename', 'do_unlinkat'],
  i_mutex: ['iterate_dir', 'vfs_readdir', 'lookup_slow', 'do_last', 'do_unlinkat'],
  mmap_lock: [
    '__access_remote_vm',
    'get_user_pages_unlocked',
    '__mm_populate',
    'process_vm_rw_single_vec',
    'do_madvise',
    'show_map',
    'show_smap',
    'show_smaps_rollup',
    'show_numa_map',
    'pagemap_read',
  ],
  s_umount: [
    'iterate_supers',
    '__iterate_supers',
    'ksys_syncfs',
    '__do_sys_syncfs',
    'super_cache_scan',
    '__writeback_inodes_wb',
    'wb_writeback',
    'writeback_inodes_sb',
    'quotactl_block',
  ],
};

function takersOf(program: Program, member: string | undefined): readonly string[] {
  if (member === 'mmap_sem' || member === 'mmap_lock') {
    // The lock of a VMA: `vm_lock_seq` since 6.4, beside vm_lock and, since 6.15, vm_refcnt.
    const alone = program.tryField('struct vm_area_struct', 'vm_lock_seq') === undefined;
    return [...(TAKERS['mmap_lock'] ?? []), ...(alone ? FAULTS : [])];
  }
  // Of a mapping, taken before the fault is handled and kept until it is.
  if (member === 'vm_lock') return FAULTS;
  return member === undefined ? [] : (TAKERS[member] ?? []);
}

/** What the search needs to know of a lock, once for all tasks. */
interface Wanted {
  readonly lock: ContendedLock;
  /** The object that holds the lock, where it is known what that is. */
  readonly around: VirtAddr | undefined;
  readonly takers: readonly string[];
  readonly waiters: ReadonlySet<Task>;
}

function wantedOf(context: FactContext, lock: ContendedLock): Wanted {
  const name = context.use(lockNamesFact).of(lock.address, lock.kind);
  const waiters = new Set(lock.waiters.map(({ task }) => task));
  // What it is the lock of may not be in the dump: then its own address counts, under whatever takes such locks.
  const members = name.what === 'slab' || name.what === 'unknown' ? Object.keys(TAKERS) : [name.member];
  const takers = members.flatMap((member) => takersOf(context.program, member));
  const around = name.member === undefined ? undefined : name.container?.address;
  return { lock, around, takers, waiters };
}

/** What shows that a task works under a lock of which it is said to be a reader. */
export function readerProof(context: FactContext, lock: ContendedLock, task: Task): ReaderProof | undefined {
  return proofIn(context, wantedOf(context, lock), task);
}

/**
 * The reader of a lock that names none, or the wrong one.
 * @returns undefined where no stack, or those of more tasks than there are readers, show it
 */
export function readerByStack(
  context: FactContext,
  lock: ContendedLock,
): { readonly task: Task; readonly proof: ReaderProof } | undefined {
  const unread = lock.kind === 'rw_semaphore' && lock.unread !== undefined;
  const readers = lock.rwsem?.heldBy === 'readers' ? (lock.rwsem.readers ?? 0) : unread ? 1 : 0;
  const wanted = wantedOf(context, lock);
  if (readers === 0 || wanted.takers.length === 0) return undefined;
  const found: { task: Task; proof: ReaderProof }[] = [];
  for (const task of context.use(tasksFact).tasks) {
    context.budget.check();
    const proof = proofIn(context, wanted, task);
    if (proof?.taker !== undefined) found.push({ task, proof });
  }
  return found.length <= readers ? found[0] : undefined;
}

/**
 * A reader that waits for the lock has it on its stack as well, so a waiter proves nothing; neither does a word in a
 * frame further out than the function that takes the lock.
 */
function proofIn(context: FactContext, { lock, around, takers, waiters }: Wanted, task: Task): ReaderProof | undefined {
  if (task.running || waiters.has(task)) return undefined;
  const { program } = context;
  const { frames } = context.use(stacksFact).of(task);
  const takerIndex = frames.findIndex((frame) => frame.func !== undefined && takers.includes(frame.func));
  const taker = frames[takerIndex];
  // Without one, only a task that the lock names is worth a look.
  if (taker === undefined && lock.owner !== task) return undefined;
  const found = wordsUnder(program, task, frames, [lock.address, around])
    .filter(({ frame }) => taker === undefined || frames.indexOf(frame) <= takerIndex)
    .map(
      ({ at, word, frame }): ReaderProof => ({
        at,
        points: word === lock.address ? 'lock' : 'container',
        func: frame.func,
        taker: taker?.func,
      }),
    );
  return found.find((proof) => proof.points === 'lock') ?? found[0];
}

/** Where on a task's stack one of these addresses was saved. */
function wordsUnder(
  program: Program,
  task: Task,
  frames: readonly NamedFrame[],
  wanted: readonly (VirtAddr | undefined)[],
): { readonly at: VirtAddr; readonly word: bigint; readonly frame: NamedFrame }[] {
  const area = attempt(() => stackArea(program, task.address));
  const sp = frames[0]?.sp;
  if (area === undefined || sp === undefined) return [];
  const stack = attempt(() => stackWords(program, area, sp));
  const found: { at: VirtAddr; word: bigint; frame: NamedFrame }[] = [];
  stack?.words.forEach((word, i) => {
    if (!wanted.some((address) => address === word)) return;
    const at = add(stack.start, 8 * i);
    const frame = frameAt(frames, at);
    if (frame !== undefined) found.push({ at, word, frame });
  });
  return found;
}
