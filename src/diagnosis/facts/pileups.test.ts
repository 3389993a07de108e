import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { circle } from '../../../test/builders/scenes.ts';
import { type PileUp, pileUpsFact } from './pileups.ts';

function pileUpsOf(incident: Incident, damage?: (image: KernelImage) => void): readonly PileUp[] {
  return contextOf(incident.program(damage)).use(pileUpsFact);
}

const victimPids = ({ victims }: PileUp): readonly number[] => victims.map(({ task }) => task.pid);
const cyclePids = ({ cycle }: PileUp): readonly number[] => cycle.map(({ holder }) => holder.task.pid);

describe('pile-ups', () => {
  it('groups who waits for one lock by name, longest wait first', () => {
    const incident = new Incident();
    const { directory } = incident;
    const ps = incident.task('ps', { pid: 96, offCpu: 9 });
    incident.held(directory, ps, 'read');
    incident.task('crond-log', { pid: 101, offCpu: 7, waits: [directory, 'write'] });
    incident.tasks(3, 'top', (i) => ({ pid: 110 + i, offCpu: 4 + i, waits: [directory, 'read'] }));
    const [pileUp, ...others] = pileUpsOf(incident);
    expect(others).toEqual([]);
    expect(pileUp).toMatchObject({
      holder: { task: { pid: 96 } },
      holderOffCpu: 9_000_000_000n,
      name: { path: '/srv/data' },
      cycle: [],
      behind: [],
      groups: [
        {
          comm: 'top',
          victims: [{ task: { pid: 112 }, mode: 'read' }, { task: { pid: 111 } }, { task: { pid: 110 } }],
        },
        { comm: 'crond-log', victims: [{ task: { pid: 101 }, mode: 'write', wait: 7_000_000_000n }] },
      ],
      longest: { task: { pid: 101 } },
    });
    expect(pileUp === undefined ? [] : victimPids(pileUp)).toEqual([101, 110, 111, 112]);
  });

  it('keeps locks apart that have nothing to do with each other, the longer queue first', () => {
    const incident = new Incident();
    const [a, b] = [incident.lock('mutex', 'a'), incident.lock('mutex', 'b')];
    incident.held(a, incident.task('holder', { pid: 10 }));
    incident.held(b, incident.task('holder', { pid: 11 }));
    incident.task('one', { pid: 20, waits: [a] });
    incident.tasks(2, 'two', (i) => ({ pid: 30 + i, waits: [b] }));
    expect(pileUpsOf(incident).map((pileUp) => [pileUp.lock.address, pileUp.victims.length])).toEqual([
      [b.address, 2],
      [a.address, 1],
    ]);
  });

  it('counts those behind a lock when it looks for the largest', () => {
    const incident = new Incident();
    const root = incident.lock('mutex', 'root');
    incident.held(root, incident.task('culprit', { pid: 10 }));
    for (const n of [1, 2]) {
      const behind = incident.lock('mutex', `behind ${n}`);
      incident.held(behind, incident.task('between', { pid: 10 + n, waits: [root] }));
      incident.tasks(2, 'waiter', (i) => ({ pid: 20 * n + i, waits: [behind] }));
    }
    const queue = incident.lock('mutex', 'queue');
    incident.tasks(3, 'queued', (i) => ({ pid: 90 + i, waits: [queue] }));
    expect(pileUpsOf(incident).map((pileUp) => [pileUp.lock.address, pileUp.victims.length])).toEqual([
      [root.address, 6],
      [queue.address, 3],
    ]);
  });

  it('tells only the root of a chain, and counts those behind it', () => {
    const incident = new Incident();
    const root = incident.lock('mutex', 'root');
    const middle = incident.lock('mutex', 'middle');
    incident.held(root, incident.task('culprit', { pid: 10 }));
    incident.held(middle, incident.task('between', { pid: 11, waits: [root] }));
    incident.held(incident.directory, incident.task('lister', { pid: 12, waits: [middle] }), 'write');
    incident.tasks(4, 'top', (i) => ({ pid: 20 + i, waits: [incident.directory, 'read'] }));
    const pileUps = pileUpsOf(incident);
    expect(pileUps).toMatchObject([{ lock: { address: root.address }, holder: { task: { pid: 10 } }, cycle: [] }]);
    expect(pileUps.map(victimPids)).toEqual([[11, 20, 21, 22, 23, 12]]);
    expect(pileUps[0]?.behind.map(({ address }) => address)).toEqual([incident.directory.address, middle.address]);
  });

  it('follows no bare hint: the last reader of a lock may have let go of it', () => {
    const incident = new Incident();
    const root = incident.lock('mutex', 'root');
    incident.held(root, incident.task('culprit', { pid: 10 }));
    incident.held(incident.directory, incident.task('passed by', { pid: 11, waits: [root] }), 'read');
    incident.tasks(3, 'top', (i) => ({ pid: 20 + i, waits: [incident.directory, 'read'] }));
    expect(pileUpsOf(incident).map((pileUp) => [pileUp.lock.address, pileUp.behind.length])).toEqual([
      [incident.directory.address, 0],
      [root.address, 0],
    ]);
  });

  it.each([2, 3, 7])('finds a circle of %i, once and no larger than it is', (size) => {
    const incident = new Incident();
    const locks = circle(incident, size);
    const pileUps = pileUpsOf(incident);
    expect(pileUps).toHaveLength(1);
    expect(pileUps[0]?.lock.address).toBe(locks[0]?.address);
    expect(new Set(pileUps.flatMap(cyclePids))).toEqual(new Set(Array.from({ length: size }, (_, i) => 10 + i)));
    expect(pileUps[0]?.cycle).toHaveLength(size);
    expect(pileUps[0]?.victims).toHaveLength(size);
  });

  it('counts who waits for a circle, directly or behind further locks, but not into it', () => {
    const incident = new Incident();
    const [first, second] = circle(incident, 2);
    if (first === undefined || second === undefined) throw new Error('a circle of two has two locks');
    const tail = incident.lock('mutex', 'tail', { at: 0xffff888000050000n });
    incident.held(tail, incident.task('outsider', { pid: 30, waits: [second] }));
    incident.tasks(2, 'behind', (i) => ({ pid: 40 + i, waits: [tail] }));
    const pileUps = pileUpsOf(incident);
    expect(pileUps).toHaveLength(1);
    expect(new Set(pileUps.flatMap(cyclePids))).toEqual(new Set([10, 11]));
    expect(new Set(pileUps.flatMap(victimPids))).toEqual(new Set([10, 11, 30, 40, 41]));
    // The lock with the lowest address gives the circle its name, but the tail is no part of it.
    expect(pileUps[0]?.lock.address).toBe(first.address);
  });

  it('calls a task that waits for its own mutex a circle of one', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'twice');
    incident.held(lock, incident.task('driver', { pid: 10, waits: [lock] }));
    const pileUps = pileUpsOf(incident);
    expect(pileUps.map(cyclePids)).toEqual([[10]]);
    expect(pileUps.map(victimPids)).toEqual([[10]]);
  });

  it('ends on a chain of a hundred locks', () => {
    const incident = new Incident();
    const locks = Array.from({ length: 100 }, (_, i) => incident.lock('mutex', `chain ${i}`));
    locks.forEach((lock, i) => {
      const next = locks[i + 1];
      incident.held(lock, incident.task('link', { pid: 100 + i, ...(next === undefined ? {} : { waits: [next] }) }));
    });
    const first = locks[0];
    if (first === undefined) throw new Error('the chain has locks');
    incident.task('last', { pid: 999, waits: [first] });
    const pileUps = pileUpsOf(incident);
    expect(pileUps.flatMap(victimPids)).toHaveLength(100);
    expect(pileUps).toMatchObject([{ lock: { address: locks.at(-1)?.address } }]);
  });

  it('has a queue without anybody who holds the lock', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'free');
    incident.tasks(3, 'waiter', (i) => ({ pid: 20 + i, waits: [lock] }));
    expect(pileUpsOf(incident)).toMatchObject([{ holder: undefined, holderOffCpu: undefined, cycle: [] }]);
  });

  it('does without waits that are not known', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'a_lock');
    incident.held(lock, incident.task('holder', { pid: 10 }));
    incident.tasks(3, 'waiter', (i) => ({ pid: 20 + i, offCpu: 5 + i, waits: [lock] }));
    const [pileUp] = pileUpsOf(incident, (image) => {
      image.write('task20.sched_info.last_arrival', 0);
      image.write('task22.sched_info.last_arrival', 0);
    });
    expect(pileUp?.victims.map(({ wait }) => wait)).toEqual([undefined, 6_000_000_000n, undefined]);
    expect(pileUp?.longest?.task.pid).toBe(21);
  });
});
