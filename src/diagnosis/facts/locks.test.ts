import { describe, expect, it } from 'vitest';
import { contextOf, type TestContext } from '../../../test/builders/facts.ts';
import { type KernelImage, ref } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { type ContendedLock, locksFact } from './locks.ts';

function locksOf(
  incident: Incident,
  damage?: (image: KernelImage) => void,
): { readonly context: TestContext; readonly locks: readonly ContendedLock[] } {
  const context = contextOf(incident.program(damage));
  return { context, locks: context.use(locksFact).locks };
}

const pids = (lock: ContendedLock | undefined): readonly number[] =>
  (lock?.waiters ?? []).map((waiter) => waiter.task.pid);

/** A mutex with waiters 20, 21 ... in this order, held by pid 10. */
function queue(n: number): Incident {
  const incident = new Incident();
  const lock = incident.lock('mutex', 'a_lock');
  incident.held(lock, incident.task('holder', { pid: 10 }));
  incident.tasks(n, 'waiter', (i) => ({ pid: 20 + i, waits: [lock] }));
  return incident;
}

describe('locks', () => {
  it('finds a rw_semaphore, its queue in order and what each waits for', () => {
    const incident = new Incident();
    const { directory } = incident;
    const ps = incident.task('ps', { pid: 96 });
    incident.held(directory, ps, 'read', 3);
    incident.task('crond-log', { pid: 101, waits: [directory, 'write'] });
    incident.task('top', { pid: 106, waits: [directory, 'read'] });
    const { locks } = locksOf(incident);
    expect(locks).toMatchObject([
      {
        kind: 'rw_semaphore',
        address: directory.address,
        waiters: [
          { task: { pid: 101 }, mode: 'write', waiter: incident.image.address('waiter101') },
          { task: { pid: 106 }, mode: 'read' },
        ],
        owner: { pid: 96 },
        ownerIs: 'hint',
        rwsem: { heldBy: 'readers', readers: 3 },
        problems: [],
      },
    ]);
  });

  it('finds mutexes and semaphores, most waiters first', () => {
    const incident = queue(2);
    const semaphore = incident.lock('semaphore', 'a_semaphore');
    incident.tasks(3, 'downer', (i) => ({ pid: 40 + i, waits: [semaphore] }));
    const { locks, context } = locksOf(incident);
    expect(locks).toMatchObject([
      { kind: 'semaphore', address: semaphore.address, owner: undefined, ownerIs: undefined },
      { kind: 'mutex', owner: { pid: 10 }, ownerIs: 'exact' },
    ]);
    expect(pids(locks[0])).toEqual([40, 41, 42]);
    const { waitOf } = context.use(locksFact);
    const waiter = locks[1]?.waiters[1]?.task;
    expect(waiter === undefined ? undefined : waitOf(waiter)).toBe(locks[1]);
    const holder = locks[1]?.owner;
    expect(holder === undefined ? 'no owner' : waitOf(holder)).toBeUndefined();
  });

  it('knows the writer exactly', () => {
    const incident = new Incident();
    incident.held(incident.directory, incident.task('mv', { pid: 30 }), 'write');
    incident.task('ls', { pid: 31, waits: [incident.directory, 'read'] });
    expect(locksOf(incident).locks).toMatchObject([
      { owner: { pid: 30 }, ownerIs: 'exact', rwsem: { heldBy: 'writer', readers: undefined } },
    ]);
  });

  it('is silent about tasks that sleep elsewhere with words of a lock on their stacks', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'a_lock');
    const keeps = [ref(lock.label), ref('task20'), ref('task20')];
    incident.task('sleeper', { pid: 20, stack: ['__schedule', 'schedule', { func: 'do_nanosleep', keeps }] });
    incident.task('unqueued', { pid: 21, stack: ['__schedule', 'schedule', '__mutex_lock', 'a_driver'] });
    const { locks, context } = locksOf(incident);
    expect(locks).toEqual([]);
    expect(context.coverage.find(({ what }) => what === 'lock waits')).toEqual({
      what: 'lock waits',
      read: 0,
      total: 1,
      missing: ['pid 21: sleeps in __mutex_lock, and no lock was found'],
    });
  });

  it('takes a waiter that runs again from the lock, not from its stack', () => {
    const incident = queue(3);
    const { locks } = locksOf(incident, (image) => image.write('task20.__state', 0));
    expect(pids(locks[0])).toEqual([20, 21, 22]);
    expect(locks[0]?.onStacks).toBe(2);
  });

  it('keeps those beyond the break of a list, and tells of the one at it', () => {
    const { locks, context } = locksOf(queue(6), (image) => image.write('waiter22.list.next', 0x1000));
    expect(locks).toHaveLength(1);
    // 23 is the one whose neighbour does not point to it any more.
    expect(new Set(pids(locks[0]))).toEqual(new Set([20, 21, 22, 24, 25]));
    expect(locks[0]?.problems).toHaveLength(1);
    expect(context.coverage.find(({ what }) => what === 'lock waits')).toEqual({
      what: 'lock waits',
      read: 5,
      total: 6,
      missing: ['pid 23: sleeps in __mutex_lock, and no lock was found'],
    });
  });

  it('tells of waiters that no lock was found for', () => {
    const { locks, context } = locksOf(queue(5), (image) => {
      image.write('waiter21.list.next', 0x1000);
      image.write('waiter23.list.prev', 0x1000);
    });
    expect(new Set(pids(locks[0]))).toEqual(new Set([20, 21, 24]));
    const cover = context.coverage.find(({ what }) => what === 'lock waits');
    expect(cover).toMatchObject({ read: 3, total: 5 });
    expect(cover?.missing).toEqual(['pid 22: sleeps in __mutex_lock, and no lock was found (and 1 more like it)']);
  });

  it('ends on a list that runs into itself', () => {
    const { locks } = locksOf(queue(4), (image) => image.write('waiter23.list.next', ref('waiter21.list')));
    expect(new Set(pids(locks[0]))).toEqual(new Set([20, 21, 22, 23]));
    expect(locks[0]?.problems).not.toEqual([]);
  });

  it('says once that waiters name tasks that are on no list', () => {
    const { locks } = locksOf(queue(5), (image) => {
      image.write('waiter21.task', 0xffff888000000000n);
      image.write('waiter22.task', 0xffff888000000040n);
    });
    expect(pids(locks[0])).toEqual([20, 23, 24]);
    expect(locks[0]?.problems).toEqual(['2 waiters name tasks that are on no list']);
  });

  it('does not hold it against a lock that its last reader is gone', () => {
    const incident = new Incident();
    const { directory } = incident;
    incident.held(directory, incident.task('ps', { pid: 96 }), 'read', 1);
    incident.task('top', { pid: 106, waits: [directory, 'read'] });
    const gone = 0xffff8880deadbe40n;
    const { locks } = locksOf(incident, (image) => image.write(`${directory.label}.owner`, gone | 1n));
    expect(locks).toMatchObject([{ owner: undefined, ownerIs: undefined, ownerGone: gone, problems: [] }]);
  });

  it('reads the counting mutexes of 3.10', () => {
    const incident = new Incident('3.10');
    const { directory } = incident;
    incident.held(directory, incident.task('ps', { pid: 24156, state: 'R' }));
    incident.tasks(3, 'top', (i) => ({ pid: 30_000 + i, waits: [directory] }));
    const { locks } = locksOf(incident);
    expect(locks).toMatchObject([{ kind: 'mutex', owner: { pid: 24156 }, ownerIs: 'exact', problems: [] }]);
    expect(pids(locks[0])).toEqual([30_000, 30_001, 30_002]);
  });
});
