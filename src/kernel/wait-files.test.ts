import { describe, expect, it } from 'vitest';
import { Channels, O_RDONLY, O_WRONLY } from '../../test/builders/channels.ts';
import { ref } from '../../test/builders/image.ts';

const QUEUE = 'struct wait_queue_head';
const SLEEPS = ['__schedule', 'schedule'];

function pipe(world: Channels): void {
  const { image } = world;
  const counts = { readers: 'unsigned int', writers: 'unsigned int', head: 'unsigned int', tail: 'unsigned int' };
  image.struct('pipe_inode_info', { rd_wait: QUEUE, wr_wait: QUEUE, ...counts });
  image.place('pipe', 'struct pipe_inode_info', { readers: 1, writers: 1 });
}

describe('an epoll instance', () => {
  const STACK = [...SLEEPS, 'schedule_hrtimeout_range_clock', 'ep_poll', 'do_epoll_wait'];

  function watching(files: 0 | 1 | 2, event = false): Channels {
    const world = new Channels();
    const { image } = world;
    pipe(world);
    image.struct('rb_node', { __rb_parent_color: 'unsigned long', rb_right: 'void *', rb_left: 'void *' });
    image.struct('rb_root', { rb_node: 'void *' });
    image.struct('epoll_filefd', { file: 'struct file *', fd: 'int' });
    image.struct('epitem', { rbn: 'struct rb_node', rdllink: 'struct list_head', ffd: 'struct epoll_filefd' });
    image.struct('eventpoll', { wq: QUEUE, rdllist: 'struct list_head', rbr: 'struct rb_root' });
    image.place('instance', 'struct eventpoll');
    const own = world.file('read end', 'pipefifo_fops', ref('pipe'), O_RDONLY);
    const more = world.file('another', 'some_fops', 0);
    world.table('sleeper', [world.file('epoll', 'eventpoll_fops', ref('instance')), own, more]);
    world.process('answerd', [world.file('write end', 'pipefifo_fops', ref('pipe'), O_WRONLY)]);
    image.place('first', 'struct epitem', { 'ffd.file': ref('read end'), 'ffd.fd': 1 });
    image.place('second', 'struct epitem', { 'ffd.file': ref('another'), 'ffd.fd': 2 });
    if (files > 0) image.write('instance.rbr.rb_node', ref('first.rbn'));
    if (files > 1) {
      image.write('first.rbn.rb_right', ref('second.rbn'));
      image.write('second.rbn.__rb_parent_color', ref('first.rbn'));
    }
    image.list('instance.rdllist', event ? ['first.rdllink'] : []);
    world.standsIn('instance.wq');
    return world;
  }

  it('that watches one file leads to who has its other end, perhaps', () => {
    const world = watching(1);
    const wait = world.wait(STACK);
    expect(wait).toMatchObject({ kind: 'events', edge: 'epoll', detail: 'it watches a file (descriptor 1)' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('answerd'), certainty: 'inferred' }]);
  });

  it('that watches several, or none, leads to nobody', () => {
    expect(watching(2).wait(STACK)).toMatchObject({
      detail: 'it watches 2 files: a file (descriptor 1), a file (descriptor 2)',
      awaited: [],
    });
    expect(watching(0).wait(STACK)).toMatchObject({ detail: 'it watches no file', awaited: [] });
  });

  it('with an event that has come leads to nobody', () => {
    const { detail, awaited } = watching(1, true).wait(STACK);
    expect([detail, awaited]).toEqual(['it watches a file (descriptor 1); an event has come', []]);
  });

  it('whose tree is damaged is one all the same', () => {
    const damaged = watching(1);
    damaged.image.write('first.rbn.__rb_parent_color', 0xffff888000123000n);
    expect(damaged.wait(STACK)).toMatchObject({ kind: 'events', edge: 'epoll', awaited: [] });
  });
});

describe('an eventfd', () => {
  const STACK = [...SLEEPS, 'eventfd_read', 'vfs_read'];

  function counting(queue = 'counter.wqh'): Channels {
    const world = new Channels();
    world.image.struct('eventfd_ctx', { kref: 'int', wqh: QUEUE, count: 'u64' });
    world.image.place('counter', 'struct eventfd_ctx');
    world.image.place('elsewhere', QUEUE);
    const file = world.file('eventfd', 'eventfd_fops', ref('counter'));
    world.table('sleeper', [file]);
    world.process('qemu', [file]);
    world.standsIn(queue);
    return world;
  }

  it('leads to those who have it open as well, perhaps', () => {
    const world = counting();
    expect(world.wait(STACK)).toMatchObject({
      kind: 'events',
      edge: 'eventfd',
      awaited: [{ task: world.image.address('qemu'), certainty: 'inferred' }],
    });
  });

  it('is none where the sleeper stands in a queue elsewhere', () => {
    const world = counting('elsewhere');
    world.image.write('elsewhere.head.prev', ref('wait.entry'));
    expect(world.wait(STACK)).toMatchObject({ kind: 'wait-queue', awaited: [] });
  });
});

describe('a pseudoterminal', () => {
  const STACK = [...SLEEPS, 'schedule_timeout', 'wait_woken', 'n_tty_read', 'tty_read'];

  function typing(linked = true): Channels {
    const world = new Channels();
    const { image } = world;
    image.struct('tty_file_private', { tty: 'struct tty_struct *', file: 'struct file *' });
    image.struct('tty_struct', { link: 'struct tty_struct *', read_wait: QUEUE });
    for (const [own, other] of [
      ['slave', 'master'],
      ['master', 'slave'],
    ] as const) {
      image.place(own, 'struct tty_struct', linked ? { link: ref(other) } : {});
      image.place(`${own} private`, 'struct tty_file_private', { tty: ref(own) });
    }
    world.table('sleeper', [world.file('pts', 'tty_fops', ref('slave private'))]);
    world.process('sshd', [world.file('ptmx', 'ptmx_fops', ref('master private'))]);
    world.standsIn('slave.read_wait');
    return world;
  }

  it('leads to who has its other side open', () => {
    const world = typing();
    expect(world.wait(STACK)).toMatchObject({
      kind: 'terminal',
      awaited: [{ task: world.image.address('sshd'), certainty: 'exact' }],
    });
  });

  it('leads to nobody where there is no other side, or that does not link back', () => {
    expect(typing(false).wait(STACK)).toMatchObject({ kind: 'terminal', awaited: [] });
    const damaged = typing();
    damaged.image.write('master.link', ref('master'));
    expect(damaged.wait(STACK)).toMatchObject({ kind: 'terminal', awaited: [] });
  });
});

describe('open of a fifo', () => {
  const STACK = [...SLEEPS, 'wait_for_partner', 'fifo_open', 'do_dentry_open'];

  function opening(): Channels {
    const world = new Channels();
    const { image } = world;
    pipe(world);
    image.struct('inode', { i_ino: 'unsigned long', i_pipe: 'struct pipe_inode_info *' });
    image.struct('saved', { register: 'void *' });
    image.place('fifo', 'struct inode', { i_ino: 77, i_pipe: ref('pipe') });
    world.on('saved', 'struct saved', { register: ref('fifo') }, 1680);
    world.table('sleeper', []);
    world.standsIn('pipe.rd_wait');
    return world;
  }

  it('waits for somebody to open its other end, and names nobody', () => {
    const world = opening();
    expect(world.wait(STACK)).toMatchObject({
      kind: 'pipe',
      edge: 'fifo without a partner',
      object: { address: world.image.address('pipe'), ctype: 'struct pipe_inode_info' },
      awaited: [],
    });
  });

  it('is told by the functions alone where no inode on the stack has the pipe', () => {
    const damaged = opening();
    damaged.image.write('fifo.i_pipe', 0);
    expect(damaged.wait(STACK)).toMatchObject({ kind: 'pipe', proof: 'function' });
  });
});

describe('a futex in shared memory', () => {
  const STACK = [...SLEEPS, 'futex_wait_queue', 'futex_wait', 'do_futex'];

  function sharing(): Channels {
    const world = new Channels();
    const { image } = world;
    const key = { 'key.both.ptr': 4711, 'key.both.word': 1, 'key.both.offset': 0x41 };
    world.on('q', 'struct futex_q', { task: ref('sleeper'), ...key });
    image.place('bucket', 'struct list_head');
    image.list('bucket', ['q.list.node_list']);
    world.table('sleeper', []);
    return world;
  }

  it('says so, where its file is not found', () => {
    expect(sharing().wait(STACK)).toMatchObject({
      kind: 'futex',
      edge: 'futex, shared',
      proof: 'structure',
      awaited: [],
    });
  });
});
