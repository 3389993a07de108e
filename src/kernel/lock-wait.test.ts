import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { SP, two, USUAL, WAITER, Waits } from '../../test/builders/waits.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import type { LockWait } from './lock-wait.ts';
import { newRingCache } from './waiter-ring.ts';

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

describe('a lock whose owner is gone', () => {
  it.each([
    ['mutex', { owner: 0xffff888099999041n }, 'mutex'],
    ['rw_semaphore', { count: 3, owner: 0xffff888099999040n }, 'rw_semaphore'],
    // No task begins there.
    ['mutex', { owner: 0xffff888099999009n }, undefined],
    ['rw_semaphore', { count: 3, owner: 0xffff888099999008n }, undefined],
  ] as const)('%s, case %#', (kind, value, found) => {
    expect(two(kind, [USUAL[kind]], value).find('first')?.kind).toBe(found);
  });
});
