/**
 * Memory is short, and the process that holds most of it is one that the OOM killer may not choose, or only after all
 * others: it would end small ones and help nobody. Says nothing where the kernel has panicked for want of a victim: that
 * is told by `oom-panic`.
 */
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Finding } from '../../model/finding.ts';
import { byteCount, name, prose, ratio, task as taskValue } from '../../model/value.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { type OomCandidates, oomCandidatesFact, type OomProcess } from '../facts/oom-candidates.ts';
import { oomData, oomOutlook } from '../facts/oom-outlook.ts';
import { oomPanicFact } from '../facts/oom-panic.ts';
import { OOM_PROTECTED_CAUSE } from '../facts/thresholds.ts';

export default defineDetector({
  id: 'oom-protection',
  title: 'Processes that the OOM killer may not choose',
  summary: 'When the largest process is protected, the OOM killer ends small ones and the shortage stays.',
  needs: { candidates: oomCandidatesFact, memory: memoryFact, panic: oomPanicFact },
  appliesTo: needsTypes,
  run({ candidates, memory, panic }, { pageSize }) {
    const largest = largestOf(candidates);
    if (largest === undefined || memory.verdict !== 'short' || panic !== undefined) return [];
    return [findingOf(largest, candidates, memory, pageSize)];
  },
});

/** The largest process of all, when its oom_score_adj protects it and it holds a good part of memory. */
function largestOf({ totalPages, killable, exempt, next, partial }: OomCandidates): OomProcess | undefined {
  // With nobody to choose the kernel panics: that is another finding.
  if (totalPages === undefined || partial || next === undefined) return undefined;
  const [largest] = [...killable, ...exempt].sort((a, b) => (b.standing.pages ?? 0) - (a.standing.pages ?? 0));
  if (largest === undefined || largest === next || largest.standing.scoreAdj >= 0) return undefined;
  const isExempt = largest.standing.exemption === 'adj';
  if (!isExempt && largest.standing.exemption !== undefined) return undefined;
  return (largest.standing.pages ?? 0) >= totalPages * OOM_PROTECTED_CAUSE ? largest : undefined;
}

function findingOf(largest: OomProcess, candidates: OomCandidates, memory: MemoryState, pageSize: number): Finding {
  const held = (largest.standing.pages ?? 0) * pageSize;
  const total = (candidates.totalPages ?? 0) * pageSize;
  const { scoreAdj, exemption } = largest.standing;
  const never = exemption === 'adj';
  const rank = candidates.killable.indexOf(largest);
  return {
    detector: 'oom-protection',
    cause: 'oom-largest-protected',
    role: 'cause',
    title: prose`Memory is short, and ${taskValue(largest.task)}, which holds most of it (${byteCount(held)}, ${ratio(held / total)}), ${never ? 'cannot be chosen by the OOM killer' : `is chosen only after ${rank} others`}: its oom_score_adj is ${String(scoreAdj)}.`,
    confidence: 'probable',
    because: ['that it holds most and is protected is read; that it should not hold so much is inferred'],
    weight: 1,
    story: [
      {
        topic: 'what',
        text: prose`${taskValue(largest.task)} holds ${byteCount(held)}, resident, swapped and in page tables: ${ratio(held / total)} of memory and swap.`,
      },
      {
        topic: 'why',
        text: never
          ? ['oom_score_adj -1000 exempts a process: the OOM killer ends others, one after another.']
          : prose`oom_score_adj ${String(scoreAdj)} takes nearly all of memory off its badness: all others come first.`,
      },
      ...oomOutlook(candidates, pageSize).map((text) => ({ topic: 'clears' as const, text })),
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence: [
      {
        claim: prose`signal->oom_score_adj of ${taskValue(largest.task)} is ${String(scoreAdj)}.`,
        address: largest.task.address,
        ctype: 'struct task_struct',
        confidence: 'certain',
        show: `task -R signal ${largest.task.pid}`,
      },
    ],
    remedies: [
      {
        action: prose`Limit the memory of ${name(largest.task.comm)}, or do not protect it (oom_score_adj ${never ? 'above -1000' : 'nearer to 0'}).`,
        caution: ['the OOM killer will then choose it first'],
      },
    ],
    details: {
      culprit: taskValue(largest.task),
      bytes: byteCount(held),
      oomScoreAdj: scoreAdj,
      exempt: never,
      oomKiller: oomData(candidates, pageSize),
      memory: memoryData(memory),
    },
  };
}
