import { describe, expect, it } from 'vitest';
import { ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { add, virt, type VirtAddr } from '../base/address.ts';
import { lockWaiters } from './lock-queue.ts';
import { findLockWait, type LockWait } from './lock-wait.ts';
import { readTasks } from './sched.ts';
import type { NamedFrame } from './stack.ts';

const SP = 1500;
const WAITER = 1600;

/** A kernel with PREEMPT_RT: processes 'holder', 'writer', 'first', 'second'. */
class Machine {
  readonly tasks = new TasksBuilder('6.1', { pi_blocked_on: 'struct rt_mutex_waiter *' });

  constructor() {
    const { image } = this.tasks;
    const pointer = 'struct rb_node *';
    image.struct('rb_node', { __rb_parent_color: 'unsigned long', rb_right: pointer, rb_left: pointer });
    image.struct('rb_root', { rb_node: pointer });
    image.struct('rt_waiter_node', { entry: 'struct rb_node', prio: 'int' });
    image.struct('rt_mutex_base', {
      wait_lock: 'raw_spinlock_t',
      waiters: 'struct rb_root',
      owner: 'struct task_struct *',
    });
    image.struct('rt_mutex_waiter', {
      tree: 'struct rt_waiter_node',
      task: 'struct task_struct *',
      lock: 'struct rt_mutex_base *',
    });
    image.struct('rwbase_rt', { readers: 'atomic_t', rtmutex: 'struct rt_mutex_base' });
    image.struct('mutex', { rtmutex: 'struct rt_mutex_base' });
    image.struct('rt_mutex', { rtmutex: 'struct rt_mutex_base' });
    image.struct('spinlock', { lock: 'struct rt_mutex_base' });
    image.struct('rw_semaphore', { rwbase: 'struct rwbase_rt' });
    for (const label of ['holder', 'writer', 'first', 'second']) this.tasks.add(label, { pid: 100, __state: 2 });
  }

  /** These wait for the rt_mutex at `base`, first come first served: a tree that leans to the right. */
  queue(base: string, labels: readonly string[]): this {
    const { image } = this.tasks;
    labels.forEach((label) => {
      const at = add(image.address(`${label} stack`), 8 * WAITER);
      image.place(`${label} waiter`, 'struct rt_mutex_waiter', { task: ref(label), lock: ref(base) }, { at });
      image.write(`${label}.pi_blocked_on`, ref(`${label} waiter`));
    });
    const node = (i: number): Value => (labels[i] === undefined ? 0 : ref(`${labels[i]} waiter.tree.entry`));
    labels.forEach((label, i) => {
      image.write(`${label} waiter.tree.entry.rb_right`, node(i + 1));
      image.write(`${label} waiter.tree.entry.__rb_parent_color`, node(i - 1));
    });
    image.write(`${base}.waiters.rb_node`, node(0));
    return this;
  }

  find(label: string, funcs: readonly string[]): LockWait | undefined {
    const { image } = this.tasks;
    this.tasks.link();
    const program = programOfImage(image);
    const { tasks } = readTasks(program);
    const task = tasks.find((each) => each.address === image.address(label));
    if (task === undefined) throw new Error(`no task ${label}`);
    const stack = image.address(`${label} stack`);
    const frames = funcs.map((func, i): NamedFrame => {
      const none = { pc: virt(0n), exact: false, source: 'orc', registersAt: undefined, symbol: undefined } as const;
      return { ...none, sp: add(stack, 8 * (SP + 120 * i)), cfa: add(stack, 8 * (SP + 120 * (i + 1))), func };
    });
    const known = new Set(tasks.map(({ address }) => address));
    return findLockWait(program, task, frames, (address) => known.has(address));
  }

  at(label: string): VirtAddr {
    return this.tasks.image.address(label);
  }
}

describe('a task that waits by an rt_mutex', () => {
  it.each([
    [
      'mutex',
      'rtmutex',
      ['rt_mutex_slowlock_block', '__rt_mutex_slowlock_locked', 'mutex_lock', 'with_one'],
      undefined,
    ],
    ['mutex', 'rtmutex', ['__rt_mutex_slowlock_locked', '__ww_rt_mutex_lock', 'take'], undefined],
    ['mutex', 'rtmutex', ['__rt_mutex_slowlock_locked', 'rt_mutex_slowlock', 'take'], undefined],
    ['rt_mutex', 'rtmutex', ['__rt_mutex_slowlock_locked', 'rt_mutex_lock', 'i2c_transfer'], undefined],
    ['spinlock', 'lock', ['rtlock_slowlock_locked', 'rt_spin_lock', 'lock_parent'], undefined],
    ['rw_semaphore', 'rwbase.rtmutex', ['__rt_mutex_slowlock_locked', '__rwbase_read_lock', 'walk_component'], 'read'],
    ['rw_semaphore', 'rwbase.rtmutex', ['rt_mutex_slowlock_block', 'rwbase_write_lock', 'path_openat'], 'write'],
    ['rwbase_rt', 'rtmutex', ['rtlock_slowlock_locked', '__rwbase_read_lock', 'rt_read_lock'], 'read'],
    ['rwbase_rt', 'rtmutex', ['rtlock_slowlock_locked', 'rt_write_lock', 'do_exit'], 'write'],
  ] as const)('waits for a %s when %s is inside and its stack is %j', (kind, inside, funcs, mode) => {
    const machine = new Machine();
    machine.tasks.image.place('lock', `struct ${kind}`, {
      [`${inside}.owner`]: ref('holder', 1),
      // WRITER_BIAS: the owner of the rt_mutex has the lock.
      ...(kind === 'rw_semaphore' ? { 'rwbase.readers': 0x40000000 } : {}),
    });
    machine.queue(`lock.${inside}`, ['first', 'second']);
    expect(machine.find('second', funcs)).toEqual<LockWait>({
      kind,
      lock: machine.at('lock'),
      waiter: { address: machine.at('second waiter'), task: machine.at('second'), mode },
      func: funcs[0],
      shownBy: 'stack',
    });
    const program = programOfImage(machine.tasks.image);
    const { waiters, problem } = lockWaiters(program, kind, machine.at('lock'));
    expect([waiters.map(({ task }) => task), problem]).toEqual([
      [machine.at('first'), machine.at('second')],
      undefined,
    ]);
  });

  it('waits for an rt_mutex by the slow path alone where mutexes are none inside', () => {
    const machine = new Machine();
    const { image } = machine.tasks;
    image.struct('mutex', { owner: 'atomic_long_t', wait_list: 'struct list_head' });
    image.place('lock', 'struct rt_mutex', { 'rtmutex.owner': ref('holder', 1) });
    machine.queue('lock.rtmutex', ['first']);
    expect(machine.find('first', ['rt_mutex_schedule', 'rt_mutex_slowlock', 'take'])?.kind).toBe('rt_mutex');
  });

  it('waits for nothing that is known where no function says what the rt_mutex is', () => {
    const machine = new Machine();
    machine.tasks.image.place('lock', 'struct mutex', { 'rtmutex.owner': ref('holder', 1) });
    machine.queue('lock.rtmutex', ['first']);
    expect(machine.find('first', ['schedule', 'do_nanosleep'])).toBeUndefined();
    expect(machine.find('first', ['mutex_lock'])?.kind).toBe('mutex');
    machine.tasks.image.write('first.__state', 0);
    expect(machine.find('first', ['mutex_lock'])).toBeUndefined();
  });
});

describe('a writer that waits for the readers of a rw_semaphore', () => {
  /** 'holder' reads, 'writer' owns the rt_mutex inside, 'first' and 'second' wait for that. */
  function machine(readers = 1): Machine {
    const made = new Machine();
    const { image } = made.tasks;
    const words = { 'rwbase.readers': readers, 'rwbase.rtmutex.owner': ref('writer', 1) };
    image.place('lock', 'struct rw_semaphore', words);
    image.place('argument', 'u64', ref('lock'), { at: add(image.address('writer stack'), 8 * (SP + 20)) });
    return made.queue('lock.rwbase.rtmutex', ['first', 'second']);
  }
  const WRITING = ['__schedule', 'schedule', 'rwbase_write_lock', 'path_openat'];

  it('is named by the lock, and stands before all others', () => {
    const made = machine();
    expect(made.find('writer', WRITING)).toEqual<LockWait>({
      kind: 'rw_semaphore',
      lock: made.at('lock'),
      waiter: { address: made.at('lock.rwbase.rtmutex'), task: made.at('writer'), mode: 'write' },
      func: 'rwbase_write_lock',
      shownBy: 'lock',
    });
    const program = programOfImage(made.tasks.image);
    expect(lockWaiters(program, 'rw_semaphore', made.at('lock')).waiters).toEqual([
      { address: made.at('lock.rwbase.rtmutex'), task: made.at('writer'), mode: 'write' },
      { address: made.at('first waiter'), task: made.at('first'), mode: undefined },
      { address: made.at('second waiter'), task: made.at('second'), mode: undefined },
    ]);
  });

  it.each([
    ['has the lock already', 0x40000000],
    ['has not asked the readers to leave', 0x80000001],
  ])('does not when it %s', (_what, readers) => {
    const made = machine(readers);
    expect(made.find('writer', WRITING)).toBeUndefined();
    const program = programOfImage(made.tasks.image);
    expect(lockWaiters(program, 'rw_semaphore', made.at('lock')).waiters.length).toBe(2);
  });

  it('is not one that stands elsewhere, or whose stack has two such locks', () => {
    expect(machine().find('writer', ['__schedule', 'schedule', 'do_nanosleep'])).toBeUndefined();
    const made = machine();
    const { image } = made.tasks;
    image.place('other', 'struct rw_semaphore', { 'rwbase.readers': 1, 'rwbase.rtmutex.owner': ref('writer') });
    image.place('second argument', 'u64', ref('other'), { at: add(made.at('writer stack'), 8 * (SP + 30)) });
    expect(made.find('writer', WRITING)).toBeUndefined();
  });

  it('is told even where the tree behind it is damaged', () => {
    const made = machine();
    made.tasks.image.write('first waiter.tree.entry.__rb_parent_color', ref('second waiter'));
    const { waiters, problem } = lockWaiters(programOfImage(made.tasks.image), 'rw_semaphore', made.at('lock'));
    expect(waiters.map(({ task }) => task)).toEqual([made.at('writer')]);
    expect(problem).toContain('its parent is another node');
  });
});
