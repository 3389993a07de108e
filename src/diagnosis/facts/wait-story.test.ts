import { describe, expect, it } from 'vitest';
import { textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Finding, Topic } from '../../model/finding.ts';
import { taskCgroupsFact } from './task-cgroups.ts';
import { waitGraphFact } from './wait-graph.ts';
import { waitStoriesFact } from './wait-story.ts';

/** What is told of those who wait for one work item, since so many seconds each. */
function told(
  seconds: readonly number[],
  cgroup?: string,
): {
  readonly lines: (topic: Topic) => readonly string[];
  readonly growth: Finding['growth'];
  readonly details: unknown;
} {
  const scene = new WaitScene();
  const worker = scene.task('kworker/0:1', { kthread: true, offCpu: 900, runs: 'fw_work' });
  const waiters = seconds.map((offCpu) => {
    const task = scene.task('udevadm', { offCpu });
    scene.flushes(task, worker);
    return task;
  });
  if (cgroup !== undefined) {
    const groups = [{ path: cgroup, tasks: waiters.length }];
    const among = (of: Iterable<Task>): ReturnType<typeof share> => share([...of].length);
    const share = (n: number) => ({ groups, unknown: 0, common: { path: cgroup, tasks: n } });
    scene.set(taskCgroupsFact, { of: () => cgroup, among });
  }
  const { use } = scene.context();
  const root = use(waitGraphFact).roots.find(({ task }) => task === worker);
  if (root === undefined) throw new Error('nobody waits for the worker');
  const { lines, grown, details } = use(waitStoriesFact).of(root);
  return {
    lines: (topic) => lines.filter((line) => line.topic === topic).map(({ text }) => textOf(text)),
    growth: grown.growth,
    details,
  };
}

describe('the story of those who wait', () => {
  it('draws how they grew where that took long', () => {
    const { lines, growth } = told([60, 50, 40, 35, 30, 28, 26, 24, 22, 21]);
    expect(lines('since')).toEqual([
      'the first began to wait 60 s before the crash, the last 21 s, growing [1 1 2 2 3 4 5 7 10] (5 s each).',
    ]);
    expect(growth?.steps.map(({ came }) => came)).toEqual([1, 0, 1, 0, 1, 1, 1, 2, 3]);
  });

  it('has the numbers of shorter times for the drawing below, and none of those who came at once', () => {
    const short = told([9, 8, 7, 6, 5]);
    expect(short.lines('since')).toEqual(['the first began to wait 9 s before the crash, the last 5 s.']);
    expect(short.growth?.steps.at(-1)?.waiting).toBe(5);
    expect(told([9, 9, 9, 9, 9]).growth).toBeUndefined();
    expect(told([9, 8, 7, 6]).growth).toBeUndefined();
  });

  it('names the cgroup that most of them are in, of crowds alone', () => {
    const { lines, details } = told([9, 9, 9], '/system.slice/fwupd.service');
    expect(lines('launcher')).toContain('all 3 are in cgroup /system.slice/fwupd.service.');
    expect(details).toMatchObject({ cgroups: { common: { path: { value: '/system.slice/fwupd.service' } } } });
    expect(told([9, 9], '/system.slice/fwupd.service').lines('launcher')).toEqual([]);
    expect(told([9, 9, 9]).lines('launcher').join()).not.toContain('cgroup');
  });
});
