/**
 * The main job on a real dump: what `npm start` prints, compared with the truth of the sample (samples/README.md), which
 * drgn read with the matching debuginfo.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import { loadCore } from './core.ts';

const SAMPLE = join(import.meta.dirname, '../../samples/hung-6.1.vmcore');

const TRUTH = {
  lock: '0xffff88899fd6d080',
  ps: { pid: 96, comm: 'ps', task: '0xffff88899fc4a0c0' },
  writer: { pid: 101, comm: 'crond-log', seconds: 7.42 },
  top: { pid: 106, comm: 'top', seconds: 6.4 },
  crond: 103,
  psOffCpu: 8.44,
  tasks: 161,
} as const;

interface Wait {
  readonly task: { readonly pid: number; readonly comm: string };
  readonly mode: string;
  readonly wait: { readonly seconds: number };
}

async function run(...argv: readonly string[]): Promise<{ readonly status: number; readonly out: string }> {
  return runWith([SAMPLE, ...argv], fakeIo({}, await loadCore()));
}

describe('the JSON of the sample', () => {
  const json: { status?: number; report?: { complete: boolean; findings: { [key: string]: unknown }[] } } = {};
  beforeAll(async () => {
    const { status, out } = await run('--json');
    Object.assign(json, { status, report: JSON.parse(out) as unknown });
  });
  const first = () => json.report?.findings[0] as { cause: string; confidence: string; role: string; details: never };

  it('is complete, and its first finding is the cause, for certain', () => {
    expect([json.status, json.report?.complete]).toEqual([0, true]);
    expect(first()).toMatchObject({
      cause: 'lock-holder-stuck-in-own-userfaultfd',
      role: 'cause',
      confidence: 'certain',
    });
  });

  it('names the lock and its holder, who stands still by structure', () => {
    expect(first().details).toMatchObject({
      lock: { address: TRUTH.lock, member: 'i_rwsem', inodeKind: 'directory', path: '/data', heldBy: 'readers' },
      holder: {
        task: TRUTH.ps,
        state: 'S',
        certainty: 'confirmed',
        inPageFault: true,
        syscall: 'getdents64',
        stall: 'userfault',
      },
      standstill: 'own-userfault',
      provedByStructure: true,
      killingHolderHelps: true,
      memory: 'enough',
    });
    const { holder } = first().details as { holder: { offCpu: { seconds: number } } };
    expect(holder.offCpu.seconds).toBeCloseTo(TRUTH.psOffCpu, 1);
  });

  it('counts who waits, one writer first, and how long', () => {
    const { waiters, groups } = first().details as {
      waiters: { total: number; writers: number; readers: number; first: Wait };
      groups: { comm: string; count: number; longest: Wait; launchers: { levels: object[] } }[];
    };
    expect(waiters).toMatchObject({ total: 51, writers: 1, readers: 50 });
    expect(waiters.first).toMatchObject({ task: { pid: TRUTH.writer.pid, comm: TRUTH.writer.comm }, mode: 'write' });
    expect(waiters.first.wait.seconds).toBeCloseTo(TRUTH.writer.seconds, 1);
    const top = groups.find(({ comm }) => comm === 'top');
    expect(top).toMatchObject({ count: 50, longest: { task: { pid: TRUTH.top.pid, comm: 'top' }, mode: 'read' } });
    expect(top?.longest.wait.seconds).toBeCloseTo(TRUTH.top.seconds, 1);
    expect(top?.launchers.levels).toEqual([
      expect.objectContaining({ comm: 'timeout', processes: 50, started: 50 }),
      expect.objectContaining({ comm: 'crond', processes: 1, started: 50, first: TRUTH.crond }),
    ]);
  });

  it('tells the trigger apart from the cause', () => {
    expect(json.report?.findings.slice(1)).toMatchObject([{ cause: 'crash-by-sysrq', role: 'trigger' }]);
  });
});

it('a time limit that passes in the middle: a partial report that says what was not done', async () => {
  let asked = 0;
  // The clock of a machine on which everything takes long.
  const io = fakeIo({ now: () => ++asked * 100 }, await loadCore());
  const { status, out } = await runWith([SAMPLE, '--timeout', '10', '--json'], io);
  const report = JSON.parse(out) as { checks: { status: string; reason?: string }[]; stopped: string };
  expect([status, report.stopped]).toEqual([1, 'time-limit']);
  const late = report.checks.filter((check) => check.status === 'out-of-time');
  expect(late.length).toBeGreaterThan(0);
  expect(late.every(({ reason }) => reason === 'the time limit was reached')).toBe(true);
});

it('the first screen of the sample says the same, within a screen', async () => {
  const { status, out } = await run('--width', '100');
  const screen = out.slice(0, out.indexOf('\n--- ')).split('\n');
  const text = screen.join(' ').replace(/\s+/g, ' ');
  expect(status).toBe(0);
  expect(screen.length).toBeLessThanOrEqual(24);
  expect(Math.max(...screen.map((line) => line.length))).toBeLessThanOrEqual(100);
  for (const said of [
    '51 tasks wait for the i_rwsem of the directory /data (tmpfs)',
    TRUTH.lock,
    '1 writer first, 50 readers',
    'ps (pid 96) sleeps in a page fault in getdents64 that only its own userfaultfd (its fd 3) could answer',
    'nobody is left to do it',
    'The userfaultfd has no further holder',
    'top (pid 106), for 6.4 s',
    'crond-log (pid 101) to write, for 7.4 s, first in the queue',
    '50 tasks named top by 50 processes named timeout, all started by crond (pid 103)',
    'Not short',
    'Kill ps (pid 96)',
  ]) {
    expect(text).toContain(said);
  }
  expect(out).not.toContain('min_free_kbytes');
  expect(out).toContain(`${TRUTH.tasks} of ${TRUTH.tasks} tasks`);
});
