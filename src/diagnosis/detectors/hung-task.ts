/**
 * The hung-task watchdog stopped the machine for tasks that no queue behind a lock explains. A symptom: the watchdog is
 * never the cause, and what these tasks sleep for is told only as far as their stacks show it.
 */
import { blocked, kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { duration, name, plural, prose, type Prose, symbol, task as taskValue } from '../../model/value.ts';
import { type HungTask, hungTasksFact } from '../facts/hung-tasks.ts';

export default defineDetector({
  id: 'hung-task',
  title: 'Tasks that the hung-task watchdog reported',
  summary:
    'The watchdog stops a machine for tasks that sleep too long; what they sleep for is the cause, not the watchdog.',
  needs: { hung: hungTasksFact },
  appliesTo: () => true,
  run: ({ hung }) => {
    const [first] = hung;
    return first === undefined ? [] : [findingOf(hung, first)];
  },
});

const SHOWN = 5;

function findingOf(hung: readonly HungTask[], first: HungTask): Finding {
  const more = hung.length - 1;
  const rest = more === 0 ? '' : prose` and ${plural(more, 'more task')}`;
  return {
    detector: 'hung-task',
    cause: 'hung-tasks',
    role: 'symptom',
    title: prose`The hung-task watchdog reported ${whoText(first)}${rest}; what they sleep for is not known to be a lock.`,
    confidence: first.task === undefined ? 'probable' : 'certain',
    ...(first.task === undefined ? { because: ['only the log says so'] } : {}),
    weight: hung.length,
    shows: hung.flatMap(({ task }) => (task === undefined ? [] : [blocked(task.address)])),
    explains: [kernelStopped],
    story: [
      { topic: 'what', text: prose`The hung-task watchdog reported ${whoText(first)}${rest}.` },
      ...hung.slice(0, 3).map((one) => ({ topic: 'waiters' as const, text: sentence(one) })),
    ],
    evidence: hung.slice(0, SHOWN).map(evidenceOf),
    remedies: [],
    details: {
      tasks: hung.map(({ report, task, waitsIn }) => ({
        pid: report.pid,
        comm: report.comm === undefined ? undefined : name(report.comm),
        task: task === undefined ? undefined : taskValue(task),
        blocked: report.stuck === undefined ? undefined : duration(report.stuck),
        waitsIn,
        owner: report.owner === undefined ? undefined : { pid: report.owner.pid, comm: name(report.owner.comm) },
      })),
    },
  };
}

function whoText({ report, task }: HungTask): Prose {
  return task === undefined
    ? prose`${name(report.comm ?? '?')} (pid ${String(report.pid ?? '?')})`
    : prose`${taskValue(task)}`;
}

function sentence(hung: HungTask): Prose {
  const { report, waitsIn } = hung;
  const time = report.stuck === undefined ? '' : prose` for more than ${duration(report.stuck)}`;
  const where = waitsIn === undefined ? '' : prose`, in ${symbol(waitsIn)}`;
  const { owner } = report;
  const by =
    owner === undefined ? '' : prose`; the log calls ${name(owner.comm)} (pid ${String(owner.pid)}) the likely owner`;
  return prose`${whoText(hung)} blocked${time}${where}${by}.`;
}

function evidenceOf(hung: HungTask): Evidence {
  const { report, task } = hung;
  return {
    claim: prose`The log says: ${name(report.headline)}`,
    address: task?.address,
    ctype: task === undefined ? undefined : 'struct task_struct',
    confidence: 'certain',
    show: report.pid === undefined ? 'log' : `bt ${report.pid}`,
  };
}
