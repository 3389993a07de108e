import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../base/errors.ts';
import { waitQueueEntries } from './wait-queue.ts';

function declare(image: KernelImage, renamed: boolean): { readonly entry: string; readonly head: string } {
  const link = renamed ? 'entry' : 'task_list';
  const head = renamed ? 'head' : 'task_list';
  image.struct(renamed ? 'wait_queue_entry' : '__wait_queue', {
    flags: 'unsigned int',
    private: 'void *',
    func: 'void *',
    [link]: 'struct list_head',
  });
  image.struct(renamed ? 'wait_queue_head' : '__wait_queue_head', { lock: 'spinlock_t', [head]: 'struct list_head' });
  image.struct('task_struct', { pid: 'pid_t' });
  image.struct('poll_wqueues', { table: 'void *', polling_task: 'struct task_struct *' });
  image.struct('eventpoll', { wq: renamed ? 'struct wait_queue_head' : 'struct __wait_queue_head' });
  image.struct('epitem', { ffd: 'void *', ep: 'struct eventpoll *' });
  image.struct('eppoll_entry', {
    next: 'void *',
    base: 'void *',
    wait: renamed ? 'struct wait_queue_entry' : 'struct __wait_queue',
  });
  for (const name of ['autoremove_wake_function', 'pollwake', 'ep_poll_callback', 'io_poll_wake']) image.function(name);
  return { entry: link, head };
}

describe.each([
  ['since 4.13', true],
  ['until 4.12', false],
])('wait queues %s', (_era, renamed) => {
  it('tell who is behind each entry', () => {
    const image = new KernelImage();
    const names = declare(image, renamed);
    const entryType = renamed ? 'struct wait_queue_entry' : 'struct __wait_queue';
    for (const task of ['reader', 'poller', 'waiter']) image.place(task, 'struct task_struct');
    image.place('queue', renamed ? 'struct wait_queue_head' : 'struct __wait_queue_head');
    image.place('sleeping', entryType, { func: ref('autoremove_wake_function'), private: ref('reader') });
    image.place('poll', 'struct poll_wqueues', { polling_task: ref('poller') });
    image.place('polling', entryType, { func: ref('pollwake'), private: ref('poll') });
    image.place('instance', 'struct eventpoll');
    image.place('in_epoll', entryType, { func: ref('autoremove_wake_function'), private: ref('waiter') });
    image.list(`instance.wq.${names.head}`, [`in_epoll.${names.entry}`]);
    image.place('item', 'struct epitem', { ep: ref('instance') });
    image.place('listening', 'struct eppoll_entry', { base: ref('item'), 'wait.func': ref('ep_poll_callback') });
    image.place('strange', entryType, { func: ref('io_poll_wake'), private: ref('reader') });
    const nodes = ['sleeping', 'polling', 'listening.wait', 'strange'];
    image.list(
      `queue.${names.head}`,
      nodes.map((node) => `${node}.${names.entry}`),
    );
    const entries = [...waitQueueEntries(programOfImage(image), image.address('queue'))];
    expect(entries).toEqual([
      {
        entry: image.address('sleeping'),
        func: 'autoremove_wake_function',
        kind: 'task',
        tasks: [image.address('reader')],
      },
      { entry: image.address('polling'), func: 'pollwake', kind: 'poll', tasks: [image.address('poller')] },
      {
        entry: image.address('listening.wait'),
        func: 'ep_poll_callback',
        kind: 'epoll',
        tasks: [image.address('waiter')],
      },
      { entry: image.address('strange'), func: 'io_poll_wake', kind: 'other', tasks: [] },
    ]);
  });
});

describe('wait queues', () => {
  it('tell an entry whose poller cannot be read without a task', () => {
    const image = new KernelImage();
    declare(image, true);
    image.place('queue', 'struct wait_queue_head');
    image.place('polling', 'struct wait_queue_entry', { func: ref('pollwake'), private: 8 });
    image.place('bare', 'struct wait_queue_entry', { func: ref('autoremove_wake_function') });
    image.list('queue.head', ['polling.entry', 'bare.entry']);
    const entries = [...waitQueueEntries(programOfImage(image), image.address('queue'))];
    expect(entries.map(({ kind, tasks }) => [kind, tasks])).toEqual([
      ['poll', []],
      ['task', []],
    ]);
  });

  it('that are broken end with an error', () => {
    const image = new KernelImage();
    declare(image, true);
    image.place('queue', 'struct wait_queue_head');
    image.place('one', 'struct wait_queue_entry');
    image.list('queue.head', ['one.entry']);
    image.write('one.entry.next', ref('one.entry'));
    const program = programOfImage(image);
    expect(() => [...waitQueueEntries(program, image.address('queue'))]).toThrow(ValidationError);
  });
});

describe('an entry with a function of its own', () => {
  it.each([
    ['wake_page_function', 'task'],
    ['percpu_rwsem_wake_function', 'task'],
    ['child_wait_callback', 'task'],
    // Its private word is no task.
    ['blk_mq_dispatch_wake', 'other'],
  ] as const)('%s is behind it as a %s', (func, kind) => {
    const image = new KernelImage();
    declare(image, true);
    image.function(func);
    image.place('sleeper', 'struct task_struct');
    image.place('queue', 'struct wait_queue_head');
    image.place('entry', 'struct wait_queue_entry', { func: ref(func), private: ref('sleeper') });
    image.list('queue.head', ['entry.entry']);
    const [entry] = waitQueueEntries(programOfImage(image), image.address('queue'));
    expect(entry).toMatchObject({ kind, tasks: kind === 'task' ? [image.address('sleeper')] : [] });
  });
});
