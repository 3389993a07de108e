import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { Slabs } from '../../test/builders/slab.ts';
import { Sleeper } from '../../test/builders/sleepers.ts';
import { add } from '../base/address.ts';

const STACK = ['__schedule', 'schedule', 'jbd2_log_wait_commit', 'jbd2_complete_transaction', 'ext4_sync_file'];
const SHADOW = 22;

/** The journal of dm-0, and its thread. */
function machine(comm = 'jbd2/dm-0-8'): Sleeper {
  const sleeper = new Sleeper();
  const { image, tasks } = sleeper;
  const queue = 'struct wait_queue_head';
  image.struct('mutex', { owner: 'atomic_long_t', wait_list: 'struct list_head' });
  image.struct('journal_s', {
    j_barrier_count: 'int',
    j_barrier: 'struct mutex',
    j_running_transaction: 'void *',
    j_wait_transaction_locked: queue,
    j_wait_done_commit: queue,
    j_wait_updates: queue,
    j_task: 'void *',
    j_devname: 'char[32]',
  });
  image.struct('transaction_s', { t_journal: 'void *' });
  image.struct('jbd2_journal_handle', { h_transaction: 'void *' });
  image.function('autoremove_wake_function');
  tasks.add(comm, { pid: 60, flags: 0x200000 });
  image.place('journal', 'struct journal_s', {
    j_task: ref(comm),
    j_devname: 'dm-0-8',
    j_running_transaction: ref('now'),
  });
  image.place('now', 'struct transaction_s', { t_journal: ref('journal') });
  return sleeper;
}

function standsIn(sleeper: Sleeper, member: string): Sleeper {
  const { image } = sleeper;
  sleeper.on('entry', 'struct wait_queue_entry', { private: ref('sleeper'), func: ref('autoremove_wake_function') });
  image.list(`journal.${member}.head`, ['entry.entry']);
  return sleeper;
}

/** A task with a handle of a transaction. */
function changes(sleeper: Sleeper, comm: string, pid: number, transaction: string): void {
  sleeper.image.place(`handle ${comm}`, 'struct jbd2_journal_handle', { h_transaction: ref(transaction) });
  sleeper.tasks.add(comm, { pid, journal_info: ref(`handle ${comm}`) });
}

describe('a wait for a journal', () => {
  it('for its commit leads to its thread', () => {
    const sleeper = standsIn(machine(), 'j_wait_done_commit');
    const wait = sleeper.wait(STACK);
    expect(wait).toMatchObject({ kind: 'journal', name: 'dm-0-8', proof: 'structure' });
    expect(wait.what).toBe('for the commit of a transaction of the journal');
    expect(wait.awaited).toMatchObject([{ task: sleeper.image.address('jbd2/dm-0-8'), certainty: 'exact' }]);
  });

  it('for those who change the transaction leads to all that have a handle of it, and to no others', () => {
    const sleeper = standsIn(machine(), 'j_wait_updates');
    sleeper.image.place('earlier', 'struct transaction_s', { t_journal: ref('journal') });
    changes(sleeper, 'postfix', 201, 'now');
    changes(sleeper, 'nginx', 202, 'earlier');
    changes(sleeper, 'tar', 203, 'now');
    const { awaited } = sleeper.wait(['__schedule', 'schedule', 'jbd2_journal_commit_transaction', 'kjournald2']);
    expect(awaited.map(({ task }) => task)).toEqual(['postfix', 'tar'].map((label) => sleeper.image.address(label)));
  });

  it('for a new transaction leads to its thread, or to who keeps all from changing the journal', () => {
    const stack = ['__schedule', 'schedule', 'wait_transaction_locked', 'start_this_handle'];
    const locked = standsIn(machine(), 'j_wait_transaction_locked');
    expect(locked.wait(stack).awaited).toMatchObject([{ task: locked.image.address('jbd2/dm-0-8') }]);
    const barred = standsIn(machine(), 'j_wait_transaction_locked');
    barred.tasks.add('fsfreeze', { pid: 300 });
    barred.image.write('journal.j_barrier_count', 1);
    barred.image.write('journal.j_barrier.owner', ref('fsfreeze'));
    expect(barred.wait(stack).awaited).toMatchObject([{ task: barred.image.address('fsfreeze') }]);
  });

  it('is none where the queue lies in something else: its thread is no kernel thread of jbd2', () => {
    const other = standsIn(machine('kworker/0:1'), 'j_wait_done_commit');
    expect(other.wait(STACK)).toMatchObject({ kind: 'journal', proof: 'function', awaited: [] });
    const damaged = standsIn(machine(), 'j_wait_done_commit');
    damaged.image.write('journal.j_task', 0xffff888012345680n);
    expect(damaged.wait(STACK)).toMatchObject({ proof: 'function', awaited: [] });
  });

  it('is none without a function of jbd2 on the stack', () => {
    const sleeper = standsIn(machine(), 'j_wait_done_commit');
    expect(sleeper.wait(['__schedule', 'schedule', 'a_driver_wait']).kind).not.toBe('journal');
  });
});

describe('a wait for a block', () => {
  const stack = [
    '__schedule',
    'schedule',
    'bit_wait_io',
    '__wait_on_bit',
    'do_get_write_access',
    'jbd2_journal_get_write_access',
  ];

  /** A block of a transaction that the journal commits. */
  function block(bit: number): Sleeper {
    const sleeper = machine();
    const { image } = sleeper;
    const slabs = new Slabs(image, '6.1');
    image.struct('buffer_head', { b_state: 'unsigned long', b_blocknr: 'u64', b_private: 'void *' });
    image.struct('journal_head', { b_bh: 'void *', b_transaction: 'void *' });
    image.enum('jbd_state_bits', { BH_JBD: 17, BH_Shadow: SHADOW });
    image.function('wake_bit_function');
    slabs.cache('buffer_head', { name: 'buffer_head', size: 128, objects: 32 });
    const at = add(slabs.slab('buffer_head', 1), 128);
    image.place('block', 'struct buffer_head', { b_blocknr: 77, b_private: ref('head') }, { at });
    image.place('head', 'struct journal_head', { b_bh: ref('block'), b_transaction: ref('now') });
    const wait = { 'wq_entry.private': ref('sleeper'), 'wq_entry.func': ref('wake_bit_function') };
    sleeper.on('key', 'struct wait_bit_queue_entry', { 'key.flags': ref('block'), 'key.bit_nr': bit, ...wait });
    sleeper.queue('key.wq_entry.entry');
    return sleeper;
  }

  it('that is being committed leads to the thread of the journal', () => {
    const sleeper = block(SHADOW);
    const wait = sleeper.wait(stack);
    expect(wait).toMatchObject({ kind: 'journal', name: 'dm-0-8', proof: 'structure' });
    expect(wait.what).toBe('for block 77, which is being committed, of the journal');
    expect(wait.awaited).toMatchObject([{ task: sleeper.image.address('jbd2/dm-0-8'), certainty: 'exact' }]);
  });

  it('that is read or written is no wait for the journal', () => {
    expect(block(2).wait(stack)).toMatchObject({ kind: 'buffer', awaited: [] });
  });

  it('whose journal head belongs to another block leads to nobody', () => {
    const sleeper = block(SHADOW);
    sleeper.image.write('head.b_bh', ref('now'));
    expect(sleeper.wait(stack).awaited).toEqual([]);
  });
});
