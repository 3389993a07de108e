/**
 * Waits for a journal of jbd2, as ext4 and ocfs2 have one (include/linux/jbd2.h): by the wait queue inside of `struct
 * journal_s`, or by the block that a commit has on its way to the disk. A journal names its thread, which commits; who has
 * a handle of a transaction names that in `task_struct.journal_info`, and keeps the commit from beginning.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { mutexState } from './mutex.ts';
import { slabObjectAt } from './slab.ts';
import type { Machine } from './wait-completions.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import type { QueuedEntry, SleeperStack } from './wait-shapes.ts';

const JOURNAL = 'struct journal_s';
const FUNCTIONS = /jbd2|start_this_handle|wait_transaction_|add_transaction_credits|do_get_write_access/;
/** Flag of a wait for BH_Shadow is the bit itself; the block of a committing transaction has it until it is written. */
const SHADOW = 'BH_Shadow';

/**
 * A wait for a `struct journal_s`.
 * @param entry - of the task, in a queue
 * @returns undefined when it is for none
 * @throws FaultError, LookupError
 */
export function journalWait(stack: SleeperStack, entry: QueuedEntry, machine: Machine): FoundWait | undefined {
  const { program, frames } = stack;
  if (!frames.some(({ func }) => func !== undefined && FUNCTIONS.test(func))) return undefined;
  // jbd2 may be a module, which has these types then.
  if (attempt(() => program.tryField(JOURNAL, 'j_task')) === undefined) program.addModuleTypes();
  return attempt(() => shadowWait(program, entry, machine)) ?? queueWait(stack, entry, machine);
}

type Awaits = (program: Program, journal: VirtAddr, machine: Machine) => readonly Awaited[];

/** Wait queues of a journal: all since 2.6.19 but `j_wait_reserved`, of 3.11. */
const QUEUES: readonly { readonly member: string; readonly what: string; readonly awaits: Awaits }[] = [
  { member: 'j_wait_done_commit', what: 'for the commit of a transaction of the journal', awaits: committer },
  { member: 'j_wait_transaction_locked', what: 'for a new transaction of the journal', awaits: opener },
  { member: 'j_wait_updates', what: 'for those who change the transaction of the journal', awaits: holders },
  { member: 'j_wait_reserved', what: 'for room in the transaction of the journal', awaits: holders },
];

function queueWait(stack: SleeperStack, { queue }: QueuedEntry, machine: Machine): FoundWait | undefined {
  const { program, task } = stack;
  if (queue === undefined) return undefined;
  for (const { member, what, awaits } of QUEUES) {
    const journal = program.tryField(JOURNAL, member)?.container(queue);
    if (journal === undefined || threadOf(program, journal, machine) === undefined) continue;
    return {
      kind: 'journal',
      what,
      name: attempt(() => nameOf(program, journal)),
      object: { address: queue, ctype: 'struct wait_queue_head' },
      proof: 'structure',
      awaited: (attempt(() => awaits(program, journal, machine)) ?? []).filter((awaited) => awaited.task !== task),
    };
  }
  return undefined;
}

/** Its thread kjournald2(), a `struct task_struct *`; undefined where this is no journal, or one without a thread. */
function threadOf(program: Program, journal: VirtAddr, { byAddress }: Machine): VirtAddr | undefined {
  const thread = attempt(() => program.field(JOURNAL, 'j_task').pointer(journal));
  const task = thread === undefined ? undefined : byAddress.get(thread);
  return task?.kthread === true && task.comm.startsWith('jbd2/') ? thread : undefined;
}

/** `j_devname`: 'dm-0-8', the disk and the inode of the journal. */
function nameOf(program: Program, journal: VirtAddr): string {
  return program.field(JOURNAL, 'j_devname').text(journal);
}

function committer(program: Program, journal: VirtAddr, machine: Machine): readonly Awaited[] {
  const task = threadOf(program, journal, machine);
  return task === undefined ? [] : [{ task, certainty: 'exact', why: 'j_task of the journal, which commits' }];
}

/** Either the thread has to lock the transaction, or somebody keeps all from changing the journal: to freeze it, say. */
function opener(program: Program, journal: VirtAddr, machine: Machine): readonly Awaited[] {
  if (program.field(JOURNAL, 'j_barrier_count').number(journal) === 0) return committer(program, journal, machine);
  const { owner } = mutexState(program, program.field(JOURNAL, 'j_barrier').address(journal));
  return owner === undefined ? [] : [{ task: owner, certainty: 'exact', why: 'owner of j_barrier of the journal' }];
}

/** Who has a handle of the running transaction. */
function holders(program: Program, journal: VirtAddr, { tasks }: Machine): readonly Awaited[] {
  const transaction = program.field(JOURNAL, 'j_running_transaction').pointer(journal);
  if (!isKernel(transaction)) return [];
  const info = program.field('struct task_struct', 'journal_info');
  const of = program.field('struct jbd2_journal_handle', 'h_transaction');
  const why = 'its journal_info is a handle of the transaction';
  return tasks.flatMap(({ address }): readonly Awaited[] => {
    const handle = attempt(() => info.pointer(address));
    if (handle === undefined || !isKernel(handle) || attempt(() => of.pointer(handle)) !== transaction) return [];
    return [{ task: address, certainty: 'exact', why }];
  });
}

/** A block of a transaction that is being committed: nobody may change it before it is written. */
function shadowWait(program: Program, { entry, func }: QueuedEntry, machine: Machine): FoundWait | undefined {
  if (func !== 'wake_bit_function') return undefined;
  const shadow = program.enumerator(SHADOW);
  const key = program.field('struct wait_bit_queue_entry', 'wq_entry').container(entry);
  if (shadow === undefined || program.field('struct wait_bit_queue_entry', 'key.bit_nr').value(key) !== shadow)
    return undefined;
  const buffer = program.field('struct wait_bit_queue_entry', 'key.flags').pointer(key);
  if (slabObjectAt(program, buffer)?.cacheName !== 'buffer_head') return undefined;
  const head = program.field('struct buffer_head', 'b_private').pointer(buffer);
  if (program.field('struct journal_head', 'b_bh').pointer(head) !== buffer) return undefined;
  const transaction = program.field('struct journal_head', 'b_transaction').pointer(head);
  const journal = program.field('struct transaction_s', 't_journal').pointer(transaction);
  const thread = threadOf(program, journal, machine);
  if (thread === undefined) return undefined;
  const block = program.field('struct buffer_head', 'b_blocknr').u64(buffer);
  return {
    kind: 'journal',
    what: `for block ${block}, which is being committed, of the journal`,
    name: attempt(() => nameOf(program, journal)),
    object: { address: buffer, ctype: 'struct buffer_head' },
    proof: 'structure',
    awaited: [{ task: thread, certainty: 'exact', why: 'it commits the transaction that the block is part of' }],
  };
}
