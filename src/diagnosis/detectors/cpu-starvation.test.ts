import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { nanoseconds } from '../../base/units.ts';
import type { Finding } from '../../model/finding.ts';
import type { Task } from '../../kernel/sched.ts';
import { explainedFact } from '../facts/chain-ends.ts';
import { type Starvation, starvationFact } from '../facts/starvation.ts';
import cpuStarvation from './cpu-starvation.ts';

/** A real-time task on CPU 1; a worker that is bound to it; a task that flushes its work with a mutex held. */
function polled(
  given: Partial<Pick<Starvation, 'sure'>> & { readonly seconds?: number; readonly waiters?: number } = {},
): {
  readonly scene: WaitScene;
  readonly by: Task;
} {
  const scene = new WaitScene();
  const by = scene.task('jackd', { state: 'R', running: 1, offCpu: 0 });
  const worker = scene.task('kworker/1:0', { state: 'R', kthread: true, offCpu: given.seconds ?? 20, runs: 'drain' });
  const waiters = given.waiters ?? 3;
  if (waiters > 0) {
    const first = scene.task('tuned', { offCpu: given.seconds ?? 20 });
    scene.flushes(first, worker);
    scene.queue(scene.lock('mutex', 'the global lock', first), 'tuned', waiters - 1, { offCpu: given.seconds ?? 20 });
  }
  scene.set(starvationFact, [
    {
      cpu: 1,
      rq: scene.address(),
      by,
      class: { policy: 'FIFO', priority: 50 },
      throttling: { runtimeUs: -1, fairServer: undefined },
      starved: [{ task: worker, queued: nanoseconds(BigInt(given.seconds ?? 20) * 1_000_000_000n) }],
      sure: given.sure ?? true,
    },
  ]);
  return { scene, by };
}

describe('cpu-starvation', () => {
  it('names the real-time task and its CPU, and counts who waits for the worker', () => {
    const { scene, by } = polled();
    const [finding, ...others] = scene.findings(cpuStarvation);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'cpu-starved-by-realtime-task',
      role: 'cause',
      confidence: 'certain',
      weight: 3,
    });
    expect(finding?.details['culprit']).toMatchObject({ pid: by.pid });
    expect(textOf(finding?.title)).toBe(
      'jackd (pid 100) has CPU 1 for itself, with real-time priority: 1 task gets no turn on it, and 3 more wait behind it.',
    );
    // The one that is kept from the CPU is told apart.
    expect(storyOf(finding, 'waiters')).toMatch(/^3 tasks named tuned;/);
    expect(storyOf(finding, 'proof')).toMatch(/^curr of struct rq 0x\w+ is jackd \(pid 100\)/);
    expect(storyOf(finding, 'why')).toContain('kernel.sched_rt_runtime_us is -1');
    expect(actionsOf(finding).join('\n')).toContain('sysctl kernel.sched_rt_runtime_us=950000');
  });

  it('explains the queue of the mutex: lock-pileup leaves it out', () => {
    const explained = polled({ waiters: 8 }).scene.context().use(explainedFact);
    expect([...explained].filter(({ comm }) => comm === 'tuned').length).toBe(8);
    expect([...polled({ waiters: 8, seconds: 2 }).scene.context().use(explainedFact)]).toEqual([]);
  });

  it('only informs where nobody waits for what is kept from the CPU', () => {
    expect(polled({ waiters: 0 }).scene.findings(cpuStarvation)).toMatchObject([{ role: 'context' }]);
  });

  it('is less sure where others may have had the CPU, and silent where a turn is not late', () => {
    expect(polled({ sure: false }).scene.findings(cpuStarvation)).toMatchObject([{ confidence: 'possible' }]);
    expect(polled({ seconds: 2 }).scene.findings(cpuStarvation)).toEqual([]);
  });
});

describe('cpu-starvation: damaged dumps', () => {
  const SECOND = 1_000_000_000n;
  /** On the clocks of an incident's run queues. */
  const NOW = 200_000n * SECOND;

  /** jackd has CPU 1 for 300 s, as it has used; a worker is queued there for 20 s, a second one for 15 s. */
  function told(damage?: (image: KernelImage) => void): readonly Finding[] {
    const incident = new Incident();
    const { image } = incident;
    image.global('sysctl_sched_rt_runtime', 'int', -1);
    const by = incident.task('jackd', { pid: 100, running: 1 });
    const [first, second] = [22, 23].map((pid) => incident.task('kworker/1:0', { pid, kthread: true, state: 'R' }));
    image.write(`${by.label}.policy`, 1);
    image.write(`${by.label}.rt_priority`, 50);
    image.write(`${by.label}.se.sum_exec_runtime`, 300n * SECOND);
    image.write(`${by.label}.start_time`, NOW - 400n * SECOND);
    [first, second].forEach((task, i) => {
      image.write(`${task?.label}.thread_info.cpu`, 1);
      image.write(`${task?.label}.sched_info.last_queued`, NOW - BigInt(20 - 5 * i) * SECOND);
    });
    return findingsOf(cpuStarvation, incident.program(damage));
  }
  const starved = (findings: readonly Finding[]): unknown => findings[0]?.details['starved'];

  it('a sound one, to compare', () => {
    expect(told()).toMatchObject([{ confidence: 'certain', details: { cpu: 1, priority: 50, culprit: { pid: 100 } } }]);
    expect(starved(told())).toMatchObject([{ task: { pid: 22 } }, { task: { pid: 23 } }]);
  });

  it.each([
    ['a real-time priority that there is not', 'task100.rt_priority', 0xdeadbeef],
    ['one that only ordinary tasks have', 'task100.rt_priority', 0],
    ['a policy that there is not', 'task100.policy', 0x6b6b6b6b],
    ['a task that is on no CPU', 'runqueues@1.curr', 0xffff888000000000n],
    ['clocks that say nothing', 'runqueues@1.clock', 0],
  ] as const)('accuse nobody: %s', (_what, path, value) => {
    const damage = (image: KernelImage): void => {
      image.write(path, value);
      if (path.endsWith('clock')) image.write('runqueues@0.clock', value);
    };
    expect(told(damage)).toEqual([]);
  });

  it('leave out who is said to be queued since later than now, and whose own class is damaged', () => {
    expect(starved(told((image) => image.write('task22.sched_info.last_queued', NOW + 5n * SECOND)))).toMatchObject([
      { task: { pid: 23 } },
    ]);
    const damaged = told((image) => {
      image.write('task22.policy', 1);
      image.write('task22.rt_priority', 0x6b6b6b6b);
    });
    expect(starved(damaged)).toMatchObject([{ task: { pid: 23 } }]);
  });

  it('are not sure when the CPU time that it used is more than its age, or cannot be', () => {
    const used = (ns: bigint): readonly Finding[] => told((image) => image.write('task100.se.sum_exec_runtime', ns));
    expect(used(0x6b6b6b6b6b6b6b6bn)).toMatchObject([{ confidence: 'possible' }]);
    expect(used(401n * SECOND)).toMatchObject([{ confidence: 'possible' }]);
    expect(used(399n * SECOND)).toMatchObject([{ confidence: 'certain' }]);
    // Two clocks: a guest's jackd that never slept since it started had used 30 ms more than it was old.
    expect(used(400n * SECOND + SECOND / 2n)).toMatchObject([{ confidence: 'certain' }]);
    expect(used(3n * SECOND)).toMatchObject([{ confidence: 'possible' }]);
    // Queued since the beginning of time, as a page of zeroes but for one bit says.
    const since = told((image) => image.write('task22.sched_info.last_queued', 1));
    expect(since).toMatchObject([{ confidence: 'possible' }]);
  });
});
