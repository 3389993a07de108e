import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { behindMutex } from '../../../test/builders/scenes.ts';
import { storyOf, textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import hungTask from './hung-task.ts';

const blocked = (who: string): string => `<3>[  500.000000] INFO: task ${who} blocked for more than 120 seconds.`;
const PANIC = '<0>[  500.100000] Kernel panic - not syncing: hung_task: blocked tasks';

function told(incident: Incident, ...lines: readonly string[]): readonly Finding[] {
  return findingsOf(
    hungTask,
    incident.program((image) => placeLog(image, lines)),
  );
}

describe('hung-task', () => {
  it('tells of a task that sleeps for something else than a lock, and where', () => {
    const incident = new Incident();
    incident.task('rsync', { pid: 31, state: 'D', offCpu: 130 });
    const [finding, ...others] = told(incident, blocked('rsync:31'), PANIC);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: 'hung-tasks', role: 'symptom', confidence: 'certain', weight: 1 });
    expect(textOf(finding?.title)).toMatch(/reported rsync \(pid 31\);/);
    expect(finding === undefined ? '' : storyOf(finding, 'waiters')).toMatch(/more than 120 s, in do_nanosleep/);
  });

  it('is silent about those that a stuck lock explains: that is the cause', () => {
    const incident = behindMutex(3, 130, { offCpu: 140 });
    expect(told(incident, blocked('top:110'), blocked('top:111'), PANIC)).toEqual([]);
  });

  it('is silent when something else stopped the machine', () => {
    const incident = new Incident();
    incident.task('rsync', { pid: 31, state: 'D', offCpu: 130 });
    expect(told(incident, blocked('rsync:31'), '<6>[  900.0] sysrq: Trigger a crash')).toEqual([]);
    expect(told(new Incident(), PANIC)).toEqual([]);
  });

  it('keeps to the log where the task is not there', () => {
    expect(told(new Incident(), blocked('rsync:31'), PANIC)).toMatchObject([
      { confidence: 'probable', details: { tasks: [{ pid: 31, task: undefined }] } },
    ]);
  });
});
