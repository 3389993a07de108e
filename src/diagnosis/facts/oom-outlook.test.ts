import { describe, expect, it } from 'vitest';
import { virt } from '../../base/address.ts';
import type { OomExemption, OomStanding } from '../../kernel/oom.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Prose } from '../../model/value.ts';
import type { OomCandidates, OomProcess } from './oom-candidates.ts';
import { oomOutlook } from './oom-outlook.ts';

const PAGE = 4096;
const TOTAL = 100_000;

function process(comm: string, pages: number, scoreAdj = 0, exemption?: OomExemption): OomProcess {
  const badness = exemption === undefined ? pages + scoreAdj * (TOTAL / 1000) : undefined;
  const standing: OomStanding = { scoreAdj, exemption, badness, pages, score: 0, victim: false };
  const task = { pid: pages, comm, address: virt(0xffff888000100000n) } as Task;
  return { task, threads: [], standing };
}

function candidates(some: Partial<OomCandidates>): OomCandidates {
  const { killable = [], ...rest } = some;
  return {
    totalPages: TOTAL,
    killable,
    exempt: [],
    victims: [],
    next: killable[0],
    waitsFor: undefined,
    partial: false,
    ...rest,
  };
}

function text(lines: readonly Prose[]): readonly string[] {
  return lines.map((line) =>
    line
      .map((part) => {
        if (typeof part === 'string') return part;
        if (part.kind === 'task') return part.comm;
        return part.kind === 'bytes' ? `${part.value / PAGE} pages` : '?';
      })
      .join(''),
  );
}

describe('what the OOM killer could do', () => {
  it('the next choice, and what would come back', () => {
    expect(text(oomOutlook(candidates({ killable: [process('java', 60_000), process('sh', 10)] }), PAGE))).toEqual([
      'The OOM killer would choose java next: at most 60000 pages would come back.',
    ]);
  });

  it('who is exempt and who is nearly so, when they hold more than the next choice', () => {
    const all = candidates({
      killable: [process('sh', 500), process('db', 30_000, -998)],
      exempt: [process('qemu', 40_000, -1000, 'adj'), process('init', 400, 0, 'init')],
    });
    expect(text(oomOutlook(all, PAGE))).toEqual([
      'The OOM killer would choose sh next: at most 500 pages would come back.',
      'qemu holds 40000 pages and cannot be chosen: its oom_score_adj is -1000.',
      'db holds 30000 pages and is chosen only after 1 others: its oom_score_adj is -998.',
    ]);
  });

  it('is silent about small ones, and about those that are smaller than the next choice', () => {
    const all = candidates({
      killable: [process('java', 50_000)],
      exempt: [process('udevd', 100, -1000, 'adj'), process('sshd', 20_000, -1000, 'adj')],
    });
    expect(text(oomOutlook(all, PAGE))).toHaveLength(1);
  });

  it('an earlier victim, nobody, and what is not known', () => {
    const waiting = candidates({ waitsFor: process('java', 1), next: undefined });
    expect(text(oomOutlook(waiting, PAGE))).toEqual([
      'The OOM killer waits for java, which it chose before and which has not ended.',
    ]);
    expect(text(oomOutlook(candidates({}), PAGE))).toEqual(['There is nobody whom the OOM killer may choose.']);
    expect(oomOutlook(candidates({ partial: true }), PAGE)).toEqual([]);
    expect(oomOutlook(candidates({ totalPages: undefined }), PAGE)).toEqual([]);
  });
});
