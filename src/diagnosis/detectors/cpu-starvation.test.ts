import { describe, expect, it } from 'vitest';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { nanoseconds } from '../../base/units.ts';
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
    expect(textOf(finding?.title)).toContain('jackd (pid 100) has CPU 1 for itself');
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
