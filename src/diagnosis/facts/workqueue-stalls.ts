/**
 * The last pool of kernel workers that the workqueue watchdog called stuck, and whether it is so still: its worker's stack has
 * the work item's function, or, where no work is in flight, one task keeps the pool's CPU to itself.
 */
import { attempt } from '../../base/errors.ts';
import type { Task } from '../../kernel/sched.ts';
import { type InFlight, type WorkqueueReport, workqueueReports } from '../../kernel/workqueue-report.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { logFact } from './log.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';

export interface WorkqueueStall {
  readonly report: WorkqueueReport;
  /** Workers that are still at what was in flight. */
  readonly workers: readonly { readonly task: Task; readonly work: InFlight }[];
  /** Who runs on the CPU of a pool that has nothing in flight; undefined when it is idle, or the pool has several CPUs. */
  readonly busy: Task | undefined;
}

/** Undefined when the log tells of none. */
export const workqueueStallFact = defineFact<WorkqueueStall | undefined>({
  id: 'workqueue-stall',
  derive({ use }) {
    const report = workqueueReports(use(logFact).records).at(-1);
    if (report === undefined) return undefined;
    const tasks = attempt(() => use(tasksFact))?.tasks ?? [];
    const workers = report.inFlight.flatMap((work) => {
      const task = tasks.find(({ pid, kthread }) => pid === work.pid && kthread);
      const frames = task === undefined ? [] : (attempt(() => use(stacksFact).of(task).frames) ?? []);
      return task !== undefined && frames.some(({ func }) => func === work.func) ? [{ task, work }] : [];
    });
    const running = tasks.find(({ running, cpu, idle }) => running && !idle && String(cpu) === report.cpus);
    return { report, workers, busy: report.inFlight.length === 0 ? running : undefined };
  },
});
