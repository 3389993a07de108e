/** Tasks that the hung-task watchdog reported before it stopped the machine, and that no queue behind a lock explains. */
import { attempt } from '../../base/errors.ts';
import { type LockupReport, lockupReports } from '../../kernel/lockup-report.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { logFact } from './log.ts';
import { pileUpsFact } from './pileups.ts';
import { stacksFact, waitsIn } from './stacks.ts';
import { standstillFact } from './standstill.ts';
import { tasksFact } from './tasks.ts';
import { triggerFact } from './trigger.ts';

export interface HungTask {
  /** The last report of it. */
  readonly report: LockupReport;
  /** Undefined when it is in the table no more, or sleeps no more. */
  readonly task: Task | undefined;
  /** First function of its stack below the scheduler. */
  readonly waitsIn: string | undefined;
}

/** The last report of each task that the watchdog named, and the task where it still sleeps; empty unless it stopped the machine. */
export const hungReportsFact = defineFact<readonly Pick<HungTask, 'report' | 'task'>[]>({
  id: 'hung-reports',
  derive({ use }) {
    if (use(triggerFact)?.kind !== 'hung-task') return [];
    const reports = new Map<number, LockupReport>();
    for (const report of lockupReports(use(logFact).records))
      if (report.kind === 'hung-task' && report.pid !== undefined) reports.set(report.pid, report);
    const tasks = attempt(() => use(tasksFact))?.tasks ?? [];
    return [...reports.values()].map((report) => {
      const { pid, comm } = report;
      const task = tasks.find((other) => other.pid === pid && other.comm === comm && other.state.uninterruptible);
      return { report, task };
    });
  },
});

/** Those that no queue behind a lock explains. */
export const hungTasksFact = defineFact<readonly HungTask[]>({
  id: 'hung-tasks',
  derive({ use }) {
    const reports = use(hungReportsFact);
    if (reports.length === 0) return [];
    const explained = new Set<Task>();
    for (const pileUp of attempt(() => use(pileUpsFact)) ?? []) {
      if (attempt(() => use(standstillFact).of(pileUp).kind) === 'open') continue;
      for (const { task } of pileUp.victims) explained.add(task);
      if (pileUp.holder !== undefined) explained.add(pileUp.holder.task);
    }
    return reports.flatMap(({ report, task }): readonly HungTask[] => {
      if (task !== undefined && explained.has(task)) return [];
      const stack = task === undefined ? undefined : attempt(() => use(stacksFact).of(task));
      return [{ report, task, waitsIn: stack === undefined ? undefined : waitsIn(stack.frames) }];
    });
  },
});
