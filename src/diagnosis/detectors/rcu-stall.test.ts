import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { virt } from '../../base/address.ts';
import { nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Finding } from '../../model/finding.ts';
import { graceAddressFact } from '../facts/chain-ends.ts';
import { graceStallFact } from '../facts/grace-stall.ts';
import { type Lockup, lockupFact } from '../facts/lockups.ts';
import { waitGraphFact } from '../facts/wait-graph.ts';
import rcuStall from './rcu-stall.ts';

function told(...lines: readonly string[]): readonly Finding[] {
  const image = new KernelImage();
  placeLog(
    image,
    lines.map((line, i) => `<1>[  500.${String(i).padStart(6, '0')}] ${line}`),
  );
  return findingsOf(rcuStall, programOfImage(image));
}

const WHERE = ['CPU: 1 PID: 161 Comm: ringd Not tainted 6.1.0 #1', 'RIP: 0010:ring_wait+0x9/0x20 [ringdev]'];
const PANIC = 'Kernel panic - not syncing: ';

/** What the soft-lockup watchdog said of a task. */
function lockupOf(task: Task): Lockup {
  const at = undefined;
  const report = { kind: 'soft-lockup', headline: 'BUG: soft lockup', cpus: [1], at, owner: undefined } as const;
  const first = { ...report, timeNs: undefined, pid: task.pid, comm: task.comm, stuck: undefined };
  const state = { at, func: undefined, confirmed: true, interruptsOff: false, waitsForThis: undefined };
  return { report: first, first, cpu: 1, task, fatal: false, ...state };
}

describe('rcu-stall, by the tree of RCU', () => {
  const GRACE = {
    state: virt(0xffffffff82000000n),
    sequence: 5n,
    age: nanoseconds(30_000_000_000n),
    kthread: undefined,
    cpus: [{ cpu: 1, node: virt(0xffffffff82000040n) }],
    readers: [],
    complete: true,
    stallAfter: nanoseconds(21_000_000_000n),
  };

  /** A reader that runs, or sleeps, and a task that waits for the grace period with a mutex held. */
  function stalled(state: 'R' | 'S', told = false): Finding | undefined {
    const scene = new WaitScene();
    const reader = scene.task('bird', { state, offCpu: 31, ...(state === 'R' ? { running: 1 } : {}) });
    const changer = scene.task('routectl');
    scene.waits(changer, { kind: 'grace-period', what: 'for a grace period of RCU' }, 'struct rcu_state', [reader]);
    scene.queue(scene.lock('mutex', 'the table_lock', changer), 'ip', 4);
    const root = scene
      .context()
      .use(waitGraphFact)
      .roots.find(({ task }) => task === reader);
    if (root === undefined) throw new Error('the reader is no end');
    scene.set(lockupFact, told ? lockupOf(reader) : undefined);
    scene.set(graceAddressFact, undefined);
    const at = { func: 'routedev_walk', module: 'routedev' };
    const offCpu = state === 'R' ? undefined : nanoseconds(31_000_000_000n);
    scene.set(graceStallFact, {
      grace: GRACE,
      age: GRACE.age,
      threshold: GRACE.stallAfter,
      readers: [{ task: reader, why: 'the grace period waits for CPU 1, on which it runs', at, since: true, offCpu }],
      root,
      behind: root.behind,
    });
    const [finding, ...others] = scene.findings(rcuStall);
    expect(others).toEqual([]);
    return finding;
  }

  it('names who runs on the CPU that the grace period waits for, and all behind it', () => {
    const finding = stalled('R');
    expect(finding).toMatchObject({ cause: 'rcu-stall', role: 'cause', confidence: 'probable', weight: 5 });
    expect(finding?.details['culprit']).toMatchObject({ comm: 'bird' });
    expect(textOf(finding?.title)).toContain(
      'stays in routedev_walk of module routedev on CPU 1; 5 tasks wait behind it',
    );
    expect(storyOf(finding, 'clears')).toBe('Not as long as it loops.');
  });

  it('is a symptom where another watchdog reported the same task: its loop is the cause', () => {
    expect(stalled('R', true)).toMatchObject({ role: 'symptom' });
  });

  it('names a reader that sleeps inside of its section, and that killing it ends it', () => {
    const finding = stalled('S');
    expect(textOf(finding?.title)).toContain('sleeps in routedev_walk of module routedev as a reader');
    expect(storyOf(finding, 'why')).toContain('between rcu_read_lock() and rcu_read_unlock()');
    expect(storyOf(finding, 'remedy')).toContain('Kill bird (pid 100)');
  });
});

describe('rcu-stall', () => {
  const LINES = ['rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:', 'rcu: \t1-...0: (1 ticks this GP) idle=373c'];

  it('tells from the log where the CPU is; without memory that says so it is possible only', () => {
    const [finding, ...others] = told(...LINES, ...WHERE, `${PANIC}RCU Stall`);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'rcu-stall',
      role: 'cause',
      confidence: 'possible',
      details: { cpu: 1, function: { name: 'ring_wait', module: 'ringdev' }, confirmed: false },
    });
    expect(textOf(finding?.title)).toContain('on CPU 1 in ring_wait+0x9 of module ringdev, and RCU waits for it');
  });

  it('is silent where the CPU went on, and something else stopped the machine', () => {
    expect(told(...LINES, ...WHERE, 'sysrq: Trigger a crash', `${PANIC}sysrq triggered crash`)).toEqual([]);
    expect(told(...LINES, ...WHERE, `${PANIC}Out of memory: system-wide panic_on_oom is enabled`)).toEqual([]);
  });

  it('is silent about other watchdogs', () => {
    expect(
      told('watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ringd:161]', ...WHERE, `${PANIC}softlockup: hung tasks`),
    ).toEqual([]);
  });

  it('speaks from a cut log, and not without one', () => {
    const [finding] = told(...LINES, `${PANIC}RCU Stall`);
    expect(finding?.cause).toBe('rcu-stall');
    expect(finding?.details['function']).toBeUndefined();
    expect(told()).toEqual([]);
  });
});
