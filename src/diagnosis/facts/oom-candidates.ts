/**
 * The processes as the OOM killer sees them: who would be killed next, who is protected by what, who was chosen before
 * and has not ended. Judged over the whole machine; a memory cgroup at its limit chooses among its own.
 */
import { attempt } from '../../base/errors.ts';
import { oomJudge, type OomStanding } from '../../kernel/oom.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { memoryFact } from './memory.ts';
import { tasksFact } from './tasks.ts';

export interface OomProcess {
  /** The leader of its threads. */
  readonly task: Task;
  readonly threads: readonly Task[];
  readonly standing: OomStanding;
}

export interface OomCandidates {
  /** RAM and swap, pages: what badness is measured by; undefined when MemTotal is not known, and then nobody is judged. */
  readonly totalPages: number | undefined;
  /** Who may be killed, worst first: in the kernel's order of choice. */
  readonly killable: readonly OomProcess[];
  /** Who may not, though it has memory; largest first. */
  readonly exempt: readonly OomProcess[];
  /** Chosen before and still there. */
  readonly victims: readonly OomProcess[];
  /** The next choice; undefined when there is none, or when that is not known. */
  readonly next: OomProcess | undefined;
  /** An earlier victim that the killer waits for before it chooses again (until the reaper gives it up). */
  readonly waitsFor: OomProcess | undefined;
  /** True when one could not be read: the next choice may be another. */
  readonly partial: boolean;
}

export const oomCandidatesFact = defineFact<OomCandidates>({
  id: 'oom-candidates',
  derive({ program, use, budget, cover }) {
    const { tasks, complete } = use(tasksFact);
    const { memTotal, swapTotal } = use(memoryFact).info;
    const total = memTotal.value;
    // Without CONFIG_SWAP there is no counter of it.
    const swap = program.hasSymbol('total_swap_pages') ? swapTotal.value : 0;
    if (total === undefined || swap === undefined) return nobody(true);
    const totalPages = Math.trunc((total + swap) / program.pageSize);
    const processes = new Map<number, Task[]>();
    for (const task of tasks) {
      if (task.idle || task.kthread) continue;
      const threads = processes.get(task.tgid);
      if (threads === undefined) processes.set(task.tgid, [task]);
      else threads.push(task);
    }
    const standingOf = oomJudge(program, totalPages);
    const judged: OomProcess[] = [];
    for (const [tgid, threads] of processes) {
      budget.check();
      const leader = threads.find(({ pid }) => pid === tgid) ?? threads[0];
      if (leader === undefined) continue;
      const mm = threads.find((thread) => thread.mm !== undefined)?.mm;
      const candidate = { task: leader.address, pid: tgid, kthread: leader.kthread, mm };
      const standing = attempt(() => standingOf(candidate));
      if (standing !== undefined) judged.push({ task: leader, threads, standing });
    }
    const missing = judged.length < processes.size ? ['its signal_struct or mm_struct cannot be read'] : [];
    cover({ what: 'processes as the OOM killer sees them', read: judged.length, total: processes.size, missing });
    return candidates(judged, totalPages, judged.length < processes.size || !complete);
  },
});

function nobody(partial: boolean): OomCandidates {
  return {
    totalPages: undefined,
    killable: [],
    exempt: [],
    victims: [],
    next: undefined,
    waitsFor: undefined,
    partial,
  };
}

function candidates(judged: readonly OomProcess[], totalPages: number, partial: boolean): OomCandidates {
  const killable = judged
    .filter(({ standing }) => standing.badness !== undefined)
    // Of equals the kernel takes the one it meets last.
    .map((process, index) => ({ process, index, badness: process.standing.badness ?? 0 }))
    .sort((a, b) => b.badness - a.badness || b.index - a.index)
    .map(({ process }) => process);
  const exempt = judged
    .filter(({ standing }) => standing.badness === undefined && (standing.pages ?? 0) > 0)
    .sort((a, b) => (b.standing.pages ?? 0) - (a.standing.pages ?? 0));
  const victims = judged.filter(({ standing }) => standing.victim === true);
  // A victim whose memory was taken already, or given up, is passed over; any other is waited for.
  const waitsFor = victims.find(({ standing }) => standing.exemption !== 'skip' && standing.exemption !== 'no-mm');
  const next = waitsFor === undefined ? killable[0] : undefined;
  return { totalPages, killable, exempt, victims, next, waitsFor, partial };
}
