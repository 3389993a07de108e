import { describe, expect, it } from 'vitest';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { type SceneTask, WaitScene } from '../../../test/builders/wait-scene.ts';
import { type Nanoseconds, nanoseconds } from '../../base/units.ts';
import { poolStallsFact } from '../facts/pool-stalls.ts';
import stuckWork from './stuck-work.ts';

/** Some flush a work item, one of them with a mutex that more queue for. */
function scene(spec: SceneTask = {}, flushers = 2, queued = 5): WaitScene {
  const built = new WaitScene();
  const worker = built.task('kworker/u4:0', { kthread: true, runs: 'fwsync_talk', offCpu: 9, ...spec });
  for (let i = 0; i < flushers; i++) built.flushes(built.task('lldpd', { offCpu: 8 }), worker);
  const holder = built.task('nvme', { offCpu: 8 });
  built.flushes(holder, worker);
  built.queue(built.lock('mutex', 'state_lock', holder), 'lldpd', queued, { offCpu: 7 });
  return built;
}

describe('stuck-work', () => {
  it('blames the work item and not the lock in the middle', () => {
    const [finding, ...others] = scene().findings(stuckWork);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: 'work-item-stuck', role: 'cause', confidence: 'possible', weight: 8 });
    expect(finding?.details).toMatchObject({ behind: { value: 8 }, culprit: { pid: 100, comm: 'kworker/u4:0' } });
    expect(textOf(finding?.title)).toBe(
      '8 tasks wait, directly or not, for the work item fwsync_talk, which does not end.',
    );
    expect(storyOf(finding, 'waiters')).toBe(
      '7 tasks named lldpd and nvme (pid 103); longest: lldpd (pid 101), for 8 s.\n' +
        'Of these 3 flush it.\n' +
        '5 wait for state_lock: nvme (pid 103) has it and waits for the end of the work item fwsync_talk.',
    );
    expect(storyOf(finding, 'proof')).toMatch(/^current_work of struct worker 0x\w+ is struct work_struct 0x\w+;/);
    expect(actionsOf(finding)[0]).toMatch(/^Killing helps nobody/);
  });

  it('is probable once the oldest wait is beyond what the kernel calls hung', () => {
    const built = new WaitScene();
    const worker = built.task('kworker/0:1', { kthread: true, runs: 'slow', offCpu: 400 });
    built.flushes(built.task('umount', { offCpu: 300 }), worker);
    expect(built.findings(stuckWork)).toMatchObject([{ confidence: 'probable' }]);
  });

  it('says nothing of a work item that is young, that runs, or whose waiters came before', () => {
    expect(scene({ offCpu: 2 }).findings(stuckWork)).toEqual([]);
    expect(scene({ state: 'R' }).findings(stuckWork)).toEqual([]);
    expect(scene({ offCpu: 4 }).findings(stuckWork)).toEqual([]);
  });

  it('says nothing where hardly anybody waits, nor of a task that is no worker', () => {
    expect(scene({}, 0, 0).findings(stuckWork)).toEqual([]);
    const built = new WaitScene();
    const other = built.task('daemon', { offCpu: 9 });
    built.queue(built.lock('mutex', 'a_lock', other), 'client', 6);
    expect(built.findings(stuckWork)).toEqual([]);
  });

  describe('whose worker runs on and on', () => {
    /** Some wait for work that stands in the list of the worker's pool, which has begun none for so many seconds. */
    function loop(stalled: number | undefined, waited: number, waiters = 4): WaitScene {
      const built = new WaitScene();
      const worker = built.task('kworker/1:2', { kthread: true, runs: 'statsdev_collect', state: 'R', running: 1 });
      for (let i = 0; i < waiters; i++) built.flushes(built.task('telegraf', { offCpu: waited }), worker);
      const of = (): Nanoseconds | undefined =>
        stalled === undefined ? undefined : nanoseconds(BigInt(stalled) * 1_000_000_000n);
      built.set(poolStallsFact, { of });
      return built;
    }

    it('is told with how long that CPU has begun no other work', () => {
      const [finding, ...others] = loop(9, 9).findings(stuckWork);
      expect(others).toEqual([]);
      expect(finding).toMatchObject({ cause: 'work-item-stuck', role: 'cause', confidence: 'possible', weight: 4 });
      expect(finding?.details).toMatchObject({ culprit: { comm: 'kworker/1:2' }, stalled: { ns: 9_000_000_000n } });
      expect(storyOf(finding, 'why')).toBe(
        'kworker/1:2 (pid 100), a kernel worker, runs on CPU 1; a CPU begins no other work as long as one of its workers runs, and this one has begun none for 9 s.',
      );
      expect(storyOf(finding, 'clears')).toMatch(/^Not in the 9 s seen so far; it may yet, if the work item comes to/);
      expect(actionsOf(finding)[1]).toContain('WQ_UNBOUND or WQ_CPU_INTENSIVE');
    });

    it('is probable beyond what the kernel calls hung', () => {
      expect(loop(300, 300, 1).findings(stuckWork)).toMatchObject([{ confidence: 'probable' }]);
    });

    it.each([
      ['its pool began work a moment ago', loop(1, 9)],
      ['nothing stands in its list', loop(undefined, 9)],
      ['somebody waited before, for something else', loop(5, 9)],
      ['hardly anybody waits', loop(9, 9, 2)],
    ])('is not told when %s', (_, built) => {
      expect(built.findings(stuckWork)).toEqual([]);
    });
  });
});
