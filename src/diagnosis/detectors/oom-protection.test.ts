import { describe, expect, it } from 'vitest';
import { contextOf, findingsOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { OomReport, OomRow } from '../../kernel/oom-report.ts';
import { memoryFact } from '../facts/memory.ts';
import { oomCandidatesFact } from '../facts/oom-candidates.ts';
import oomProtection from './oom-protection.ts';

const MIB = 2 ** 20;
/** Of the 16 GiB of the machine: 6 GiB. */
const BIG = 1_572_864;

/** java holds 6 GiB with this oom_score_adj; mysqld holds 1 GiB. */
function findings(scoreAdj: number, change: (image: KernelImage) => void = () => {}) {
  const incident = new Incident();
  incident.task('java', { pid: 50 });
  incident.task('mysqld', { pid: 60 });
  const program = incident.program((image) => {
    setFree(image, 10 * MIB);
    image.write('mm50.rss_stat.count[1]', BIG);
    image.write('signal50.oom_score_adj', scoreAdj);
    image.write('mm60.rss_stat.count[1]', BIG / 6);
    change(image);
  });
  return findingsOf(oomProtection, program);
}

describe('oom-protection', () => {
  it('speaks of the largest process when it cannot be chosen', () => {
    const [finding, ...more] = findings(-1000);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'oom-largest-protected',
      role: 'cause',
      confidence: 'probable',
      details: { culprit: { pid: 50 }, oomScoreAdj: -1000, exempt: true, oomKiller: { next: { task: { pid: 60 } } } },
    });
  });

  it('speaks of one that is chosen only after the others', () => {
    expect(findings(-998)[0]?.details).toMatchObject({ culprit: { pid: 50 }, exempt: false });
    expect(textOf(findings(-998)[0]?.title)).toMatch(
      /, the largest process \(.*\), is chosen only after (1 other|\d+ others): /,
    );
  });

  it('is silent when it would be chosen next, or where memory is not short', () => {
    expect(findings(0)).toEqual([]);
    expect(findings(-100)).toEqual([]);
    expect(findings(-1000, (image) => setFree(image, 8192 * MIB))).toEqual([]);
  });

  it('is silent about a protected process that is not the largest or holds little', () => {
    expect(findings(-1000, (image) => image.write('mm60.rss_stat.count[1]', 2 * BIG))).toEqual([]);
    expect(findings(-1000, (image) => image.write('mm50.rss_stat.count[1]', BIG / 4))).toEqual([]);
  });

  it('is silent where there is nobody to choose: the kernel panics then', () => {
    expect(findings(-1000, (image) => image.write('signal60.oom_score_adj', -1000))).toEqual([]);
  });

  it('claims nothing when a process could not be read', () => {
    expect(findings(-1000, (image) => image.write('task60.signal', 0xffff880000000000n))).toEqual([]);
  });

  describe('when memory is not short any more', () => {
    const row = (pid: number, comm: string, rss: number, scoreAdj: number): OomRow => {
      const rest = { tgid: pid, uid: 0, totalVm: rss, pageTableBytes: 4096, swapEntries: 0 };
      const unknown = { rssAnon: undefined, rssFile: undefined, rssShmem: undefined, oomAdj: undefined };
      return { pid, comm, rss, scoreAdj, ...rest, ...unknown };
    };
    const killed = { pid: 70, comm: 'redis', score: 1, reaped: undefined, uid: 0, scoreAdj: 0 };
    const REPORT: OomReport = {
      timeNs: undefined,
      invoker: {
        comm: 'sh',
        pid: 7,
        gfpMask: 0,
        gfpFlags: undefined,
        order: 0,
        oomAdj: undefined,
        scoreAdj: 0,
        cpuset: '/',
        memsAllowed: '0',
        nodemask: undefined,
      },
      constraint: 'NONE',
      memcg: undefined,
      memory: undefined,
      table: [row(50, 'java', BIG, -1000), row(70, 'redis', 900, 0)],
      badRows: 0,
      victims: [{ ...killed, totalVm: 1, anonRss: 1, fileRss: 0, shmemRss: 0, pageTables: 4 }],
      outcome: 'killed',
    };

    function told(report: OomReport) {
      const incident = new Incident();
      incident.task('java', { pid: 50 });
      incident.task('mysqld', { pid: 60 });
      const program = incident.program((image) => {
        setFree(image, 8192 * MIB);
        image.write('mm50.rss_stat.count[1]', BIG);
        image.write('signal50.oom_score_adj', -1000);
        image.write('mm60.rss_stat.count[1]', BIG / 6);
      });
      const { use } = contextOf(program);
      const facts = { candidates: use(oomCandidatesFact), memory: use(memoryFact), panic: undefined };
      return oomProtection.detector.run({ ...facts, log: { reports: [report], failures: [] } }, program);
    }

    it('speaks of it when the OOM killer ended a smaller one in its place', () => {
      const [finding, ...more] = told(REPORT);
      expect(more).toEqual([]);
      expect(finding).toMatchObject({
        cause: 'oom-largest-protected',
        confidence: 'probable',
        details: { culprit: { pid: 50 }, killed: 1 },
      });
      expect(finding?.because).toContain('; memory is not short any more: it was when processes were killed');
    });

    it('is silent when it was not there, not protected, or not larger at that time, or a cgroup was at its limit', () => {
      const with50 = (...table: readonly OomRow[]): OomReport => ({
        ...REPORT,
        table: [...table, row(70, 'redis', 900, 0)],
      });
      expect(told(with50())).toEqual([]);
      expect(told(with50(row(50, 'sh', BIG, -1000)))).toEqual([]);
      expect(told(with50(row(50, 'java', BIG, 0)))).toEqual([]);
      expect(told(with50(row(50, 'java', 800, -1000)))).toEqual([]);
      const memcg = { path: '/box', taskPath: undefined, usage: 1, limit: 1, failCount: 1, others: new Map() };
      expect(told({ ...REPORT, memcg })).toEqual([]);
      expect(told({ ...REPORT, table: undefined })).toEqual([]);
    });
  });
});
