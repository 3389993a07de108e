/** How the report's time and memory grow with the guest: the same kernel and incident with more and more tasks. */
import type { Meter } from './measure.ts';
import { duration, median, size, table } from './statistics.ts';
import { type Contender, measureInTurn, medianOf } from './workloads.ts';

/** Twice the tasks may take so many times as long. */
const BAR = 2.2;

export interface Scaled {
  readonly title: string;
  readonly tasks: number;
  readonly contender: Contender;
}

/** What the growth would be for twice the tasks, when they did not quite double. */
export function perDoubling(times: number, tasks: number): number {
  return times ** (1 / Math.log2(tasks));
}

export function scalingSection(meter: Meter, dumps: readonly Scaled[], rounds: number): string {
  const sorted = [...dumps].sort((a, b) => a.tasks - b.tasks);
  const measured = measureInTurn(
    meter,
    sorted.map(({ contender }) => contender),
    rounds,
  );
  const rows = measured.map((own, i) => {
    const { title, tasks } = sorted[i] ?? { title: '', tasks: Number.NaN };
    const [before, less] = [measured[i - 1], sorted[i - 1]];
    const row = [title, String(tasks), duration(medianOf(own, 'wall')), size(medianOf(own, 'peak'))];
    if (before === undefined || less === undefined || own.failed !== undefined) return [...row, own.failed ?? ''];
    const growth = median(own.runs.map((run, n) => run.wall / (before.runs[n]?.wall ?? Number.NaN)));
    const doubled = perDoubling(growth, tasks / less.tasks);
    return [...row, `${doubled.toFixed(2)} (${BAR}, ${doubled <= BAR ? 'met' : 'MISSED'})`];
  });
  return table(['dump', 'tasks', 'report', 'peak memory', 'for twice the tasks'], rows);
}
