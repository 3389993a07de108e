/**
 * A plugin: the command `piles` and a detector of jobs that pile up, many tasks of one name that all hang.
 *
 *     kwhy run VMCORE --plugin examples/plugin-piles.ts -c 'piles 5'
 *     kwhy VMCORE --plugin examples/plugin-piles.ts
 */
import { defineCommand, defineDetector, name, plural, prose, shown, tasksFact, type TaskTable } from 'kwhy/plugin';

/** The version of plugins that this file was written for. */
export const kwhyPlugin = 1;

/** So many tasks of one name are no accident. */
const MANY = 10;

/** How many tasks in uninterruptible sleep have which name, the most first. */
function piles(tasks: TaskTable): readonly (readonly [comm: string, count: number])[] {
  const counts = new Map<string, number>();
  for (const { comm, state } of tasks.tasks) if (state.uninterruptible) counts.set(comm, (counts.get(comm) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}

const command = defineCommand({
  name: 'piles',
  summary: 'names that many tasks in uninterruptible sleep share',
  options: [],
  arguments: [{ name: 'at least', kinds: ['number'], optional: true }],
  examples: [{ line: 'piles 5', what: 'names of five and more' }],
  run(context, args) {
    const least = Number(args.positionals[0] ?? 1);
    const rows = piles(context.use(tasksFact)).filter(([, count]) => count >= least);
    return {
      shape: 'table',
      columns: [
        { key: 'count', label: 'TASKS', align: 'right' },
        { key: 'comm', label: 'COMMAND', align: 'left' },
      ],
      rows: rows.map(([comm, count]) => [shown(String(count), count), name(comm)]),
    };
  },
});

const detector = defineDetector({
  id: 'job-piles',
  title: 'jobs that pile up',
  summary: 'A job that is started again and again while the last one still hangs.',
  needs: { tasks: tasksFact },
  appliesTo: () => true,
  run: ({ tasks }) =>
    piles(tasks)
      .filter(([, count]) => count >= MANY)
      .map(([comm, count]) => ({
        detector: 'job-piles',
        cause: 'job-piles-up',
        role: 'symptom',
        title: prose`${plural(count, 'task')} called ${name(comm)} hang: a job that is started again and again`,
        confidence: 'probable',
        because: prose`they only share a name`,
        weight: count,
        story: [],
        evidence: [],
        remedies: [],
        details: { comm, count },
      })),
});

export default [command, detector];
