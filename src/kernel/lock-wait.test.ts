import { describe, expect, it } from 'vitest';
import { ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { add, type VirtAddr, virt } from '../base/address.ts';
import { FaultError, LookupError, ValidationError } from '../base/errors.ts';
import type { ListedKind } from './lock-kinds.ts';
import { lockWaiters } from './lock-queue.ts';
import { findLockWait, type LockWait } from './lock-wait.ts';
import { readTasks } from './sched.ts';
import type { NamedFrame } from './stack.ts';
import { newRingCache, type RingCache } from './waiter-ring.ts';

type LockKind = ListedKind['kind'];

/** Words of a stack: where the frames begin, and where waiters are put. */
const SP = 1500;
const WAITER = 1600;
const FRAME_END = 1700;
const OWNER_FLAGS = { mutex: 1, rw_semaphore: 3, semaphore: 0 } as const;

const USUAL: { readonly [K in LockKind]: string } = {
  mutex: '__mutex_lock',
  rw_semaphore: 'rwsem_down_read_slowpath',
  semaphore: '__down_common',
};

/** Processes that wait for locks. */
class Waits {
  readonly tasks = new TasksBuilder();
  readonly funcs = new Map<string, readonly string[]>();

  constructor(layout: 'today' | 'until 4.9' = 'today') {
    const { image } = this.tasks;
    const today = layout === 'today';
    const list = 'struct list_head';
    const task = 'struct task_struct *';
    image.struct(
      'mutex',
      today
        ? { owner: 'atomic_long_t', wait_lock: 'raw_spinlock_t', osq: 'atomic_t', wait_list: list }
        : { count: 'atomic_t', wait_lock: 'spinlock_t', wait_list: list },
    );
    image.struct(
      'rw_semaphore',
      today
        ? { count: 'atomic_long_t', owner: 'atomic_long_t', osq: 'atomic_t', wait_lock: 'spinlock_t', wait_list: list }
        : { count: 'atomic_long_t', wait_list: list, wait_lock: 'spinlock_t' },
    );
    image.struct('semaphore', { lock: 'raw_spinlock_t', count: 'unsigned int', wait_list: list });
    image.enum('rwsem_waiter_type', ['RWSEM_WAITING_FOR_WRITE', 'RWSEM_WAITING_FOR_READ']);
    image.struct('mutex_waiter', { list, task, ww_ctx: 'void *' });
    image.struct('rwsem_waiter', { list, task, type: 'enum rwsem_waiter_type', timeout: 'unsigned long' });
    image.struct('semaphore_waiter', { list, task, up: 'bool' });
  }

  add(label: string, funcs: readonly string[] = []): this {
    this.tasks.add(label, { pid: 100 + this.funcs.size, __state: 2 });
    this.funcs.set(label, funcs);
    return this;
  }

  /** The waiter lies on the stack: its words are those of `struct rwsem_waiter`. */
  waiter(label: string, value: { readonly task?: Value; readonly type?: number } = {}, word = WAITER): string {
    const at = this.word(label, word);
    const name = word === WAITER ? `${label} waiter` : `${label} waiter ${word}`;
    this.tasks.image.place(name, 'struct rwsem_waiter', { task: ref(label), ...value }, { at });
    return `${name}.list`;
  }

  word(label: string, word: number): VirtAddr {
    return add(this.tasks.image.address(`${label} stack`), 8 * word);
  }

  /** A lock whose waiters are these tasks; held by 'holder'. */
  lock(
    kind: LockKind,
    label: string,
    waiters: readonly string[],
    value: { readonly [path: string]: Value } = {},
  ): void {
    const held = {
      mutex: { owner: ref('holder', OWNER_FLAGS.mutex) },
      rw_semaphore: { count: 0x102, owner: ref('holder', OWNER_FLAGS.rw_semaphore) },
      semaphore: { count: 0 },
    }[kind];
    this.tasks.image.place(label, `struct ${kind}`, { ...held, ...value });
    this.tasks.image.list(`${label}.wait_list`, waiters);
  }

  find(label: string, options: { readonly known?: (label: string) => boolean; readonly rings?: RingCache } = {}) {
    const { image } = this.tasks;
    const program = programOfImage(image);
    const tasks = readTasks(program).tasks.filter((task) => options.known?.(task.comm) ?? true);
    const addresses = new Set(tasks.map((task) => task.address));
    const task = readTasks(program).tasks.find((each) => each.address === image.address(label));
    if (task === undefined) throw new Error(`no task ${label}`);
    const funcs = this.funcs.get(label) ?? [];
    const frames = funcs.map((func, i): NamedFrame => {
      const sp = this.word(label, i === 0 ? SP : FRAME_END + 10 * (i - 1));
      const cfa = this.word(label, FRAME_END + 10 * i);
      const none = { pc: virt(0n), exact: false, source: 'orc', registersAt: undefined, symbol: undefined } as const;
      return { ...none, sp, cfa, func };
    });
    return findLockWait(program, task, frames, (address) => addresses.has(address), options.rings);
  }

  at(label: string): VirtAddr {
    return this.tasks.image.address(label);
  }
}

/** 'first' and 'second' wait for a lock that 'holder' has. */
function two(kind: LockKind, funcs: readonly string[] = [USUAL[kind]], value = {}): Waits {
  const waits = new Waits().add('holder').add('first', funcs).add('second', funcs);
  const nodes = [waits.waiter('first'), waits.waiter('second', { type: 1 })];
  waits.lock(kind, 'lock', nodes, value);
  waits.tasks.link();
  return waits;
}

describe('findLockWait', () => {
  it.each(['mutex', 'rw_semaphore', 'semaphore'] as const)('finds the %s that a task waits for', (kind) => {
    const waits = two(kind);
    const isRwsem = kind === 'rw_semaphore';
    expect(waits.find('first')).toEqual<LockWait>({
      kind,
      lock: waits.at('lock'),
      waiter: {
        address: waits.at('first waiter'),
        task: waits.at('first'),
        mode: isRwsem ? 'write' : undefined,
      },
      func: USUAL[kind],
      shownBy: 'stack',
    });
    expect(waits.find('second')).toMatchObject({
      lock: waits.at('lock'),
      waiter: { mode: isRwsem ? 'read' : undefined },
    });
    expect(waits.find('holder')).toBeUndefined();
  });

  it.each([
    ['mutex', ['__mutex_lock', 'mutex_lock_killable']],
    ['mutex', ['__ww_mutex_lock', 'work']],
    ['mutex', ['__mutex_lock_slowpath', 'mutex_lock']],
    ['rw_semaphore', ['rwsem_down_write_slowpath', 'down_write_killable']],
    ['rw_semaphore', ['rwsem_down_read_failed', 'call_rwsem_down_read_failed', 'down_read']],
    ['rw_semaphore', ['down_write', 'open_exec']],
    ['semaphore', ['___down_common', '__down_interruptible', 'down_interruptible']],
    ['semaphore', ['down', 'console_lock']],
  ] as const)('knows the functions of a %s: %j', (kind, funcs) => {
    expect(two(kind, funcs).find('first')).toMatchObject({ kind, func: funcs[0] });
  });

  it('knows the kind by any function of the stack when the frame of the waiter has no name', () => {
    for (const [kind, func] of [
      ['rw_semaphore', 'down_read_killable'],
      ['mutex', 'mutex_lock'],
      ['semaphore', 'down_timeout'],
    ] as const) {
      const found = two(kind, ['unknown', func]).find('first');
      expect(found).toMatchObject({ kind, func: 'unknown' });
    }
  });

  it('finds it whoever holds it, and when nobody does', () => {
    expect(two('mutex', ['mutex_lock'], { owner: 1 }).find('first')?.kind).toBe('mutex');
    expect(two('rw_semaphore', ['down_read'], { count: 2, owner: 0 }).find('first')?.kind).toBe('rw_semaphore');
    // The reader that took it last has exited.
    const exited = { owner: 0xffff888099999001n };
    expect(two('rw_semaphore', ['down_read'], exited).find('first')?.kind).toBe('rw_semaphore');
  });

  it('finds it in the layouts until 4.9', () => {
    for (const [kind, value] of [
      ['mutex', { count: -1 }],
      ['rw_semaphore', { count: 0xfffffffe00000001n }],
    ] as const) {
      const waits = new Waits('until 4.9').add('first', [USUAL[kind]]);
      waits.tasks.image.place('lock', `struct ${kind}`, value);
      waits.tasks.image.list('lock.wait_list', [waits.waiter('first')]);
      waits.tasks.link();
      expect(waits.find('first')).toMatchObject({ kind, lock: waits.at('lock') });
    }
  });

  it('finds a lock at the end of a page, and one before a pointer to a task', () => {
    const waits = new Waits().add('first', ['mutex_lock']).add('holder');
    const node = waits.waiter('first');
    // The word behind the list_head of a waiter is its task; behind that of a lock it may be anything.
    waits.tasks.image.struct('guarded', { lock: 'struct mutex', user: 'struct task_struct *' });
    waits.tasks.image.place('guarded', 'struct guarded', { 'lock.owner': ref('holder', 1), user: ref('holder') });
    waits.tasks.image.list('guarded.lock.wait_list', [node]);
    waits.tasks.link();
    expect(waits.find('first')).toMatchObject({ lock: waits.at('guarded.lock') });
    const edge = new Waits().add('first', ['mutex_lock']).add('holder');
    const at = 0xffff888090000000n - 32n - 8n;
    edge.tasks.image.place('edge', 'struct mutex', { owner: ref('holder', 1) }, { at: at + 8n });
    edge.tasks.image.list('edge.wait_list', [edge.waiter('first')]);
    edge.tasks.link();
    expect(edge.find('first')).toMatchObject({ lock: edge.at('edge') });
  });

  it('walks a list once when it is given the same rings', () => {
    const waits = two('rw_semaphore');
    const rings = newRingCache();
    const first = waits.find('first', { rings });
    expect(rings.rings.size).toBe(3);
    // Had it walked again, it would have found the damage.
    waits.tasks.image.write('second waiter.list.next', 0xffff900000000000n);
    waits.tasks.image.write('second waiter.list.next', ref('lock.wait_list'));
    expect(waits.find('second', { rings })?.lock).toBe(first?.lock);
    expect(rings.rings.size).toBe(3);
  });
});

describe('look-alikes', () => {
  it('are not looked for in tasks that run, wake up, or stand in no function of a lock', () => {
    const running = two('mutex');
    running.tasks.running('first', 0);
    expect(running.find('first')).toBeUndefined();
    const awake = two('mutex');
    awake.tasks.image.write('first.__state', 0);
    expect(awake.find('first')).toBeUndefined();
    expect(two('mutex', ['schedule', 'do_nanosleep', 'down_the_road_not']).find('first')).toBeUndefined();
    expect(two('mutex', []).find('first')).toBeUndefined();
  });

  it('below the stack pointer are of calls that have returned', () => {
    const waits = new Waits().add('holder').add('first', ['mutex_lock']);
    waits.lock('mutex', 'lock', [waits.waiter('first', {}, SP - 10)]);
    waits.tasks.link();
    expect(waits.find('first')).toBeUndefined();
  });

  it('that name another task belong to it', () => {
    const waits = new Waits().add('holder').add('first', ['mutex_lock']).add('other');
    waits.lock('mutex', 'lock', [waits.waiter('first', { task: ref('other') })]);
    waits.tasks.link();
    expect(waits.find('first')).toBeUndefined();
  });

  it('that are linked to themselves only were prepared and not queued', () => {
    const waits = new Waits().add('holder').add('first', ['mutex_lock']);
    const node = waits.waiter('first');
    waits.lock('mutex', 'lock', []);
    waits.tasks.image.list(node);
    waits.tasks.link();
    expect(waits.find('first')).toBeUndefined();
    // The one that is queued may lie above it.
    waits.tasks.image.list('lock.wait_list', [waits.waiter('first', {}, WAITER + 10)]);
    expect(waits.find('first')?.waiter.address).toBe(waits.at('first waiter 1610'));
  });

  it('that nobody links back to were taken off their list', () => {
    const waits = two('mutex');
    waits.tasks.image.list('lock.wait_list', ['second waiter.list']);
    waits.tasks.image.write('first waiter.list.next', ref('second waiter'));
    waits.tasks.image.write('first waiter.list.prev', ref('lock.wait_list'));
    expect(waits.find('first')).toBeUndefined();
    expect(waits.find('second')?.lock).toBe(waits.at('lock'));
  });

  it('whose list has no lock in it, or two things that could be one', () => {
    const ring = new Waits().add('first', ['mutex_lock']).add('second');
    ring.tasks.image.list(ring.waiter('first'), [ring.waiter('second')]);
    ring.tasks.link();
    expect(ring.find('first')).toBeUndefined();
    const heads = new Waits().add('holder').add('first', ['mutex_lock']);
    heads.lock('mutex', 'one', []);
    heads.lock('mutex', 'two', []);
    heads.tasks.image.list('one.wait_list', [heads.waiter('first'), 'two.wait_list']);
    heads.tasks.link();
    expect(heads.find('first')).toBeUndefined();
  });

  it('in a list of many things that are no waiters', () => {
    const waits = new Waits().add('holder').add('first', ['mutex_lock']);
    const node = waits.waiter('first');
    waits.lock('mutex', 'lock', []);
    const others = Array.from({ length: 20 }, (_, i) => `other${i}`);
    for (const other of others) waits.tasks.image.place(other, 'struct semaphore_waiter');
    waits.tasks.image.list('lock.wait_list', [...others.map((other) => `${other}.list`), node]);
    waits.tasks.link();
    const rings = newRingCache();
    expect(waits.find('first', { rings })).toBeUndefined();
    expect(rings.rings.size).toBeLessThan(10);
  });

  it.each([
    ['mutex without waiters', 'mutex', { owner: 0 }],
    ['mutex that says nobody waits', 'mutex', { owner: ref('holder') }],
    ['mutex with garbage', 'mutex', { owner: 0x6b6b6b6b6b6b6b6bn }],
    ['mutex owned by what is no task', 'mutex', { owner: ref('lock', 1) }],
    ['rw_semaphore that says nobody waits', 'rw_semaphore', { count: 0x100 }],
    ['rw_semaphore owned by garbage', 'rw_semaphore', { owner: 0x6b6b6b6b6b6b6b6bn }],
    ['rw_semaphore with more readers than can be', 'rw_semaphore', { count: 0x4b6b6b6b6b6b6b6bn & ~1n }],
    ['rw_semaphore written by what is no task', 'rw_semaphore', { count: 3, owner: ref('lock') }],
    ['semaphore that is free', 'semaphore', { count: 1 }],
    ['semaphore with garbage', 'semaphore', { count: 0xffff8880 }],
  ] as const)('in the list of a %s', (_name, kind, value) => {
    expect(two(kind, [USUAL[kind]], value).find('first')).toBeUndefined();
  });

  it('of one kind are not taken for another', () => {
    // Read as a mutex, the owner word of this lock would be a task with waiters.
    expect(two('rw_semaphore', ['mutex_lock']).find('first')?.kind).not.toBe('rw_semaphore');
    expect(two('rw_semaphore', ['down_read']).find('first')?.kind).toBe('rw_semaphore');
    expect(two('mutex', ['down_write']).find('first')).toBeUndefined();
  });
});

describe('damaged lists of waiters', () => {
  /** a, b, c, d and e wait in this order. */
  function queue(): Waits {
    const labels = ['a', 'b', 'c', 'd', 'e'];
    const waits = new Waits().add('holder');
    for (const label of labels) waits.add(label, ['mutex_lock']);
    waits.lock(
      'mutex',
      'lock',
      labels.map((label) => waits.waiter(label)),
    );
    waits.tasks.link();
    return waits;
  }

  it('lead to the lock from the side that is whole', () => {
    for (const damage of [0, 0x4141, 0xffff900000000000n, ref('holder')] as const) {
      const waits = queue();
      waits.tasks.image.write('c waiter.list.next', damage);
      for (const label of ['a', 'b', 'e']) expect(waits.find(label)?.lock).toBe(waits.at('lock'));
      // Their own links, or those of their neighbour, do not prove any more that they are queued.
      for (const label of ['c', 'd']) expect(waits.find(label)).toBeUndefined();
    }
  });

  it('broken on both sides are told', () => {
    const waits = queue();
    waits.tasks.image.write('a waiter.list.next', 0);
    waits.tasks.image.write('e waiter.list.prev', 0);
    expect(() => waits.find('c')).toThrow(ValidationError);
    expect(() => waits.find('c')).toThrow('next does not point back');
    waits.tasks.image.write('d waiter.list.next', 0xffff900000000000n);
    expect(() => waits.find('c')).toThrow(FaultError);
  });

  it('with a waiter that is on no list of tasks still lead to the lock', () => {
    const waits = two('rw_semaphore');
    expect(waits.find('first', { known: (label) => label !== 'second' })?.lock).toBe(waits.at('lock'));
  });

  it('whose lock lies on a lost page are told', () => {
    const waits = new Waits().add('holder').add('first').add('second', ['mutex_lock']).add('third');
    const nodes = ['first', 'second', 'third'].map((label) => waits.waiter(label));
    waits.tasks.image.place('lost', 'struct mutex', {}, { page: 'lost' });
    waits.tasks.image.list('lost.wait_list', nodes);
    waits.tasks.link();
    expect(() => waits.find('second')).toThrow(FaultError);
  });
});

describe('lockWaiters', () => {
  it('are in queue order, with what they wait for', () => {
    const waits = two('rw_semaphore');
    const program = programOfImage(waits.tasks.image);
    expect(lockWaiters(program, 'rw_semaphore', waits.at('lock'))).toEqual({
      waiters: [
        { address: waits.at('first waiter'), task: waits.at('first'), mode: 'write' },
        { address: waits.at('second waiter'), task: waits.at('second'), mode: 'read' },
      ],
      problem: undefined,
    });
    waits.lock('mutex', 'free', []);
    expect(lockWaiters(programOfImage(waits.tasks.image), 'mutex', waits.at('free')).waiters).toEqual([]);
  });

  it('end where the list is broken, and say so', () => {
    for (const [path, value, count, problem] of [
      ['second waiter.list.prev', 0, 1, 'does not point back'],
      ['first waiter.list.next', 0, 1, 'does not end'],
      ['first waiter.list.next', 0xffff900000000000n, 1, 'absent'],
      ['second waiter.list.next', ref('first waiter'), 2, 'does not point back'],
      ['first waiter.type', 7, 2, undefined],
    ] as const) {
      const waits = two('rw_semaphore');
      waits.tasks.image.write(path, value);
      const found = lockWaiters(programOfImage(waits.tasks.image), 'rw_semaphore', waits.at('lock'));
      expect([path, found.waiters.length]).toEqual([path, count]);
      expect(found.problem ?? '').toContain(problem ?? '');
      expect(found.problem === undefined).toBe(problem === undefined);
    }
  });

  it('of a layout that is not known cannot be read', () => {
    const tasks = new TasksBuilder();
    tasks.image.struct('mutex', { owner: 'atomic_long_t', first_waiter: 'struct mutex_waiter *' });
    const lock = tasks.image.place('lock', 'struct mutex');
    expect(() => lockWaiters(programOfImage(tasks.image), 'mutex', lock)).toThrow(LookupError);
  });
});
