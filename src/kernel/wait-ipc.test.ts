import { describe, expect, it } from 'vitest';
import { Channels, O_RDONLY, O_WRONLY } from '../../test/builders/channels.ts';
import { ref } from '../../test/builders/image.ts';

const LIST = 'struct list_head';
const TASK = 'struct task_struct *';

function world(): Channels {
  const made = new Channels();
  const { image } = made;
  image.struct('upid', { nr: 'int', ns: 'void *' });
  image.struct('pid', { count: 'int', level: 'unsigned int', numbers: 'struct upid[1]' });
  image.struct('kern_ipc_perm', { id: 'int', key: 'int' });
  made.process('partner', []);
  image.write('partner.pid', 77);
  image.place('pid 77', 'struct pid', { 'numbers[0].nr': 77 });
  return made;
}

describe('messages of System V', () => {
  const RECEIVES = ['__schedule', 'schedule', 'do_msgrcv', 'ksys_msgrcv'];
  const SENDS = ['__schedule', 'schedule', 'do_msgsnd', 'ksys_msgsnd'];

  function queued(receives: boolean): Channels {
    const made = world();
    const { image } = made;
    image.struct('msg_receiver', { r_list: LIST, r_tsk: TASK, r_mode: 'int' });
    image.struct('msg_sender', { list: LIST, tsk: TASK, msgsz: 'unsigned long' });
    const lists = { q_messages: LIST, q_receivers: LIST, q_senders: LIST };
    const last = { q_lspid: 'struct pid *', q_lrpid: 'struct pid *' };
    image.struct('msg_queue', { q_perm: 'struct kern_ipc_perm', ...last, ...lists });
    image.place('queue', 'struct msg_queue', { 'q_perm.id': 3, 'q_perm.key': 0x4b57, q_lspid: ref('pid 77') });
    const [type, member, owner] = receives
      ? ['struct msg_receiver', 'r_list', 'r_tsk']
      : ['struct msg_sender', 'list', 'tsk'];
    made.on('entry', type, { [owner]: ref('sleeper') });
    for (const list of ['q_messages', 'q_receivers', 'q_senders']) {
      const own = list === (receives ? 'q_receivers' : 'q_senders');
      image.list(`queue.${list}`, own ? [`entry.${member}`] : []);
    }
    return made;
  }

  it('name the queue, and who sent last', () => {
    const made = queued(true);
    const wait = made.wait(RECEIVES);
    expect(wait).toMatchObject({ kind: 'ipc', proof: 'structure', edge: 'SysV messages' });
    expect(wait.what).toBe('for a message of the System V message queue 3 (key 0x4b57)');
    expect(wait.object).toEqual({ address: made.image.address('queue'), ctype: 'struct msg_queue' });
    expect(wait.awaited).toMatchObject([{ task: made.image.address('partner'), certainty: 'inferred' }]);
  });

  it('of a full queue wait for who takes them, of whom nobody has yet', () => {
    expect(queued(false).wait(SENDS)).toMatchObject({
      what: 'for room in the System V message queue 3 (key 0x4b57)',
      awaited: [],
    });
  });

  it('are none where the entry stands in no queue, or in what has not all three lists of one', () => {
    const left = queued(true);
    left.image.list('entry.r_list');
    expect(left.wait(RECEIVES)).toMatchObject({ kind: 'unknown', object: undefined });
    const damaged = queued(true);
    damaged.image.write('queue.q_senders.next', 0);
    expect(damaged.wait(RECEIVES)).toMatchObject({ kind: 'unknown', awaited: [] });
    // The two kinds of entries begin alike.
    expect(queued(false).wait(RECEIVES)).toMatchObject({ kind: 'unknown' });
  });
});

describe('a semaphore of System V', () => {
  const STACK = ['__schedule', 'schedule', 'do_semtimedop', '__do_semtimedop'];

  /** The sleeper takes one of semaphore 1 of 3, alone or together with others. */
  function taking(list = 'set.sems[1].pending_alter', value = 0): Channels {
    const made = world();
    const { image } = made;
    image.struct('sembuf', { sem_num: 'unsigned short', sem_op: 'short', sem_flg: 'short' });
    image.struct('sem_queue', { list: LIST, sleeper: TASK, sops: 'struct sembuf *', blocking: 'struct sembuf *' });
    image.struct('sem', { semval: 'int', sempid: 'struct pid *', pending_alter: LIST, pending_const: LIST });
    const lists = { pending_alter: LIST, pending_const: LIST };
    image.struct('sem_array', { sem_perm: 'struct kern_ipc_perm', ...lists, sem_nsems: 'int', sems: 'struct sem[3]' });
    image.place('set', 'struct sem_array', {
      'sem_perm.id': 5,
      sem_nsems: 3,
      'sems[1].semval': value,
      'sems[1].sempid': ref('pid 77'),
    });
    image.place('operation', 'struct sembuf', { sem_num: 1, sem_op: -1 });
    made.on('entry', 'struct sem_queue', {
      sleeper: ref('sleeper'),
      sops: ref('operation'),
      blocking: ref('operation'),
    });
    for (const path of [
      'pending_alter',
      'pending_const',
      ...[0, 1, 2].flatMap((i) => [`sems[${i}].pending_alter`, `sems[${i}].pending_const`]),
    ])
      image.list(`set.${path}`, `set.${path}` === list ? ['entry.list'] : []);
    return made;
  }

  it('names the set and the number, and who changed it last', () => {
    const made = taking();
    const wait = made.wait(STACK);
    expect(wait.what).toBe('for the System V semaphore 1 of the set 5 (key 0x0) to be at least 1; it is 0');
    expect(wait.object).toEqual({ address: made.image.address('set'), ctype: 'struct sem_array' });
    expect(wait.awaited).toMatchObject([{ task: made.image.address('partner'), certainty: 'inferred' }]);
  });

  it('is found in the lists of the whole set as well', () => {
    expect(taking('set.pending_alter').wait(STACK).what).toContain('semaphore 1 of the set 5');
  });

  it('whose number is beyond the set, or whose value no semaphore has, is damaged', () => {
    const beyond = taking();
    beyond.image.write('operation.sem_num', 7);
    expect(beyond.wait(STACK)).toMatchObject({ kind: 'unknown', awaited: [] });
    expect(taking(undefined, 1 << 20).wait(STACK)).toMatchObject({ kind: 'unknown', awaited: [] });
  });
});

describe('a message queue of POSIX', () => {
  const STACK = ['__schedule', 'schedule', 'schedule_hrtimeout_range_clock', 'wq_sleep', 'do_mq_timedreceive'];

  function receiving(): Channels {
    const made = world();
    const { image } = made;
    image.struct('inode', { i_fop: 'void *', i_ino: 'unsigned long' });
    image.struct('ext_wait_queue', { task: TASK, list: LIST });
    image.struct('mqueue_inode_info', {
      lock: 'spinlock_t',
      vfs_inode: 'struct inode',
      e_wait_q: 'struct ext_wait_queue[2]',
    });
    image.place('info', 'struct mqueue_inode_info');
    const open = (label: string, flags: number): string => {
      const file = made.file(label, 'mqueue_file_operations', 0, flags);
      image.write(`${file}.f_inode`, ref('info.vfs_inode'));
      return file;
    };
    made.table('sleeper', [open('own', O_RDONLY)]);
    made.process('sender', [open('its', O_WRONLY)]);
    made.process('reader', [open('other', O_RDONLY)]);
    image.write('info.vfs_inode.i_fop', ref('mqueue_file_operations'));
    made.on('entry', 'struct ext_wait_queue', { task: ref('sleeper') });
    image.list('info.e_wait_q[1].list', ['entry.list']);
    return made;
  }

  it('leads to those who may send, and only perhaps: anybody may open it', () => {
    const made = receiving();
    const wait = made.wait(STACK);
    expect(wait).toMatchObject({ kind: 'ipc', what: 'for a message of the POSIX message queue' });
    expect(wait.awaited).toMatchObject([{ task: made.image.address('sender'), certainty: 'inferred' }]);
  });

  it('is none where the inode is no message queue', () => {
    const other = receiving();
    other.image.write('info.vfs_inode.i_fop', 0);
    expect(other.wait(STACK)).toMatchObject({ kind: 'timer', proof: 'function' });
  });
});
