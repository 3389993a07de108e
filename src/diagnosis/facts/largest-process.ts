/** The process whom the OOM killer would choose next, where that is also the largest of all, with the memory that is its own. */
import { attempt } from '../../base/errors.ts';
import { rssOf } from '../../kernel/mm.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { oomCandidatesFact, type OomProcess } from './oom-candidates.ts';

export interface LargestProcess {
  readonly process: OomProcess;
  /** Bytes of anonymous memory, resident and in swap. */
  readonly own: number;
  /** Bytes of files and shared memory that it has mapped. */
  readonly mapped: number;
  /** Bytes of RAM and swap. */
  readonly total: number;
  /** Bytes of the second largest, all its memory; 0 when there is none. */
  readonly second: number;
  /** False when a process could not be judged: then there may be a larger one. */
  readonly whole: boolean;
}

/** Undefined when it is not known, was chosen already, or is not the next choice. */
export const largestProcessFact = defineFact<LargestProcess | undefined>({
  id: 'largest-process',
  derive({ program, use }) {
    const { killable, exempt, next, totalPages, partial } = use(oomCandidatesFact);
    const pagesOf = ({ standing }: OomProcess): number => standing.pages ?? 0;
    const [largest, second] = [...killable, ...exempt].sort((a, b) => pagesOf(b) - pagesOf(a));
    if (largest === undefined || totalPages === undefined || largest !== next) return undefined;
    if (largest.standing.victim === true) return undefined;
    const mm = largest.threads.find((thread) => thread.mm !== undefined)?.mm;
    const users = largest.threads.map(({ address }) => address);
    const rss = mm === undefined ? undefined : attempt(() => rssOf(program, mm, users));
    if (rss === undefined) return undefined;
    // No process has more of its own than there is: its counters are damaged, and with them who is the largest.
    if (rss.anon + rss.swap > totalPages) return undefined;
    return {
      process: largest,
      own: (rss.anon + rss.swap) * program.pageSize,
      mapped: (rss.file + (rss.shmem ?? 0)) * program.pageSize,
      total: totalPages * program.pageSize,
      second: second === undefined ? 0 : pagesOf(second) * program.pageSize,
      whole: !partial,
    };
  },
});
