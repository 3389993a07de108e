/**
 * The workqueue watchdog said that a pool of kernel workers takes no work. A symptom: what its worker waits for, or who has
 * its CPU, is the cause. Where the worker that it named does something else by now, the pool went on and it is only told.
 */
import { blocked } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { duration, name, plural, prose, type Prose, symbol, task as taskValue } from '../../model/value.ts';
import { workqueueStallFact, type WorkqueueStall } from '../facts/workqueue-stalls.ts';

export default defineDetector({
  id: 'workqueue-stall',
  title: 'Pools of workers that the watchdog reported',
  summary:
    'Work that the kernel does for everybody stands still behind one worker that waits, or a CPU that is kept busy.',
  needs: { stall: workqueueStallFact },
  appliesTo: () => true,
  run: ({ stall }) => (stall === undefined ? [] : [findingOf(stall)]),
});

function findingOf(stall: WorkqueueStall): Finding {
  const { report, workers, busy } = stall;
  const still = workers.length > 0 || busy !== undefined;
  const [worker] = workers;
  const behind =
    worker !== undefined
      ? prose`: ${taskValue(worker.task)} is still in ${symbol(worker.work.func)}`
      : busy === undefined
        ? ''
        : prose`: ${taskValue(busy)} has its CPU`;
  return {
    detector: 'workqueue-stall',
    cause: 'workqueue-stalled',
    role: still ? 'symptom' : 'context',
    title: prose`The workers of CPU ${report.cpus} took no work for ${duration(report.stuck)}${behind}.`,
    confidence: worker === undefined ? 'possible' : 'certain',
    ...(worker === undefined
      ? {
          because: still ? ['only the log says that the pool is stuck'] : ['it may have gone on since the log said so'],
        }
      : {}),
    weight: report.pending.length + 1,
    restsOn: [...workers.map(({ task }) => task), ...(busy === undefined ? [] : [busy])].map(({ address }) =>
      blocked(address),
    ),
    story: [
      { topic: 'why', text: pendingText(stall) },
      ...(report.timeNs === undefined
        ? []
        : [{ topic: 'since' as const, text: prose`Last reported ${duration(report.timeNs)} after boot.` }]),
    ],
    evidence: [
      {
        claim: prose`The log says: ${name(report.headline)}`,
        address: undefined,
        ctype: undefined,
        confidence: 'certain',
        show: 'log',
      },
      ...workers.map(
        ({ task, work }): Evidence => ({
          claim: prose`The stack of ${taskValue(task)} has ${symbol(work.func)}, which the log calls in flight.`,
          address: task.address,
          ctype: 'struct task_struct',
          confidence: 'certain',
          show: `bt ${task.pid}`,
        }),
      ),
    ],
    remedies: [],
    details: {
      cpus: report.cpus,
      stuck: duration(report.stuck),
      workers: workers.map(({ task, work }) => ({ task: taskValue(task), function: work.func, module: work.module })),
      busy: busy === undefined ? undefined : taskValue(busy),
      pending: report.pending.slice(0, 10).map((func) => name(func)),
    },
  };
}

function pendingText({ report }: WorkqueueStall): Prose {
  const { pending } = report;
  if (pending.length === 0) return ['The log tells of no work that waits on it.'];
  const shown = pending.slice(0, 4).flatMap((func, i): Prose => (i === 0 ? [symbol(func)] : [', ', symbol(func)]));
  const rest = pending.length > 4 ? prose` and ${String(pending.length - 4)} more` : '';
  return prose`${plural(pending.length, 'work item waits', 'work items wait')} on it, by the log: ${shown}${rest}.`;
}
