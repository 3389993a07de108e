import { describe, expect, it } from 'vitest';
import { Channels, O_RDONLY, O_WRONLY } from '../../test/builders/channels.ts';
import { ref } from '../../test/builders/image.ts';

const QUEUE = 'struct wait_queue_head';
const LIST = 'struct list_head';

describe('a pipe', () => {
  const READ = ['__schedule', 'schedule', 'pipe_read', 'vfs_read', 'ksys_read'];

  /** The sleeper reads; `writers` have the other end. */
  function reading(writers: readonly string[], counted = writers.length, own = false): Channels {
    const world = new Channels();
    const { image } = world;
    image.struct('pipe_inode_info', {
      rd_wait: QUEUE,
      wr_wait: QUEUE,
      head: 'unsigned int',
      tail: 'unsigned int',
      readers: 'unsigned int',
      writers: 'unsigned int',
    });
    image.place('pipe', 'struct pipe_inode_info', { readers: 1, writers: counted, head: 7, tail: 7 });
    const ends = [world.file('read end', 'pipefifo_fops', ref('pipe'), O_RDONLY)];
    if (own) ends.push(world.file('own write end', 'pipefifo_fops', ref('pipe'), O_WRONLY));
    world.table('sleeper', ends);
    for (const writer of writers)
      world.process(writer, [world.file(`${writer} end`, 'pipefifo_fops', ref('pipe'), O_WRONLY)]);
    world.standsIn('pipe.rd_wait');
    return world;
  }

  it('leads to the only one that has the other end open', () => {
    const world = reading(['answerd']);
    const wait = world.wait(READ);
    expect(wait).toMatchObject({ kind: 'pipe', proof: 'structure', anyOf: false });
    expect(wait.object).toEqual({ address: world.image.address('pipe'), ctype: 'struct pipe_inode_info' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('answerd'), certainty: 'exact' }]);
  });

  it('that several could write to names all of them, and says that one would do', () => {
    const { awaited, anyOf } = reading(['answerd', 'otherd']).wait(READ);
    expect([awaited.length, anyOf]).toEqual([2, true]);
  });

  it('with a writer that was not found is inferred', () => {
    expect(reading(['answerd'], 2).wait(READ).awaited).toMatchObject([{ certainty: 'inferred' }]);
  });

  it('that only the reader itself could write to leads to nobody', () => {
    const wait = reading([], 1, true).wait(READ);
    expect(wait).toMatchObject({
      kind: 'pipe',
      awaited: [],
      detail: 'nobody else has its other end open',
      hopeless: true,
    });
  });

  it('with something to read leads to nobody: it has been woken, or should have been', () => {
    const world = reading(['answerd']);
    world.image.write('pipe.head', 8);
    expect(world.wait(READ)).toMatchObject({ kind: 'pipe', awaited: [] });
  });

  it('whose other tables are damaged still leads to whom is found, less surely', () => {
    const world = reading(['answerd']);
    world.process('broken', []);
    world.image.write('broken fdt.max_fds', 1 << 30);
    expect(world.wait(READ).awaited).toMatchObject([{ certainty: 'inferred' }]);
  });
});

describe('poll of one file', () => {
  const POLLS = [
    '__schedule',
    'schedule',
    'schedule_hrtimeout_range_clock',
    'poll_schedule_timeout',
    'do_poll',
    'do_sys_poll',
  ];

  /** The sleeper polls so many queues, the first of them that of a pipe for readers. */
  function polling(files: number, timer = false): Channels {
    const world = new Channels();
    const { image } = world;
    image.struct('pipe_inode_info', {
      rd_wait: QUEUE,
      wr_wait: QUEUE,
      head: 'unsigned int',
      tail: 'unsigned int',
      readers: 'unsigned int',
      writers: 'unsigned int',
    });
    image.function('pollwake');
    image.struct('poll_table_entry', {
      filp: 'struct file *',
      wait: 'struct wait_queue_entry',
      wait_address: 'void *',
    });
    image.struct('poll_wqueues', {
      polling_task: 'struct task_struct *',
      inline_index: 'int',
      inline_entries: 'struct poll_table_entry[9]',
    });
    image.place('pipe', 'struct pipe_inode_info', { readers: 1, writers: 1 });
    const ends = [world.file('read end', 'pipefifo_fops', ref('pipe'), O_RDONLY)];
    if (files > 1) ends.push(world.file('other end', 'pipefifo_fops', ref('pipe'), O_WRONLY));
    world.table('sleeper', ends);
    world.process('answerd', [world.file('write end', 'pipefifo_fops', ref('pipe'), O_WRONLY)]);
    world.on('polled', 'struct poll_wqueues', {
      polling_task: ref('sleeper'),
      inline_index: files,
      'inline_entries[0].filp': ref('read end'),
      'inline_entries[0].wait_address': ref('pipe.rd_wait'),
      'inline_entries[0].wait.func': ref('pollwake'),
      'inline_entries[0].wait.private': ref('polled'),
      ...(files === 1
        ? {}
        : {
            'inline_entries[1].filp': ref('other end'),
            'inline_entries[1].wait_address': ref('pipe.wr_wait'),
            'inline_entries[1].wait.func': ref('pollwake'),
            'inline_entries[1].wait.private': ref('polled'),
          }),
    });
    if (timer) {
      image.function('hrtimer_wakeup');
      world.on(
        'timer',
        'struct hrtimer_sleeper',
        { 'timer.function': ref('hrtimer_wakeup'), task: ref('sleeper') },
        1680,
      );
    }
    return world;
  }

  it('leads to who has its other end, as a read does', () => {
    const world = polling(1);
    const wait = world.wait(POLLS);
    expect(wait).toMatchObject({ kind: 'poll', object: { ctype: 'struct pipe_inode_info' } });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('answerd'), certainty: 'exact' }]);
  });

  it('leads to nobody where it polls more than one, or gives up by itself', () => {
    expect(polling(2).wait(POLLS)).toMatchObject({ kind: 'poll', awaited: [] });
    expect(polling(1, true).wait(POLLS)).toMatchObject({ kind: 'poll', awaited: [] });
  });
});

describe('an AF_UNIX socket', () => {
  const READ = ['__schedule', 'schedule', 'schedule_timeout', 'unix_stream_read_generic', 'unix_stream_recvmsg'];

  function receiving(family = 1, state = 1): Channels {
    const world = new Channels();
    const { image } = world;
    image.struct('socket_wq', { wait: QUEUE });
    image.struct('socket', { state: 'int', file: 'struct file *', sk: 'void *', wq: 'struct socket_wq' });
    image.struct('sock_common', { skc_family: 'unsigned short', skc_state: 'unsigned char' });
    image.struct('sock', { __sk_common: 'struct sock_common', sk_socket: 'struct socket *' });
    image.struct('unix_sock', { sk: 'struct sock', peer: 'struct sock *' });
    for (const [own, other] of [
      ['near', 'far'],
      ['far', 'near'],
    ]) {
      image.place(`${own} sock`, 'struct unix_sock', {
        'sk.__sk_common.skc_family': family,
        'sk.__sk_common.skc_state': state,
        'sk.sk_socket': ref(`${own}`),
        peer: ref(`${other} sock`),
      });
      image.place(`${own}`, 'struct socket', { sk: ref(`${own} sock`) });
    }
    world.table('sleeper', [world.file('near file', 'socket_file_ops', ref('near'))]);
    world.process('policyd', [world.file('far file', 'socket_file_ops', ref('far'))]);
    world.standsIn('near.wq.wait');
    return world;
  }

  it('that is connected leads to who has its peer open', () => {
    const world = receiving();
    const wait = world.wait(READ);
    expect(wait).toMatchObject({ kind: 'socket', proof: 'structure' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('policyd'), certainty: 'exact' }]);
  });

  it('is less sure where the file is held by something without a descriptor', () => {
    const world = receiving();
    world.image.write('far file.f_count', 2);
    expect(world.wait(READ).awaited).toMatchObject([{ certainty: 'inferred' }]);
  });

  it('of another family, or one that listens, or whose peer is gone, leads to nobody', () => {
    expect(receiving(2).wait(READ)).toMatchObject({ kind: 'socket', awaited: [] });
    expect(receiving(1, 10).wait(READ).awaited).toEqual([]);
    const gone = receiving();
    gone.image.write('near sock.peer', 0);
    expect(gone.wait(READ).awaited).toEqual([]);
    const closed = receiving();
    closed.image.write('far sock.sk.sk_socket', 0);
    expect(closed.wait(READ).awaited).toEqual([]);
  });
});

describe('a request of FUSE', () => {
  const ASKS = ['__schedule', 'schedule', 'request_wait_answer', 'fuse_simple_request', 'fuse_lookup_name'];
  const SENT = 1n << 5n;
  const PENDING = 1n << 4n;

  /** The sleeper asks; of the servers with a device each, the first has read the request when it is `sent`. */
  function asking(servers: readonly string[], flags = SENT, era: '6.1' | '7.2' = '6.1'): Channels {
    const world = new Channels();
    const { image } = world;
    image.enum('fuse_req_flag', { FR_PENDING: 4, FR_SENT: 5, FR_FINISHED: 7 });
    image.struct('fuse_in_header', { len: 'u32', opcode: 'u32' });
    image.struct('fuse_in', { h: 'struct fuse_in_header' });
    image.struct('fuse_req', {
      list: LIST,
      flags: 'unsigned long',
      in: 'struct fuse_in',
      waitq: QUEUE,
      ...(era === '6.1' ? { fm: 'struct fuse_mount *' } : { chan: 'struct fuse_chan *' }),
    });
    image.struct('fuse_mount', { fc: 'struct fuse_conn *', sb: 'void *', fc_entry: LIST });
    const chan = { chan: 'struct fuse_chan *' };
    image.struct('fuse_conn', { ...(era === '6.1' ? { devices: LIST } : chan), mounts: LIST });
    if (era === '7.2') image.struct('fuse_chan', { conn: 'struct fuse_conn *', devices: LIST });
    image.struct('fuse_pqueue', { connected: 'unsigned int', processing: `${LIST} *` });
    image.struct('fuse_dev', { fc: 'struct fuse_conn *', pq: 'struct fuse_pqueue', entry: LIST });
    image.place('conn', 'struct fuse_conn');
    image.place('mount', 'struct fuse_mount', { fc: ref('conn') });
    if (era === '7.2') image.place('channel', 'struct fuse_chan', { conn: ref('conn') });
    const whose = era === '6.1' ? { fm: ref('mount') } : { chan: ref('channel') };
    if (era === '7.2') image.write('conn.chan', ref('channel'));
    image.place('request', 'struct fuse_req', { flags, 'in.h.opcode': 1, ...whose });
    servers.forEach((server) => {
      image.place(`${server} lists`, `${LIST}[256]`);
      image.place(`${server} dev`, 'struct fuse_dev', { fc: ref('conn'), 'pq.processing': ref(`${server} lists`) });
      world.process(server, [world.file(`${server} file`, 'fuse_dev_operations', ref(`${server} dev`))]);
    });
    image.list(
      era === '6.1' ? 'conn.devices' : 'channel.devices',
      servers.map((server) => `${server} dev.entry`),
    );
    image.list('conn.mounts', []);
    const [first] = servers;
    if (first !== undefined && flags === SENT) image.list(`${first} lists[17]`, ['request.list']);
    if (servers.length > 0) world.table('sleeper', []);
    world.standsIn('request.waitq');
    return world;
  }

  it('that a server has read leads to that one alone', () => {
    const world = asking(['sshfs', 'clone']);
    const wait = world.wait(ASKS);
    expect(wait).toMatchObject({
      kind: 'fuse',
      proof: 'structure',
      detail: 'LOOKUP, which the server has read',
      anyOf: false,
    });
    expect(wait.object).toEqual({ address: world.image.address('conn'), ctype: 'struct fuse_conn' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('sshfs'), certainty: 'exact' }]);
  });

  it('is found through the channel that 7.2 has between it and the connection', () => {
    const world = asking(['sshfs'], SENT, '7.2');
    const wait = world.wait(ASKS);
    expect(wait.object).toEqual({ address: world.image.address('conn'), ctype: 'struct fuse_conn' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('sshfs'), certainty: 'exact' }]);
  });

  it('that nobody has read could be answered by any that has the device open', () => {
    const { detail, awaited, anyOf } = asking(['sshfs', 'clone'], PENDING).wait(ASKS);
    expect(detail).toBe('LOOKUP, which no server has read yet');
    expect([awaited.length, anyOf]).toEqual([2, true]);
  });

  it('that is answered leads to nobody', () => {
    expect(asking(['sshfs'], 1n << 7n).wait(ASKS)).toMatchObject({ kind: 'fuse', awaited: [] });
  });

  it('of the server to itself says so, and leads to nobody else', () => {
    const world = asking([], PENDING);
    world.image.place('own dev', 'struct fuse_dev', { fc: ref('conn') });
    world.image.list('conn.devices', ['own dev.entry']);
    world.table('sleeper', [world.file('own file', 'fuse_dev_operations', ref('own dev'))]);
    const { detail, awaited } = world.wait(ASKS);
    expect(detail).toBe('LOOKUP, which no server has read yet; it is that server itself');
    expect(awaited).toEqual([]);
  });

  it('behind a list that is damaged leads to all devices, and of a damaged connection to nobody', () => {
    const list = asking(['sshfs', 'clone']);
    list.image.write('request.list.next', 0);
    expect(list.wait(ASKS).awaited.length).toBe(2);
    const connection = asking(['sshfs']);
    connection.image.write('request.fm', 0);
    expect(connection.wait(ASKS)).toMatchObject({ kind: 'fuse', proof: 'function', awaited: [] });
  });

  it('is none where the sleeper stands in a queue of another kind', () => {
    const world = asking(['sshfs']);
    expect(world.wait(['__schedule', 'schedule', 'fuse_dev_do_read', 'fuse_dev_read'])).toMatchObject({ awaited: [] });
  });
});
