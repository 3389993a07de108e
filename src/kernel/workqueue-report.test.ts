import { expect, it } from 'vitest';
import type { LogRecord } from './log-record.ts';
import { workqueueReports } from './workqueue-report.ts';

const log = (text: string, facility = 0): LogRecord[] =>
  text.split('\n').map((line, i) => ({
    seq: BigInt(i),
    timeNs: undefined,
    level: 1,
    facility,
    caller: undefined,
    continuation: false,
    device: undefined,
    text: line,
  }));

const REPORT = `BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 58s!
BUG: workqueue lockup - pool cpus=3 node=0 flags=0x0 nice=0 stuck for 31s!
Showing busy workqueues and worker pools:
workqueue events: flags=0x0
  pwq 2: cpus=1 node=0 flags=0x0 nice=0 active=4/256 refcnt=5
    in-flight: 14164:refill_work [cachedev], 12(RESCUER):drain
    pending: vmstat_update, psi_avgs_work
workqueue mm_percpu_wq: flags=0x8
  pwq 6: cpus=3 node=0 flags=0x0 nice=0 active=1/256 refcnt=2
    pending: lru_add_drain_per_cpu
pool 2: cpus=1 node=0 flags=0x0 nice=0 hung=58s workers=3 idle: 9`;

it('tells the pools that are stuck, what is in flight on each, and what waits', () => {
  expect(workqueueReports(log(REPORT))).toMatchObject([
    {
      cpus: '1',
      stuck: 58_000_000_000n,
      inFlight: [
        { pid: 14164, func: 'refill_work', module: 'cachedev' },
        { pid: 12, func: 'drain', module: undefined },
      ],
      pending: ['vmstat_update', 'psi_avgs_work'],
    },
    { cpus: '3', stuck: 31_000_000_000n, inFlight: [], pending: ['lru_add_drain_per_cpu'] },
  ]);
});

it('takes nothing of the next report for its own', () => {
  const later = REPORT.replace('14164:refill_work [cachedev]', '99:other');
  const reports = workqueueReports(log(`${REPORT}\n${later}`));
  expect(reports.map(({ inFlight }) => inFlight.map(({ pid }) => pid))).toEqual([[14164, 12], [], [99, 12], []]);
});

it('is silent about user space, and about other troubles of workqueues', () => {
  expect(workqueueReports(log(REPORT, 1))).toEqual([]);
  expect(workqueueReports(log('BUG: workqueue leaked lock or atomic: kworker/0:2/0xffffffff/4586'))).toEqual([]);
});
