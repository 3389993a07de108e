import { describe, expect, it } from 'vitest';
import { Incident } from '../../../test/builders/incident.ts';
import { behindMutex, tops } from '../../../test/builders/scenes.ts';
import { findingsOf } from '../../../test/builders/facts.ts';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import type { Finding } from '../../model/finding.ts';
import lostWakeUp from './lost-wake-up.ts';

const told = (incident: Incident): readonly Finding[] => findingsOf(lostWakeUp, incident.program());

describe('a lock that is free', () => {
  it('names the lock, whose first waiter sleeps', () => {
    const incident = behindMutex(5, 30, undefined);
    const [finding, ...others] = told(incident);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: 'lost-wake-up', role: 'cause', confidence: 'certain', weight: 5 });
    expect(textOf(finding?.title)).toBe('5 tasks wait for the global a_mutex, which nobody holds: a wake-up was lost.');
    expect(finding?.details['first']).toMatchObject({ task: { pid: 110 } });
    expect(storyOf(finding, 'proof')).toContain(
      "The lock's owner word, 0x1, names no task and has only flags: some wait",
    );
    expect(storyOf(finding, 'why')).toContain('top (pid 110), whose turn it is, has slept for 30');
    expect(actionsOf(finding)[0]).toContain('Do once more what takes this lock, as top does');
    expect(storyOf(finding, 'remedy')).toContain('But: if it does not get the lock, one more task hangs.');
  });

  it('is silent where somebody holds it, or the first was woken', () => {
    expect(told(behindMutex(5, 30, { state: 'S' }))).toEqual([]);
    const woken = new Incident();
    const lock = woken.lock('mutex', 'a_mutex', { global: true });
    woken.task('first', { pid: 50, state: 'R', offCpu: 30, waits: [lock] });
    tops(woken, 4, lock, { offCpu: 29 });
    expect(told(woken)).toEqual([]);
  });

  it('is silent about a wait that has just begun', () => {
    expect(told(behindMutex(5, 1, undefined))).toEqual([]);
  });

  it('is silent while somebody is on the way: gives a lock back, or has been woken', () => {
    const incident = behindMutex(5, 30, undefined);
    incident.task('giver', { pid: 60, state: 'R', stack: ['__mutex_unlock_slowpath', 'a_driver_write'] });
    expect(told(incident)).toEqual([]);
  });

  it('is silent where the word of the lock is damaged: it must know of its waiters', () => {
    const program = behindMutex(5, 30, undefined).program((image) => image.write('a_mutex.owner', 0));
    expect(findingsOf(lostWakeUp, program)).toEqual([]);
  });

  it('is silent where the queue of the lock is damaged', () => {
    const incident = behindMutex(5, 30, undefined);
    const program = incident.program((image) => image.write('a_mutex.wait_list.next', 0x1000n));
    expect(findingsOf(lostWakeUp, program)).toEqual([]);
  });
});

describe('a completion', () => {
  function completed(over: boolean, offCpu = 30): WaitScene {
    const scene = new WaitScene();
    const address = scene.address();
    const wait = { kind: 'completion', what: 'for a completion', ...(over ? { over } : {}) } as const;
    for (let i = 0; i < 3; i++) scene.waits(scene.task('ipmitool', { offCpu }), wait, 'struct completion', [], address);
    return scene;
  }

  it('that is done: all who sleep are told', () => {
    const [finding] = completed(true).findings(lostWakeUp);
    expect(finding).toMatchObject({ cause: 'lost-wake-up', weight: 3 });
    expect(storyOf(finding, 'clears')).toBe('Only when it is completed once more.');
  });

  it('that is not done: nothing', () => {
    expect(completed(false).findings(lostWakeUp)).toEqual([]);
    expect(completed(true, 1).findings(lostWakeUp)).toEqual([]);
  });
});
