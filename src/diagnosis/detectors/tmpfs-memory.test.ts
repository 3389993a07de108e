import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import { virt } from '../../base/address.ts';
import type { OomReport } from '../../kernel/oom-report.ts';
import type { Finding } from '../../model/finding.ts';
import { memoryFact } from '../facts/memory.ts';
import type { Tmpfs } from '../facts/tmpfs.ts';
import tmpfsMemory from './tmpfs-memory.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

const SHM: Tmpfs = {
  superBlock: virt(0xffff888100042800n),
  directories: ['/dev/shm'],
  live: 8 * GIB,
  files: 12,
  deleted: 0,
  largest: [{ inode: virt(0xffff888100050000n), path: '/dev/shm/part.000', bytes: GIB }],
};

/** What this log does not hold. */
const UNTOLD = { oomAdj: undefined, cpuset: undefined, memsAllowed: undefined, nodemask: undefined };

function report(comm: string, memcg: boolean): OomReport {
  const victim = { pid: 7, comm, score: 1, reaped: undefined, uid: 0, scoreAdj: 0 };
  const sizes = { totalVm: 1, anonRss: 1, fileRss: 0, shmemRss: 0, pageTables: 4 };
  return {
    timeNs: undefined,
    invoker: { comm, pid: 7, gfpMask: 0, gfpFlags: undefined, order: 0, scoreAdj: 0, ...UNTOLD },
    constraint: undefined,
    memcg: memcg
      ? { path: '/box', taskPath: undefined, usage: 1, limit: 1, failCount: 1, others: new Map() }
      : undefined,
    memory: undefined,
    table: undefined,
    badRows: 0,
    victims: [{ ...victim, ...sizes }],
    outcome: 'killed',
  };
}

/** On a machine of 16 GiB. */
function told(
  tmpfs: readonly Tmpfs[],
  { free = 10 * MIB, reports = [] as readonly OomReport[] } = {},
): readonly Finding[] {
  const program = new Incident().program((image) => setFree(image, free));
  const memory = contextOf(program).use(memoryFact);
  return tmpfsMemory.detector.run({ tmpfs, memory, log: { reports, failures: [] } }, program);
}

describe('tmpfs-memory', () => {
  it('speaks of a tmpfs that holds half of memory while memory is short', () => {
    const [finding, ...more] = told([SHM]);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'memory-held-by-tmpfs',
      confidence: 'certain',
      details: { resource: { value: SHM.superBlock }, files: 12, killed: 0 },
    });
  });

  it('speaks where processes were killed for it, though there is memory now, and is less sure', () => {
    const [finding] = told([SHM], { free: 2 * GIB, reports: [report('worker', false), report('sh', false)] });
    expect(finding).toMatchObject({ confidence: 'probable', details: { killed: 2 } });
  });

  it('speaks where memory is tight, and is less sure', () => {
    expect(told([SHM], { free: GIB })).toMatchObject([{ role: 'cause', confidence: 'probable' }]);
  });

  it('is silent on a machine that has memory, whoever a cgroup had to kill', () => {
    expect(told([SHM], { free: 2 * GIB })).toEqual([]);
    expect(told([SHM], { free: 2 * GIB, reports: [report('worker', true)] })).toEqual([]);
  });

  it("is silent about a small one, and about the kernel's own", () => {
    expect(told([{ ...SHM, live: GIB }])).toEqual([]);
    expect(told([{ ...SHM, directories: [] }])).toEqual([]);
    expect(told([])).toEqual([]);
  });
});
