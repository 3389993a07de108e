import { describe, expect, it } from 'vitest';
import { Channels } from '../../test/builders/channels.ts';
import { ref, struct } from '../../test/builders/image.ts';
import { completing } from '../../test/builders/sleepers.ts';

const QUEUE = 'struct wait_queue_head';
const LIST = 'struct list_head';

describe('fanotify', () => {
  const STACK = ['__schedule', 'schedule', 'fanotify_handle_event', 'fsnotify', 'do_dentry_open'];

  /** The sleeper opens a file that `scanner` has to allow, which has read the request or not. */
  function opening(read: boolean): Channels {
    const world = new Channels();
    const { image } = world;
    image.struct('upid', { nr: 'int', ns: 'void *' });
    image.struct('pid', { count: 'int', numbers: 'struct upid[1]' });
    image.struct('fanotify_group_private_data', { access_list: LIST, access_waitq: QUEUE });
    image.struct('fsnotify_group', { notification_list: LIST, fanotify_data: 'struct fanotify_group_private_data' });
    image.struct('fsnotify_event', { list: LIST });
    image.struct('fanotify_event', { fse: 'struct fsnotify_event', pid: 'struct pid *' });
    image.struct('fanotify_perm_event', { fae: 'struct fanotify_event', state: 'int' });
    image.place('group', 'struct fsnotify_group');
    image.place('its pid', 'struct pid', { 'numbers[0].nr': 100 });
    image.place('event', 'struct fanotify_perm_event', { 'fae.pid': ref('its pid') });
    image.list('group.fanotify_data.access_list', read ? ['event.fae.fse.list'] : []);
    image.list('group.notification_list', read ? [] : ['event.fae.fse.list']);
    world.table('sleeper', []);
    world.process('scanner', [world.file('listener', 'fanotify_fops', ref('group'))]);
    world.standsIn('group.fanotify_data.access_waitq');
    return world;
  }

  it('leads to who listens, and says whether it has read the request', () => {
    for (const [read, detail] of [
      [true, 'the listener has read the request'],
      [false, 'nobody has read the request yet'],
    ] as const) {
      const world = opening(read);
      const wait = world.wait(STACK);
      expect(wait).toMatchObject({ kind: 'permission', edge: 'fanotify permission', detail, proof: 'structure' });
      expect(wait.object).toEqual({ address: world.image.address('group'), ctype: 'struct fsnotify_group' });
      expect(wait.awaited).toMatchObject([{ task: world.image.address('scanner'), certainty: 'exact' }]);
    }
  });

  it('is none in other functions, or where neither request nor listener is found', () => {
    expect(opening(true).wait(['__schedule', 'schedule', 'a_driver_waits']).kind).toBe('wait-queue');
    const damaged = opening(true);
    damaged.image.write('group.fanotify_data.access_list.next', 0);
    damaged.image.write('listener.private_data', 0xffff888000123000n);
    expect(damaged.wait(STACK)).toMatchObject({ kind: 'wait-queue', awaited: [] });
  });
});

describe('a seccomp filter with a supervisor', () => {
  const STACK = ['__schedule', 'schedule', 'wait_for_completion_interruptible', 'seccomp_do_user_notification'];

  function asking(): Channels {
    const world = new Channels({ seccomp: struct({ mode: 'int', filter: 'void *' }) });
    const { image } = world;
    image.struct('seccomp_filter', { prev: 'struct seccomp_filter *', notif: 'struct notification *' });
    image.struct('seccomp_knotif', { task: 'struct task_struct *', id: 'u64', ready: 'struct completion' });
    image.place('notification', 'u64', 1);
    image.place('first', 'struct seccomp_filter', { notif: ref('notification') });
    image.place('second', 'struct seccomp_filter', { prev: ref('first') });
    image.write('sleeper.seccomp.filter', ref('second'));
    world.table('sleeper', []);
    world.process('supervisor', [world.file('notify', 'seccomp_notify_ops', ref('first'))]);
    world.on('request', 'struct seccomp_knotif', { task: ref('sleeper') });
    completing(world, 'request.ready');
    return world;
  }

  it('leads to that one', () => {
    const world = asking();
    const wait = world.wait(STACK);
    expect(wait).toMatchObject({ kind: 'permission', edge: 'seccomp notification' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('supervisor'), certainty: 'exact' }]);
  });

  it('is a completion like others where the request is not of this task, or its filters are damaged', () => {
    const other = asking();
    other.image.write('request.task', ref('supervisor'));
    expect(other.wait(STACK)).toMatchObject({ kind: 'completion', awaited: [] });
    const damaged = asking();
    damaged.image.write('second.prev', 0xffff888000123000n);
    expect(damaged.wait(STACK)).toMatchObject({ kind: 'completion', awaited: [] });
  });
});
