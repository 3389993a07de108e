/**
 * A hugetlb pool that is too large: its pages are set aside whether somebody uses them or not, while the rest of the
 * machine has too little. A pool that is in use or promised is no finding, nor is one on a machine that has memory.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { address, byteCount, count, name, plural, prose, ratio } from '../../model/value.ts';
import type { HugePagePool } from '../../kernel/hugetlb.ts';
import { type HugePagePools, hugePagePoolsFact, idlePages } from '../facts/huge-page-pools.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { proofLines } from '../facts/proof.ts';
import { HUGE_FREE_SHARE } from '../facts/thresholds.ts';
import { isTight } from '../facts/tightness.ts';

export default defineDetector({
  id: 'hugepage-pool',
  title: 'Huge pages that nobody uses',
  summary: 'A pool of huge pages takes memory from everybody else, used or not.',
  needs: { huge: hugePagePoolsFact, memory: memoryFact },
  appliesTo: (program) =>
    program.hasSymbol('hstates') && program.tryField('struct hstate', 'resv_huge_pages') !== undefined
      ? true
      : 'this kernel has no pools of huge pages, or their type is not known',
  run({ huge, memory }) {
    const total = memory.info.memTotal.value;
    if (huge === undefined || total === undefined || !isTight(memory)) return [];
    const [largest] = [...huge.pools].sort((a, b) => idlePages(b) * b.size - idlePages(a) * a.size);
    if (largest === undefined || huge.idle < total * HUGE_FREE_SHARE) return [];
    return [findingOf(huge, largest, total, memory)];
  },
});

function findingOf(huge: HugePagePools, pool: HugePagePool, total: number, memory: MemoryState): Finding {
  const idle = prose`${byteCount(huge.idle)} (${ratio(huge.idle / total)} of memory)`;
  const used = pool.total - pool.free;
  const evidence: readonly Evidence[] = huge.pools.map((each) => ({
    claim: prose`${name(each.name)}: ${count(each.total)} in all, ${count(each.free)} free, ${count(each.reserved)} reserved.`,
    address: each.hstate,
    ctype: 'struct hstate',
    confidence: 'certain' as const,
    show: 'kmem -h',
  }));
  return {
    detector: 'hugepage-pool',
    cause: 'hugepage-pool',
    role: 'cause',
    title: prose`${idle} lie idle in pools of huge pages, which nothing else can use, while only ${byteCount(memory.info.memAvailable.value ?? 0)} are available.`,
    confidence: memory.verdict === 'short' ? 'certain' : 'probable',
    ...(memory.verdict === 'short' ? {} : { because: ['memory is tight, but not yet short'] }),
    weight: huge.idle / 4096,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`The pool of ${name(pool.name)} has ${plural(pool.total, 'page')} of ${byteCount(pool.size)}: ${count(used)} in use, ${count(pool.free)} free, ${count(pool.reserved)} of these reserved.`,
      },
      {
        topic: 'why',
        text: ['Pages of a pool are set aside: neither processes nor the kernel get them for anything else.'],
      },
      ...proofLines(evidence, 1),
      { topic: 'clears', text: ['No: the pool keeps its size until the administrator changes it.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`Make the pool smaller: ${plural(used + pool.reserved, 'page')} of ${byteCount(pool.size)} are enough for now (vm.nr_hugepages, hugepages= at boot); that gives back ${byteCount(huge.idle)}.`,
        verify: ['no program that is yet to start counts on them.'],
      },
    ],
    details: {
      resource: address(pool.hstate),
      pool: name(pool.name),
      pageSize: byteCount(pool.size),
      pages: pool.total,
      free: pool.free,
      reserved: pool.reserved,
      idle: byteCount(huge.idle),
      total: byteCount(huge.total),
      share: ratio(huge.idle / total),
      memory: memory.verdict,
    },
  };
}
