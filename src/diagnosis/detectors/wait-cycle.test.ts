import { describe, expect, it } from 'vitest';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import type { Awaited } from '../../kernel/wait-kinds.ts';
import { locksFact } from '../facts/locks.ts';
import { waitVerdictsFact } from '../facts/wait-verdicts.ts';
import waitCycle from './wait-cycle.ts';

/** A process has a mutex and wants a rw_semaphore, another has that and flushes a work item, which wants the mutex. */
function circle(certainty: Awaited['certainty'] = 'exact') {
  const scene = new WaitScene();
  const worker = scene.task('kworker/0:2', { kthread: true, runs: 'rescan' });
  const first = scene.task('mirrorcfg');
  const second = scene.task('remapd');
  const mutex = scene.lock('mutex', 'config_lock', first);
  const layout = scene.lock('rw_semaphore', 'layout_sem', second);
  mutex.waiters.push(worker);
  layout.waiters.push(first);
  scene.flushes(second, worker, certainty);
  return { scene, worker, first, second, mutex, layout };
}

describe('wait-cycle', () => {
  it('names each link of a circle through a work item, and counts who is stuck behind it', () => {
    const { scene, worker, mutex, layout } = circle();
    scene.queue(mutex, 'iostat', 4);
    scene.queue(layout, 'lsblk', 2);
    scene.flushes(scene.task('iostat'), worker);
    const [finding, ...others] = scene.findings(waitCycle);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: 'wait-cycle', role: 'cause', confidence: 'certain', weight: 10 });
    expect(finding?.because).toBeUndefined();
    expect(textOf(finding?.title)).toBe(
      'Deadlock: 3 tasks wait for each other in a circle; 7 more are stuck behind it.',
    );
    expect(storyOf(finding, 'why')).toBe(
      'kworker/0:2 (pid 100) waits for config_lock, which mirrorcfg (pid 101) has.\n' +
        'mirrorcfg (pid 101) waits for layout_sem, which remapd (pid 102) has.\n' +
        'remapd (pid 102) waits for the end of the work item rescan, which kworker/0:2 (pid 100) runs.',
    );
    expect(storyOf(finding, 'proof')).toMatch(
      /^struct mutex 0x\w+ names mirrorcfg \(pid 101\) as its owner; struct rw_semaphore 0x\w+ names remapd \(pid 102\) as its owner; struct work_struct 0x\w+ is what kworker\/0:2 \(pid 100\) runs/,
    );
    expect(storyOf(finding, 'waiters')).toBe(
      '5 tasks named iostat and 2 named lsblk; longest: iostat (pid 109), for 5 s.\n' +
        'Of these 4 wait for config_lock, 2 for layout_sem and 1 for the end of the work item rescan.',
    );
    expect(finding?.details).toMatchObject({
      behind: { value: 7 },
      cycle: [{ holder: { pid: 101 } }, { holder: { pid: 102 } }, { holder: { pid: 100 } }],
    });
    expect(actionsOf(finding)[0]).toMatch(/^Restart the machine/);
  });

  it('keeps the locks in it from being blamed, and no others', () => {
    const { scene, mutex } = circle();
    scene.queue(mutex, 'iostat', 9);
    scene.queue(scene.lock('mutex', 'another_lock', scene.task('holder')), 'udevadm', 4);
    const context = scene.context();
    const told = context.use(locksFact).locks.map((lock) => context.use(waitVerdictsFact).tells(lock));
    expect(told).toEqual([true, true, false]);
  });

  it('says of what is neither lock nor work item why the next one has to act', () => {
    const scene = new WaitScene();
    const [daemon, other] = [scene.task('cfgd', { state: 'S' }), scene.task('polkitd')];
    scene.lock('mutex', 'bridge_lock', daemon).waiters.push(other);
    scene.waits(daemon, { kind: 'pipe', what: 'for the pipe' }, 'struct pipe_inode_info', [other]);
    const [finding] = scene.findings(waitCycle);
    expect(storyOf(finding, 'why')).toContain(
      'cfgd (pid 100) waits for the pipe, and so for polkitd (pid 101): it has the other end.',
    );
    expect(storyOf(finding, 'remedy')).toBe(
      'Kill cfgd (pid 100): its sleep (state S) ends on SIGKILL, and polkitd (pid 101), which waits for it, goes on.' +
        ' First make sure that pid 100 is still cfgd. But: what it was doing is lost.',
    );
  });

  it('is only probable when who has to act is inferred', () => {
    const [finding] = circle('inferred').scene.findings(waitCycle);
    expect(finding).toMatchObject({ confidence: 'probable' });
    expect(textOf(finding?.because)).toMatch(/inferred/);
  });

  it('leaves a circle of locks alone to lock-pileup', () => {
    const scene = new WaitScene();
    const [a, b] = [scene.task('a'), scene.task('b')];
    scene.lock('mutex', 'first', a).waiters.push(b);
    scene.lock('mutex', 'second', b).waiters.push(a);
    expect(scene.findings(waitCycle)).toEqual([]);
  });

  it('takes a chain that does not close, or an idle server and its client, for no circle', () => {
    const { scene, worker } = circle();
    scene.flushes(worker, scene.task('another', { kthread: true, runs: 'other_work', state: 'R' }));
    const open = new WaitScene();
    const runner = open.task('kworker/0:2', { kthread: true, runs: 'rescan' });
    const holder = open.task('remapd');
    open.queue(open.lock('mutex', 'config_lock', holder), 'iostat', 4);
    open.flushes(holder, runner);
    expect(open.findings(waitCycle)).toEqual([]);
    const idle = new WaitScene();
    const [server, client] = [idle.task('server', { state: 'S' }), idle.task('client', { state: 'S' })];
    idle.flushes(server, client, 'inferred');
    idle.flushes(client, server, 'inferred');
    expect(idle.findings(waitCycle)).toEqual([]);
  });
});
