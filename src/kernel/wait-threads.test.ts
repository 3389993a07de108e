import { describe, expect, it } from 'vitest';
import { Channels, O_RDONLY, O_WRONLY } from '../../test/builders/channels.ts';
import { ref } from '../../test/builders/image.ts';

const SIGNAL = { core_state: 'struct core_state *', group_exec_task: 'struct task_struct *' };
const SLEEPS = ['__schedule', 'schedule'];

describe('exec', () => {
  const STACK = [...SLEEPS, 'begin_new_exec', 'load_elf_binary'];

  function executing(exitState = 0): Channels {
    const world = new Channels({}, SIGNAL);
    world.tasks.thread('sleeper', 'thread', { pid: 101, tgid: 100, __state: 2, exit_state: exitState });
    world.image.write('sleeper.tgid', 100);
    world.image.write('sleeper signal.group_exec_task', ref('sleeper'));
    return world;
  }

  it('waits for the threads of its process that have not ended', () => {
    const world = executing();
    const wait = world.wait(STACK);
    expect(wait).toMatchObject({ kind: 'exec', proof: 'structure' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('thread'), certainty: 'exact' }]);
    expect(executing(32).wait(STACK)).toMatchObject({ kind: 'exec', awaited: [] });
  });

  it('is what the functions say alone where another is the one that calls exec', () => {
    const other = executing();
    other.image.write('sleeper signal.group_exec_task', ref('thread'));
    expect(other.wait([...SLEEPS, 'de_thread', 'begin_new_exec'])).toMatchObject({ proof: 'function', awaited: [] });
  });
});

describe('a core dump', () => {
  const WRITES = [...SLEEPS, 'pipe_write', 'dump_emit', 'elf_core_dump', 'do_coredump'];
  const EXITS = [...SLEEPS, 'coredump_task_exit', 'do_exit'];

  function dumping(dumper: 'sleeper' | 'thread'): Channels {
    const world = new Channels({}, SIGNAL);
    const { image } = world;
    const queue = 'struct wait_queue_head';
    image.struct('core_thread', { task: 'struct task_struct *', next: 'void *' });
    image.struct('core_state', { nr_threads: 'int', dumper: 'struct core_thread' });
    image.struct('pipe_inode_info', {
      rd_wait: queue,
      wr_wait: queue,
      readers: 'unsigned int',
      writers: 'unsigned int',
    });
    world.tasks.thread('sleeper', 'thread', { pid: 101, tgid: 100, __state: 2 });
    image.write('sleeper.tgid', 100);
    image.place('core', 'struct core_state', { 'dumper.task': ref(dumper) });
    image.write('sleeper signal.core_state', ref('core'));
    image.place('pipe', 'struct pipe_inode_info', { readers: 1, writers: 1 });
    world.table('sleeper', []);
    world.process('crash-handler', [world.file('its stdin', 'pipefifo_fops', ref('pipe'), O_RDONLY)]);
    world.process('another', [world.file('its own', 'pipefifo_fops', ref('pipe'), O_WRONLY)]);
    return world;
  }

  it('of another thread is waited for', () => {
    const world = dumping('thread');
    const wait = world.wait(EXITS);
    expect(wait).toMatchObject({ kind: 'core-dump', what: 'for the core dump of its process to be written' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('thread'), certainty: 'exact' }]);
  });

  it('that a program takes through a pipe leads to that program', () => {
    const world = dumping('sleeper');
    world.standsIn('pipe.wr_wait');
    const wait = world.wait(WRITES);
    expect(wait.object).toEqual({ address: world.image.address('pipe'), ctype: 'struct pipe_inode_info' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('crash-handler'), certainty: 'exact' }]);
  });

  it('is none in another function, and none of a state that names no task of the process', () => {
    expect(dumping('thread').wait([...SLEEPS, 'a_driver_waits']).kind).toBe('unknown');
    const damaged = dumping('thread');
    damaged.image.write('core.dumper.task', ref('crash-handler'));
    expect(damaged.wait(EXITS)).toMatchObject({ proof: 'function', awaited: [] });
  });
});

describe('a task that is stopped', () => {
  function stopped(state: number): Channels {
    const world = new Channels({ ptrace: 'unsigned int', parent: 'struct task_struct *' });
    world.process('gdb', []);
    world.image.write('sleeper.__state', state);
    world.image.write('sleeper.ptrace', 1);
    world.image.write('sleeper.parent', ref('gdb'));
    return world;
  }

  it('by its tracer leads to that one, and by a signal to nobody', () => {
    const traced = stopped(8);
    const wait = traced.wait(SLEEPS);
    expect(wait.kind).toBe('tracer');
    expect(wait.awaited).toMatchObject([{ task: traced.image.address('gdb'), certainty: 'exact' }]);
    expect(stopped(4).wait(SLEEPS)).toMatchObject({ kind: 'stopped', awaited: [] });
  });

  it('names nobody where it is not traced, or its parent is no task', () => {
    const untraced = stopped(8);
    untraced.image.write('sleeper.ptrace', 0);
    expect(untraced.wait(SLEEPS)).toMatchObject({ kind: 'tracer', awaited: [] });
    const damaged = stopped(8);
    damaged.image.write('sleeper.parent', 0xffff888000123450n);
    expect(damaged.wait(SLEEPS).awaited).toEqual([]);
  });
});

describe('a frozen task', () => {
  const STACK = [...SLEEPS, 'do_freezer_trap', 'get_signal'];

  function frozen(group: 'inner' | 'outer' | undefined): Channels {
    const world = new Channels({ frozen: 'unsigned int:1', cgroups: 'struct css_set *' });
    const { image } = world;
    image.struct('cgroup_subsys_state', { cgroup: 'struct cgroup *', parent: 'struct cgroup_subsys_state *' });
    image.struct('kernfs_node', { parent: 'struct kernfs_node *', name: 'const char *' });
    image.struct('cgroup_freezer_state', { freeze: 'bool', e_freeze: 'int' });
    image.struct('cgroup', {
      self: 'struct cgroup_subsys_state',
      kn: 'struct kernfs_node *',
      freezer: 'struct cgroup_freezer_state',
    });
    image.struct('css_set', { dfl_cgrp: 'struct cgroup *' });
    for (const [label, parent] of [
      ['outer', undefined],
      ['inner', 'outer'],
    ] as const) {
      image.bytes(`${label} name`, Buffer.from(`${label}\0`));
      image.place(`${label} node`, 'struct kernfs_node', {
        name: ref(`${label} name`),
        ...(parent === undefined ? {} : { parent: ref(`${parent} node`) }),
      });
      image.place(label, 'struct cgroup', {
        'self.cgroup': ref(label),
        kn: ref(`${label} node`),
        'freezer.freeze': group === label ? 1 : 0,
      });
      if (parent !== undefined) image.write(`${label}.self.parent`, ref(`${parent}.self`));
    }
    image.place('set', 'struct css_set', { dfl_cgrp: ref('inner') });
    image.write('sleeper.cgroups', ref('set'));
    image.write('sleeper.frozen', 1);
    return world;
  }

  it('is one by its own group, or by one above it', () => {
    for (const group of ['inner', 'outer'] as const) {
      const world = frozen(group);
      expect(world.wait(STACK)).toMatchObject({
        kind: 'frozen',
        proof: 'structure',
        object: { address: world.image.address(group), ctype: 'struct cgroup' },
      });
    }
  });

  it('of which no group is frozen, or whose groups are damaged, is told by its functions alone', () => {
    expect(frozen(undefined).wait(STACK)).toMatchObject({ kind: 'frozen', proof: 'function' });
    const damaged = frozen('outer');
    damaged.image.write('inner.self.parent', 0xffff888000123000n);
    expect(damaged.wait(STACK)).toMatchObject({ kind: 'frozen', proof: 'function' });
  });
});

describe('a task above memory.high', () => {
  const STACK = [...SLEEPS, 'schedule_timeout', 'mem_cgroup_handle_over_high', 'exit_to_user_mode_loop'];

  function throttled(): Channels {
    const world = new Channels({ cgroups: 'struct css_set *' });
    const { image } = world;
    image.enum('cgroup_subsys_id', { memory_cgrp_id: 0 });
    image.struct('cgroup_subsys_state', { cgroup: 'struct cgroup *' });
    image.struct('kernfs_node', { parent: 'struct kernfs_node *', name: 'const char *' });
    image.struct('cgroup', { self: 'struct cgroup_subsys_state', kn: 'struct kernfs_node *' });
    image.struct('css_set', { subsys: 'struct cgroup_subsys_state *[1]' });
    image.bytes('name', Buffer.from('\0'));
    image.place('node', 'struct kernfs_node', { name: ref('name') });
    image.place('group', 'struct cgroup', { 'self.cgroup': ref('group'), kn: ref('node') });
    image.place('set', 'struct css_set', { 'subsys[0]': ref('group.self') });
    image.write('sleeper.cgroups', ref('set'));
    return world;
  }

  it('says in which cgroup, by the functions on its stack', () => {
    const world = throttled();
    expect(world.wait(STACK)).toMatchObject({
      kind: 'throttled',
      proof: 'function',
      name: '/',
      object: { address: world.image.address('group'), ctype: 'struct cgroup' },
    });
    expect(throttled().wait([...SLEEPS, 'a_driver_waits']).kind).toBe('unknown');
  });

  it('has no name where the cgroup cannot be read', () => {
    const damaged = throttled();
    damaged.image.write('sleeper.cgroups', 0);
    expect(damaged.wait(STACK)).toMatchObject({ kind: 'throttled', proof: 'function', name: undefined });
  });
});

describe('the first process of a pid namespace', () => {
  const STACK = [...SLEEPS, 'kernel_wait4', 'zap_pid_ns_processes', 'do_exit'];

  function ending(): Channels {
    const world = new Channels();
    const { image } = world;
    image.struct('upid', { nr: 'int', ns: 'void *' });
    image.struct('pid', { count: 'int', level: 'unsigned int', numbers: 'struct upid[2]' });
    image.place('inside ns', 'u64', 7);
    image.place('outside ns', 'u64', 8);
    for (const [task, namespace] of [
      ['sleeper', 'inside'],
      ['stuck', 'inside'],
      ['cron', 'outside'],
    ] as const) {
      if (task !== 'sleeper') world.process(task, []);
      image.place(`pid of ${task}`, 'struct pid', { level: 1, 'numbers[1].ns': ref(`${namespace} ns`) });
      image.write(`${task}.thread_pid`, ref(`pid of ${task}`));
    }
    return world;
  }

  it('waits for all in it, and for nobody outside', () => {
    const world = ending();
    const wait = world.wait(STACK);
    expect(wait).toMatchObject({ kind: 'exit', edge: 'pid namespace that ends' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('stuck'), certainty: 'exact' }]);
  });

  it('whose struct pid is damaged names nobody', () => {
    const damaged = ending();
    damaged.image.write('pid of sleeper.level', 1 << 20);
    expect(damaged.wait(STACK).awaited).toEqual([]);
  });
});
