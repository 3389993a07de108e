/**
 * Whether the OOM killer can help, in sentences: whom it would end and what that may give back, who holds much and is
 * protected by what, for whom it waits.
 */
import type { OomExemption } from '../../kernel/oom.ts';
import { byteCount, type Data, prose, type Prose, task as taskValue } from '../../model/value.ts';
import type { OomCandidates, OomProcess } from './oom-candidates.ts';
import { OOM_PROTECTED_SHARE } from './thresholds.ts';

const MAX_PROTECTED = 3;

/** Why the killer leaves a process alone: in a cell of a table, and to follow 'cannot be chosen: '. */
export const EXEMPTIONS: Readonly<Record<OomExemption, { readonly cell: string; readonly because: string }>> = {
  init: { cell: 'init', because: 'it is init' },
  'kernel-thread': { cell: 'kernel thread', because: 'it is a kernel thread' },
  'no-mm': { cell: 'has no memory any more', because: 'it has no memory any more' },
  adj: { cell: 'oom_score_adj -1000', because: 'its oom_score_adj is -1000' },
  skip: { cell: 'emptied or given up before', because: 'its memory was taken already, or given up (MMF_OOM_SKIP)' },
  vfork: { cell: 'uses the memory of its parent (vfork)', because: 'it uses the memory of its parent (vfork)' },
};

/** @param pageSize - bytes */
export function oomOutlook(candidates: OomCandidates, pageSize: number): readonly Prose[] {
  const { totalPages, next, waitsFor, killable } = candidates;
  if (totalPages === undefined) return [];
  const size = (process: OomProcess): number => (process.standing.pages ?? 0) * pageSize;
  const lines: Prose[] = [];
  if (waitsFor !== undefined) {
    lines.push(
      prose`The OOM killer waits for ${taskValue(waitsFor.task)}, which it chose before and which has not ended.`,
    );
  } else if (next !== undefined) {
    const among = candidates.partial ? 'Of the processes that could be read, the OOM killer' : 'The OOM killer';
    lines.push(
      prose`${among} would choose ${taskValue(next.task)} next: at most ${byteCount(size(next))} would come back.`,
    );
  } else if (!candidates.partial) {
    lines.push(['There is nobody whom the OOM killer may choose.']);
  }
  for (const process of protectedOf(candidates)) {
    const { exemption, scoreAdj } = process.standing;
    const rank = killable.indexOf(process);
    lines.push(
      exemption === undefined
        ? prose`${taskValue(process.task)} holds ${byteCount(size(process))} and is chosen only after ${String(rank)} others: its oom_score_adj is ${String(scoreAdj)}.`
        : prose`${taskValue(process.task)} holds ${byteCount(size(process))} and cannot be chosen: ${EXEMPTIONS[exemption].because}.`,
    );
  }
  return lines;
}

/** Who holds a good part of memory and is not the next choice because something protects it; largest first. */
export function protectedOf({ totalPages, killable, exempt, next }: OomCandidates): readonly OomProcess[] {
  if (totalPages === undefined) return [];
  const pages = (process: OomProcess): number => process.standing.pages ?? 0;
  const nearly = killable.filter((process) => process !== next && process.standing.scoreAdj < 0);
  return [...exempt, ...nearly]
    .filter(
      (process) => pages(process) >= totalPages * OOM_PROTECTED_SHARE && pages(process) > (next ? pages(next) : 0),
    )
    .sort((a, b) => pages(b) - pages(a))
    .slice(0, MAX_PROTECTED);
}

/** For machines. */
export function oomData(candidates: OomCandidates, pageSize: number): Data {
  const { next, waitsFor, totalPages, partial } = candidates;
  if (totalPages === undefined) return undefined;
  const of = ({ task, standing }: OomProcess): Data => ({
    task: taskValue(task),
    bytes: byteCount((standing.pages ?? 0) * pageSize),
    oomScoreAdj: standing.scoreAdj,
    score: standing.score,
    exempt: standing.exemption,
  });
  return {
    next: next === undefined ? undefined : of(next),
    waitsFor: waitsFor === undefined ? undefined : of(waitsFor),
    protected: protectedOf(candidates).map(of),
    partial,
  };
}
