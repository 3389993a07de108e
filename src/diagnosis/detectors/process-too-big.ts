/**
 * Memory is short because one process has most of it: its own anonymous memory, not what it shares. One that the OOM
 * killer may not choose is told by `oom-protection`; files on tmpfs and shared memory are no process's own.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { byteCount, name, prose, ratio, task as taskValue } from '../../model/value.ts';
import { type LargestProcess, largestProcessFact } from '../facts/largest-process.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { PROCESS_SHARE } from '../facts/thresholds.ts';
import { proofLines } from '../facts/proof.ts';

export default defineDetector({
  id: 'process-too-big',
  title: 'A process with most of the memory',
  summary: 'Mostly a shortage is one program that has grown: by its own memory, not by what it shares.',
  needs: { largest: largestProcessFact, memory: memoryFact },
  appliesTo: needsTypes,
  run({ largest, memory }) {
    if (largest === undefined || memory.verdict !== 'short') return [];
    return largest.own >= largest.total * PROCESS_SHARE ? [findingOf(largest, memory)] : [];
  },
});

function findingOf(largest: LargestProcess, memory: MemoryState): Finding {
  const { process, own, mapped, total, second, whole } = largest;
  const { task, standing } = process;
  const held = prose`${byteCount(own)} (${ratio(own / total)} of memory and swap)`;
  const evidence: readonly Evidence[] = [
    {
      claim: prose`mm_struct.rss_stat of ${taskValue(task)} counts ${byteCount(own)} of anonymous pages and swap entries.`,
      address: task.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show: `ps -G ${task.pid}`,
    },
  ];
  return {
    detector: 'process-too-big',
    cause: 'process-too-big',
    role: 'cause',
    title: prose`Memory ${memory.ranOut ? 'ran out' : 'is short'} because ${taskValue(task)} holds ${held} of its own.`,
    confidence: whole ? 'probable' : 'possible',
    because: whole
      ? ['what it holds is read; that it should not hold so much is inferred']
      : ['not all processes could be read: there may be a larger one'],
    weight: own / 4096,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`That is anonymous memory, resident or in swap; beside it, ${taskValue(task)} maps ${byteCount(mapped)} of files and shared memory.`,
      },
      {
        topic: 'why',
        text: prose`It is the largest; the next has ${byteCount(second)}.`,
      },
      ...proofLines(evidence, 1),
      {
        topic: 'clears',
        text: memory.ranOut
          ? prose`No: the kernel stopped before the OOM killer could end it (oom_score_adj ${String(standing.scoreAdj)}: its next choice).`
          : prose`When the OOM killer ends it: it is its next choice (oom_score_adj ${String(standing.scoreAdj)}), but comes only when reclaim has failed.`,
      },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      memory.ranOut
        ? { action: prose`Give ${name(task.comm)} less (heap size, memory.max of its cgroup), or the machine more.` }
        : {
            action: prose`End or restart ${taskValue(task)}, which gives back ${byteCount(own)}; give it less (heap size, memory.max of its cgroup), or the machine more.`,
            verify: ['it does not need that much.'],
            caution: ['what it has not written to disk is lost.'],
          },
    ],
    details: {
      culprit: taskValue(task),
      comm: name(task.comm),
      own: byteCount(own),
      mapped: byteCount(mapped),
      share: ratio(own / total),
      second: byteCount(second),
      oomScoreAdj: standing.scoreAdj,
      complete: whole,
      memory: memory.verdict,
    },
  };
}
