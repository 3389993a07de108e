/**
 * Memory is short: by the kernel's own estimate of what can still be had, or below the watermarks at which only
 * emergencies get a page. Says who holds most of it by resident size, which counts shared memory once for each process
 * that maps it, and says so; and whether the OOM killer could have helped.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { byteCount, name, plural, prose, type Prose, ratio } from '../../model/value.ts';
import { memoryData, memoryFact, memoryNumbers, type MemoryState, memoryText } from '../facts/memory.ts';
import { type OomCandidates, oomCandidatesFact } from '../facts/oom-candidates.ts';
import { oomData, oomOutlook } from '../facts/oom-outlook.ts';
import { type RssGroup, rssFact, type RssTable } from '../facts/rss.ts';

const MAX_GROUPS = 5;

export default defineDetector({
  id: 'memory-shortage',
  title: 'Shortage of memory',
  summary: 'A machine without free memory stands still in reclaim; who holds it is the first question.',
  needs: { memory: memoryFact, rss: rssFact, oom: oomCandidatesFact },
  appliesTo: needsTypes,
  run: ({ memory, rss, oom }, { pageSize }) =>
    memory.verdict === 'short' ? [findingOf(memory, rss, oom, pageSize)] : [],
});

function findingOf(memory: MemoryState, rss: RssTable, oom: OomCandidates, pageSize: number): Finding {
  const groups = rss.groups.slice(0, MAX_GROUPS);
  return {
    detector: 'memory-shortage',
    cause: 'memory-short',
    role: 'symptom',
    title: prose`Memory ${memory.ranOut ? 'ran out; at the crash' : 'is short:'} ${memoryNumbers(memory)}.`,
    confidence: 'certain',
    weight: rss.groups.length,
    shows: [memoryShort],
    story: [
      { topic: 'memory', text: memoryText(memory) },
      ...groups.map((group) => ({ topic: 'holder' as const, text: groupText(group, rss.whole) })),
      ...oomOutlook(oom, pageSize).map((text) => ({ topic: 'clears' as const, text })),
    ],
    evidence: [...counterEvidence(memory), ...groups.map((group) => groupEvidence(group, rss.whole))],
    remedies: [],
    details: {
      memory: memoryData(memory),
      groups: groups.map((group) => ({
        comm: name(group.comm),
        processes: group.processes,
        rss: byteCount(group.bytes),
      })),
      residentSum: byteCount(rss.total),
      residentSumComplete: rss.whole,
      oomKiller: oomData(oom, pageSize),
    },
  };
}

/** @param whole - false when processes could not be read: then there may be more of them */
function groupText({ comm, processes, bytes }: RssGroup, whole: boolean): Prose {
  const least = whole ? '' : 'at least ';
  return prose`${whole ? '' : 'At least '}${plural(processes, 'process', 'processes')} named ${name(comm)}: ${least}${byteCount(bytes)} resident (shared memory counted in each).`;
}

function groupEvidence(group: RssGroup, whole: boolean): Evidence {
  return {
    claim: groupText(group, whole),
    address: group.largest.address,
    ctype: 'struct task_struct',
    confidence: 'certain',
    show: `ps -G ${group.largest.pid}`,
  };
}

function counterEvidence({ info, available, minWatermark }: MemoryState): Evidence[] {
  const free = info.memFree.value;
  const out: Evidence[] = [];
  if (available !== undefined) {
    out.push({
      claim: prose`MemAvailable is ${ratio(available)} of MemTotal.`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'kmem -i',
    });
  }
  if (free !== undefined && minWatermark !== undefined) {
    out.push({
      claim: prose`${byteCount(free)} are free; the zones' min watermarks add up to ${byteCount(minWatermark)}.`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'kmem -z',
    });
  }
  return out;
}
