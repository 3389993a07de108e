import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { SP, USUAL, Waits } from '../../test/builders/waits.ts';
import type { ListedKind } from './lock-kinds.ts';
import { lockWaiters } from './lock-queue.ts';
import type { LockWait } from './lock-wait.ts';

type LockKind = ListedKind['kind'];

describe('a rw_semaphore of el7', () => {
  /** Three wait, and the head of their list has one pointer: behind it lies the owner. */
  function queue(): Waits {
    const waits = new Waits('el7').add('holder');
    const labels = ['a', 'b', 'c'];
    for (const label of labels) waits.add(label, [USUAL.rw_semaphore]);
    const nodes = labels.map((label) => waits.waiter(label));
    const { image } = waits.tasks;
    image.place('lock', 'struct rw_semaphore', { count: 0xfffffffe00000001n, owner: ref('holder') });
    const ring = ['lock.wait_list', ...nodes];
    ring.forEach((node, i) => {
      image.write(`${node}.next`, ref(ring[(i + 1) % ring.length] ?? ''));
      if (i > 0) image.write(`${node}.prev`, ref(ring[i - 1] ?? ''));
    });
    waits.tasks.link();
    return waits;
  }

  it('is found by each of its waiters, and has them in order', () => {
    const waits = queue();
    for (const label of ['a', 'b', 'c']) expect(waits.find(label)?.lock).toBe(waits.at('lock'));
    const program = programOfImage(waits.tasks.image);
    const { waiters, problem } = lockWaiters(program, 'rw_semaphore', waits.at('lock'));
    expect([waiters.map(({ task }) => task), problem]).toEqual([['a', 'b', 'c'].map((l) => waits.at(l)), undefined]);
  });

  it('is not found where a waiter does not point back', () => {
    const waits = queue();
    waits.tasks.image.write('a waiter.list.prev', ref('b waiter'));
    expect(waits.find('a')).toBeUndefined();
    expect(() => waits.find('b')).toThrow('next does not point back');
  });
});

describe('locks since 7.1', () => {
  /** 'first' and 'second' wait; what they were called with lies on their stacks. */
  function pair(kind: LockKind, funcs: readonly string[] = [USUAL[kind]]): Waits {
    const waits = new Waits('since 7.1').add('holder').add('first', funcs).add('second', funcs);
    waits.lock(kind, 'lock', [waits.waiter('first'), waits.waiter('second', { type: 1 })]);
    for (const label of ['first', 'second']) waits.keep(label, ref('lock'));
    waits.tasks.link();
    return waits;
  }

  it.each(['mutex', 'rw_semaphore', 'semaphore'] as const)('are found by a pointer into the ring: a %s', (kind) => {
    const waits = pair(kind);
    for (const label of ['first', 'second']) {
      expect(waits.find(label)).toMatchObject({
        kind,
        lock: waits.at('lock'),
        waiter: { address: waits.at(`${label} waiter`), task: waits.at(label) },
        shownBy: 'stack',
      });
    }
    expect(waits.find('holder')).toBeUndefined();
    const { waiters, problem } = lockWaiters(programOfImage(waits.tasks.image), kind, waits.at('lock'));
    expect(waiters.map(({ task }) => task)).toEqual([waits.at('first'), waits.at('second')]);
    expect(problem).toBeUndefined();
  });

  it('are found by one waiter alone, which is linked to itself', () => {
    const waits = new Waits('since 7.1').add('holder').add('first', ['mutex_lock']);
    waits.lock('mutex', 'lock', [waits.waiter('first')]);
    waits.keep('first', ref('lock'));
    waits.tasks.link();
    expect(waits.find('first')?.lock).toBe(waits.at('lock'));
    // Left over from an earlier call: no lock points to it any more.
    waits.tasks.image.write('lock.first_waiter', 0);
    expect(waits.find('first')).toBeUndefined();
    expect(lockWaiters(programOfImage(waits.tasks.image), 'mutex', waits.at('lock'))).toEqual({
      waiters: [],
      problem: undefined,
    });
  });

  it('are not guessed when two words lead into the ring', () => {
    const waits = pair('mutex');
    waits.tasks.image.place('other', 'struct mutex', { owner: ref('holder', 1), first_waiter: ref('second waiter') });
    waits.keep('first', ref('other'), SP + 30);
    expect(waits.find('first')).toBeUndefined();
    // The task's own word decides.
    waits.tasks.image.write('first.blocker', ref('lock'));
    expect(waits.find('first')?.lock).toBe(waits.at('lock'));
  });

  it('are not taken for a node of the ring', () => {
    const waits = pair('mutex');
    // The word before a waiter, read as a mutex, has the waiter's own link as its first waiter.
    waits.keep('first', ref('second waiter', -16), SP + 30);
    expect(waits.find('first')?.lock).toBe(waits.at('lock'));
  });

  it('are what the task names, when its stack is lost', () => {
    const waits = pair('rw_semaphore');
    waits.tasks.image.write('second.blocker', ref('lock', 2));
    waits.funcs.set('second', []);
    expect(waits.find('second')).toEqual<LockWait>({
      kind: 'rw_semaphore',
      lock: waits.at('lock'),
      waiter: { address: waits.at('second waiter'), task: waits.at('second'), mode: 'read' },
      func: undefined,
      shownBy: 'task',
    });
    // Not in the queue as far as that can be read.
    waits.tasks.image.write('first waiter.list.next', 0xffff900000000000n);
    expect(waits.find('second')?.waiter).toEqual({
      address: waits.at('second'),
      task: waits.at('second'),
      mode: 'read',
    });
  });

  it('are what the task names, when their own page is not in the dump', () => {
    const waits = new Waits('since 7.1').add('first', ['mutex_lock']);
    waits.tasks.image.place('lost', 'struct mutex', {}, { page: 'excluded' });
    waits.tasks.image.write('first.blocker', ref('lost'));
    waits.tasks.link();
    expect(waits.find('first')).toMatchObject({ kind: 'mutex', lock: waits.at('lost'), shownBy: 'task' });
    // Where the machine has no memory there is no lock.
    waits.tasks.image.write('first.blocker', 0xffff900000000000n);
    expect(waits.find('first')).toBeUndefined();
  });

  it('are not believed of a task that names what is no lock with waiters', () => {
    for (const value of [{ owner: ref('holder') }, { owner: 0x6b6b6b6b6b6b6b6bn }] as const) {
      const waits = pair('mutex');
      waits.funcs.set('first', []);
      waits.tasks.image.place('other', 'struct mutex', value);
      waits.tasks.image.write('first.blocker', ref('other'));
      expect(waits.find('first')).toBeUndefined();
    }
  });

  it('whose ring is broken are found as long as their pointer leads into what is left', () => {
    const waits = pair('mutex');
    waits.tasks.image.write('second waiter.list.next', 0);
    expect(waits.find('first')).toBeUndefined();
    const { waiters, problem } = lockWaiters(programOfImage(waits.tasks.image), 'mutex', waits.at('lock'));
    expect(waiters.length).toBe(2);
    expect(problem).toContain('does not end');
    waits.tasks.image.write('lock.first_waiter', 0x41);
    const nowhere = lockWaiters(programOfImage(waits.tasks.image), 'mutex', waits.at('lock'));
    expect(nowhere).toEqual({ waiters: [], problem: expect.stringContaining('begins nowhere') as string });
  });
});
