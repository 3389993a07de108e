/**
 * Memory is short, or was when the OOM killer ended processes, and the process that holds most of it is one that the OOM
 * killer may not choose, or only after all others: it ends small ones and helps nobody. Says nothing where the kernel has
 * panicked for want of a victim: that is told by `oom-panic`.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Evidence, Finding, Remedy } from '../../model/finding.ts';
import { byteCount, name, plural, prose, type Prose, ratio, task as taskValue } from '../../model/value.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { type OomCandidates, oomCandidatesFact, type OomProcess } from '../facts/oom-candidates.ts';
import { type OomLog, oomLogFact } from '../facts/oom-log.ts';
import { oomData, oomOutlook } from '../facts/oom-outlook.ts';
import { oomPanicFact } from '../facts/oom-panic.ts';
import { OOM_PROTECTED_CAUSE } from '../facts/thresholds.ts';
import { proofLines } from '../facts/proof.ts';
import { signalCommand } from '../facts/signal-view.ts';

export default defineDetector({
  id: 'oom-protection',
  title: 'Processes that the OOM killer may not choose',
  summary: 'When the largest process is protected, the OOM killer ends small ones and the shortage stays.',
  needs: { candidates: oomCandidatesFact, memory: memoryFact, panic: oomPanicFact, log: oomLogFact },
  appliesTo: needsTypes,
  run({ candidates, memory, panic, log }, program) {
    const largest = largestOf(candidates);
    if (largest === undefined || panic !== undefined) return [];
    const spared = memory.verdict === 'short' ? [] : endedFor(largest, log);
    if (memory.verdict !== 'short' && spared.length === 0) return [];
    const given = { pageSize: program.pageSize, show: signalCommand(program, largest.task, 'oom_score_adj') };
    return [findingOf(largest, candidates, memory, spared, given)];
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

/** Whom the OOM killer ended while the process held more than they and was protected as it is now. */
function endedFor(largest: OomProcess, { reports }: OomLog): OomLog['reports'][number]['victims'] {
  const { pid, comm } = largest.task;
  return reports.flatMap(({ memcg, table, victims }) => {
    const row = table?.find((one) => one.pid === pid && one.comm === comm);
    if (memcg !== undefined || row === undefined || row.scoreAdj !== largest.standing.scoreAdj) return [];
    const smaller = table?.filter((one) => one.rss < row.rss).map((one) => one.pid);
    return victims.filter((victim) => smaller?.includes(victim.pid) === true);
  });
}

function titleOf(largest: OomProcess, held: Prose, spared: readonly { readonly comm: string }[], why: string): Prose {
  const who = prose`${taskValue(largest.task)}, the largest process (${held}), ${why}: its oom_score_adj is ${String(largest.standing.scoreAdj)}.`;
  if (spared.length === 0) return prose`Memory is short, and ${who}`;
  const [first] = spared;
  const ended = spared.length === 1 ? name(first?.comm ?? '') : plural(spared.length, 'process', 'processes');
  return prose`Memory was short, and the OOM killer ended ${ended}: ${who}`;
}

/** What helps at once: nothing where it sleeps so that no signal ends it. */
function endRemedy({ task }: OomProcess, bytes: number): readonly Remedy[] {
  if (task.state.sleeping && !task.state.killable) return [];
  return [
    {
      action: prose`End ${taskValue(task)} yourself: up to ${byteCount(bytes)} come back. Then limit its memory, or do not protect it.`,
      verify: ['what it does can be lost.'],
    },
  ];
}

function findingOf(
  largest: OomProcess,
  candidates: OomCandidates,
  memory: MemoryState,
  spared: readonly { readonly comm: string }[],
  { pageSize, show }: { readonly pageSize: number; readonly show: string },
): Finding {
  const held = (largest.standing.pages ?? 0) * pageSize;
  const total = (candidates.totalPages ?? 0) * pageSize;
  const { scoreAdj, exemption } = largest.standing;
  const never = exemption === 'adj';
  const rank = candidates.killable.indexOf(largest);
  const evidence: readonly Evidence[] = [
    {
      claim: prose`signal->oom_score_adj of ${taskValue(largest.task)} is ${String(scoreAdj)}.`,
      address: largest.task.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show,
    },
  ];
  return {
    detector: 'oom-protection',
    cause: 'oom-largest-protected',
    role: 'cause',
    title: titleOf(
      largest,
      prose`${byteCount(held)}, ${ratio(held / total)}`,
      spared,
      never ? 'cannot be chosen by the OOM killer' : `is chosen only after ${rank} ${rank === 1 ? 'other' : 'others'}`,
    ),
    confidence: 'probable',
    because: [
      'that it is the largest and is protected is read; that it should not hold so much is inferred',
      ...(spared.length === 0 ? [] : ['; memory is not short any more: it was when processes were killed']),
    ],
    weight: 1,
    explains: [memoryShort],
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
      ...proofLines(evidence, 1),
      ...oomOutlook(candidates, pageSize).map((text) => ({ topic: 'clears' as const, text })),
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      ...endRemedy(largest, held),
      {
        action: prose`Limit the memory of ${name(largest.task.comm)}, or do not protect it (oom_score_adj ${never ? 'above -1000' : 'nearer to 0'}).`,
        verify: ['it does not need that much.'],
        caution: ['without protection the OOM killer chooses it first.'],
      },
    ],
    details: {
      culprit: taskValue(largest.task),
      bytes: byteCount(held),
      oomScoreAdj: scoreAdj,
      exempt: never,
      killed: spared.length,
      oomKiller: oomData(candidates, pageSize),
      memory: memoryData(memory),
    },
  };
}
