import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { storyOf, textOf } from '../../../test/builders/text.ts';
import { blocked } from '../../model/condition.ts';
import type { Finding } from '../../model/finding.ts';
import workqueueStall from './workqueue-stall.ts';

function told(incident: Incident, ...lines: readonly string[]): readonly Finding[] {
  return findingsOf(
    workqueueStall,
    incident.program((image) =>
      placeLog(
        image,
        lines.map((line) => `<3>[  500.000000] ${line}`),
      ),
    ),
  );
}

const STUCK = 'BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 58s!';
const POOL = '  pwq 2: cpus=1 node=0 flags=0x0 nice=0 active=4/256 refcnt=5';
const PENDING = '    pending: vmstat_update, psi_avgs_work';
const inFlight = (func: string): string => `    in-flight: 31:${func}`;

function worker(): Incident {
  const incident = new Incident();
  incident.task('kworker/1:2', { pid: 31, state: 'D', offCpu: 130, kthread: true });
  return incident;
}

describe('workqueue-stall', () => {
  it('names the worker that is still at what was in flight, and rests on what it waits for', () => {
    const [finding, ...more] = told(worker(), STUCK, POOL, inFlight('kthreadd_worker'), PENDING);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ cause: 'workqueue-stalled', role: 'symptom', confidence: 'certain' });
    expect(textOf(finding?.title)).toMatch(
      /CPU 1 took no work for 58 s: kworker\/1:2 \(pid 31\) is still in kthreadd_worker/,
    );
    expect(storyOf(finding, 'why')).toMatch(/^2 work items wait on it, by the log: vmstat_update, psi_avgs_work\./);
    const details = finding?.details['workers'] as readonly { readonly task: { readonly address: never } }[];
    expect(finding?.restsOn).toEqual(details.map(({ task }) => blocked(task.address)));
  });

  it('is only told where the worker does something else by now', () => {
    expect(told(worker(), STUCK, POOL, inFlight('another_work'))).toMatchObject([
      { role: 'context', confidence: 'possible', details: { workers: [] } },
    ]);
  });

  it('is silent when the watchdog said nothing', () => {
    expect(told(worker(), 'BUG: workqueue leaked lock or atomic: kworker/0:2/0xffffffff/4586')).toEqual([]);
  });
});
