/** How time and memory grow with the guest: the same kernel and incident with more and more tasks, or pages. */
import type { Meter } from './measure.ts';
import { duration, median, size, table } from './statistics.ts';
import { type Contender, measureInTurn, medianOf } from './workloads.ts';

/** Twice the tasks, or pages, may take so many times as long. */
const BAR = 2.2;

export interface Scaled {
  readonly title: string;
  readonly tasks: number;
  /** Page frames up to the last. */
  readonly pages: number;
  readonly contender: Contender;
}

/** What the growth would be for twice the tasks, when they did not quite double. */
export function perDoubling(times: number, tasks: number): number {
  return times ** (1 / Math.log2(tasks));
}

export function scalingSection(meter: Meter, dumps: readonly Scaled[], rounds: number, by: 'tasks' | 'pages'): string {
  const sorted = [...dumps].sort((a, b) => a[by] - b[by]);
  const measured = measureInTurn(
    meter,
    sorted.map(({ contender }) => contender),
    rounds,
  );
  const rows = measured.map((own, i) => {
    const { title, tasks, pages } = sorted[i] ?? { title: '', tasks: Number.NaN, pages: Number.NaN };
    const [before, less] = [measured[i - 1], sorted[i - 1]];
    const row = [title, String(tasks), String(pages), duration(medianOf(own, 'wall')), size(medianOf(own, 'peak'))];
    if (before === undefined || less === undefined || own.failed !== undefined) return [...row, own.failed ?? ''];
    const growth = median(own.runs.map((run, n) => run.wall / (before.runs[n]?.wall ?? Number.NaN)));
    const doubled = perDoubling(growth, (by === 'tasks' ? tasks : pages) / less[by]);
    return [...row, `${doubled.toFixed(2)} (${BAR}, ${doubled <= BAR ? 'met' : 'MISSED'})`];
  });
  return table(['dump', 'tasks', 'page frames', 'time', 'peak memory', `for twice the ${by}`], rows);
}
