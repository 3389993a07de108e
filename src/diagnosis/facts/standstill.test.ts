import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { type KernelImage, ref } from '../../../test/builders/image.ts';
import { Incident, type TaskSpec, type TestTask } from '../../../test/builders/incident.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import { psFaults, tops } from '../../../test/builders/scenes.ts';
import { pileUpsFact } from './pileups.ts';
import { type Standstill, standstillFact } from './standstill.ts';

/** Of the longest queue. */
function standstillOf(incident: Incident, damage?: (image: KernelImage) => void): Standstill {
  const context = contextOf(incident.program(damage));
  const [pileUp] = context.use(pileUpsFact);
  if (pileUp === undefined) throw new Error('nobody waits');
  return context.use(standstillFact).of(pileUp);
}

/** `ps` holds /srv/data for reading and sleeps in a fault; the rest of the world is the test's. */
class Fault {
  readonly incident = new Incident();
  readonly ps: TestTask;

  constructor(keeps = true) {
    this.ps = psFaults(this.incident, keeps);
  }

  waiters(offCpu = 6): readonly TestTask[] {
    return tops(this.incident, 3, this.incident.directory, { offCpu });
  }
}

const pidsOf = (standstill: Standstill, which: 'all' | 'able'): readonly number[] =>
  'answerers' in standstill ? standstill.answerers[which].map(({ task }) => task.pid) : [];

describe('standstill by a userfault', () => {
  it('is certain when the faulting task holds the only descriptor', () => {
    const { incident, ps } = new Fault();
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    incident.task('top', { pid: 110, waits: [incident.directory, 'read'] });
    const standstill = standstillOf(incident);
    expect(standstill).toMatchObject({ kind: 'own-userfault', confidence: 'certain', answerers: { complete: true } });
    expect(pidsOf(standstill, 'all')).toEqual([96]);
    expect(pidsOf(standstill, 'able')).toEqual([]);
  });

  it('is certain when the other one with a descriptor is stuck behind the lock itself', () => {
    const fault = new Fault();
    const [, monitor] = fault.waiters();
    if (monitor === undefined) throw new Error('there are waiters');
    fault.incident.userfault(fault.ps, {
      descriptors: [
        [fault.ps, 3],
        [monitor, 7],
      ],
    });
    const standstill = standstillOf(fault.incident);
    expect(standstill).toMatchObject({ kind: 'own-userfault', confidence: 'certain' });
    expect(pidsOf(standstill, 'all')).toEqual([96, 111]);
  });

  it('is certain when the other one with a descriptor waits for a lock that leads to this one', () => {
    const fault = new Fault();
    const { incident, ps } = fault;
    const [first] = fault.waiters();
    const behind = incident.lock('mutex', 'behind');
    const monitor = incident.task('monitor', { pid: 120, waits: [behind] });
    if (first === undefined) throw new Error('there are waiters');
    incident.held(behind, first);
    incident.userfault(ps, {
      descriptors: [
        [ps, 3],
        [monitor, 7],
      ],
    });
    expect(standstillOf(incident)).toMatchObject({ kind: 'own-userfault', confidence: 'certain' });
  });

  it('is certain when the other one with a descriptor has exited', () => {
    const { incident, ps } = new Fault();
    const gone = incident.task('monitor', { pid: 120, state: 'Z' });
    incident.userfault(ps, {
      descriptors: [
        [ps, 3],
        [gone, 7],
      ],
    });
    incident.task('top', { pid: 110, waits: [incident.directory, 'read'] });
    expect(standstillOf(incident)).toMatchObject({ kind: 'own-userfault', confidence: 'certain' });
  });

  it('is open while another process could answer', () => {
    const fault = new Fault();
    fault.waiters();
    const monitor = fault.incident.task('monitor', { pid: 120 });
    fault.incident.userfault(fault.ps, {
      descriptors: [
        [fault.ps, 3],
        [monitor, 7],
      ],
    });
    expect(standstillOf(fault.incident)).toEqual({ kind: 'open' });
  });

  it('is open while another thread of the same process could answer', () => {
    const fault = new Fault();
    fault.waiters();
    fault.incident.task('handler', { pid: 97, leader: fault.ps });
    fault.incident.userfault(fault.ps, { descriptors: [[fault.ps, 3]] });
    expect(standstillOf(fault.incident)).toEqual({ kind: 'open' });
  });

  it('is only probable when one that could answer has not for two minutes', () => {
    const fault = new Fault();
    fault.waiters(130);
    const monitor = fault.incident.task('monitor', { pid: 120 });
    fault.incident.userfault(fault.ps, {
      descriptors: [
        [fault.ps, 3],
        [monitor, 7],
      ],
    });
    const standstill = standstillOf(fault.incident);
    expect(standstill).toMatchObject({ kind: 'userfault', confidence: 'probable' });
    expect(pidsOf(standstill, 'able')).toEqual([120]);
  });

  it.each([
    ['the file has a reference more than descriptors', { count: 2 }],
    ['the context has a reference more than the file and the fault', { references: 3 }],
  ])('is not certain when %s', (_what, counts) => {
    const fault = new Fault();
    fault.waiters();
    fault.incident.userfault(fault.ps, { descriptors: [[fault.ps, 3]], ...counts });
    expect(standstillOf(fault.incident)).toMatchObject({
      kind: 'own-userfault',
      confidence: 'probable',
      answerers: { complete: false },
    });
  });

  it('is not certain when the descriptors of somebody cannot be read', () => {
    const fault = new Fault();
    const [top] = fault.waiters();
    fault.incident.userfault(fault.ps, { descriptors: [[fault.ps, 3]] });
    const damage = (image: KernelImage): void => image.write(`${top?.label}.files`, 0xffff880000000000n);
    expect(standstillOf(fault.incident, damage)).toMatchObject({ kind: 'own-userfault', confidence: 'probable' });
  });

  it('is not certain when no descriptor of it is found at all', () => {
    const fault = new Fault();
    fault.waiters();
    fault.incident.userfault(fault.ps, { descriptors: [], count: 1 });
    const standstill = standstillOf(fault.incident);
    expect(standstill).toMatchObject({ kind: 'own-userfault', confidence: 'probable' });
    expect(pidsOf(standstill, 'all')).toEqual([]);
  });

  it('is not certain when the stack of the reader does not show the lock', () => {
    const fault = new Fault(false);
    fault.waiters();
    fault.incident.userfault(fault.ps, { descriptors: [[fault.ps, 3]] });
    expect(standstillOf(fault.incident)).toMatchObject({ kind: 'own-userfault', confidence: 'probable' });
  });

  it('is not certain when the lock lies on the stack, but in no function known to work under it', () => {
    const incident = new Incident();
    // Left over from an earlier call: the reader has let go and faults elsewhere.
    const left = { func: 'copy_to_user', keeps: [ref('data_root_inode')] };
    const stack = ['__schedule', 'schedule', 'handle_userfault', 'asm_exc_page_fault', left, '__x64_sys_read'];
    const ps = incident.task('ps', { pid: 96, stack });
    incident.held(incident.directory, ps, 'read');
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    incident.tasks(3, 'top', (i) => ({ pid: 110 + i, waits: [incident.directory, 'read'] }));
    expect(standstillOf(incident)).toMatchObject({ kind: 'own-userfault', confidence: 'probable' });
  });
});

describe('standstill by structure and by age', () => {
  /** A mutex, its owner, and three that wait. */
  function mutexHeldBy(holder: Partial<TaskSpec> | undefined, waiter: Partial<TaskSpec> = {}): Incident {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'a_lock');
    if (holder !== undefined) incident.held(lock, incident.task('holder', { pid: 10, ...holder }));
    incident.tasks(3, 'waiter', (i) => ({ pid: 20 + i, waits: [lock], ...waiter }));
    return incident;
  }

  it('is certain for a circle of exact owners', () => {
    const incident = new Incident();
    const [a, b] = [incident.lock('mutex', 'a'), incident.lock('mutex', 'b')];
    incident.held(a, incident.task('one', { pid: 10, offCpu: 1, waits: [b] }));
    incident.held(b, incident.task('two', { pid: 11, offCpu: 1, waits: [a] }));
    expect(standstillOf(incident)).toEqual({ kind: 'lock-cycle', confidence: 'certain' });
  });

  it('is probable for an owner that exited', () => {
    expect(standstillOf(mutexHeldBy({ state: 'Z' }))).toEqual({ kind: 'owner-exited', confidence: 'probable' });
  });

  it('is the same for an owner that is no task any more, but not where it may be one that could not be read', () => {
    const incident = new Incident();
    incident.task('waiter', { pid: 20, offCpu: 3, waits: [incident.lock('mutex', 'a_lock')] });
    for (const pid of [30, 40]) incident.task('other', { pid });
    const gone = (image: KernelImage): void => image.write('a_lock.owner', 0xffff888099999041n);
    expect(standstillOf(incident, gone)).toEqual({ kind: 'owner-exited', confidence: 'probable' });
    const unread = (image: KernelImage): void => {
      image.write('task20.tasks.next', 0);
      image.write('task40.tasks.prev', 0);
    };
    expect(standstillOf(incident, unread)).toEqual({ kind: 'open' });
  });

  it('is open for a last reader that exited: it may have let go long before', () => {
    const incident = new Incident();
    incident.held(incident.directory, incident.task('ls', { pid: 10, state: 'Z' }), 'read');
    incident.tasks(3, 'top', (i) => ({ pid: 20 + i, offCpu: 3, waits: [incident.directory, 'write'] }));
    expect(standstillOf(incident)).toEqual({ kind: 'open' });
  });

  it.each([
    [119.9, 'open'],
    [120, 'old'],
    [50_000, 'old'],
  ])('argues from a wait of %d s: %s', (offCpu, kind) => {
    expect(standstillOf(mutexHeldBy({ offCpu: 1 }, { offCpu })).kind).toBe(kind);
  });

  it('argues from the oldest wait, also without a holder', () => {
    expect(standstillOf(mutexHeldBy(undefined, { offCpu: 121 }))).toEqual({
      kind: 'old',
      confidence: 'probable',
      oldest: 121_000_000_000n,
    });
  });

  it('argues from the age of no one who could be interrupted: such waits may take days', () => {
    expect(standstillOf(mutexHeldBy({ offCpu: 1 }, { offCpu: 100_000, state: 'S' }))).toEqual({ kind: 'open' });
    expect(standstillOf(mutexHeldBy({ offCpu: 1 }, { offCpu: 100_000, state: 'K' })).kind).toBe('old');
  });

  it('does not call a holder that sleeps for long stuck when those behind it have just come', () => {
    expect(standstillOf(mutexHeldBy({ offCpu: 100_000 }, { offCpu: 2 }))).toEqual({ kind: 'open' });
  });

  const NEVER_RAN = { state: 'D', stack: ['__schedule', 'schedule', 'wait_for_completion', 'a_driver'] } as const;

  it('calls a holder still that has not run for seconds, not since before the first waiter came', () => {
    expect(standstillOf(mutexHeldBy({ ...NEVER_RAN, offCpu: 7.3 }, { offCpu: 6.9 }))).toEqual({
      kind: 'still',
      confidence: 'possible',
      offCpu: 7_300_000_000n,
    });
  });

  it('is open while the holder runs in between: some came before it last stopped', () => {
    expect(standstillOf(mutexHeldBy({ ...NEVER_RAN, offCpu: 5 }, { offCpu: 6.9 }))).toEqual({ kind: 'open' });
    expect(standstillOf(mutexHeldBy({ state: 'R', offCpu: 7.3 }, { offCpu: 6.9 }))).toEqual({ kind: 'open' });
  });

  it('is open for a holder that has slept for less than a slow disk takes', () => {
    expect(standstillOf(mutexHeldBy({ ...NEVER_RAN, offCpu: 2.9 }, { offCpu: 2.8 }))).toEqual({ kind: 'open' });
  });

  const RECLAIMS = { stack: ['__schedule', 'schedule', 'try_to_free_pages', '__alloc_pages_slowpath'] } as const;
  const exhausted = (image: KernelImage): void => {
    setFree(image, 30 * 2 ** 20);
  };

  it('argues from reclaim when the holder needs a page and memory is short', () => {
    const scarce = { kind: 'reclaim', confidence: 'probable' };
    expect(standstillOf(mutexHeldBy({ ...RECLAIMS, offCpu: 0.1 }, { offCpu: 0.2 }), exhausted)).toEqual(scarce);
    const starved = mutexHeldBy({ ...RECLAIMS, state: 'R', offCpu: 0.1 }, { offCpu: 500 });
    expect(standstillOf(starved, exhausted)).toEqual(scarce);
  });

  it('is open when the holder reclaims while memory is not short, or memory is short and the holder does not', () => {
    expect(standstillOf(mutexHeldBy({ ...RECLAIMS, offCpu: 0.1 }, { offCpu: 0.2 }))).toEqual({ kind: 'open' });
    expect(standstillOf(mutexHeldBy({ offCpu: 0.1 }, { offCpu: 0.2 }), exhausted)).toEqual({ kind: 'open' });
  });

  it('is open when no wait is known', () => {
    const unknown = (image: KernelImage): void => {
      for (const pid of [20, 21, 22]) image.write(`task${pid}.sched_info.last_arrival`, 0);
    };
    expect(standstillOf(mutexHeldBy({}, { offCpu: 500 }), unknown)).toEqual({ kind: 'open' });
  });
});
