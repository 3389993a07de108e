/**
 * How a crowd grew, drawn as a table with bars. They are ASCII, so that they survive a mail or a ticket.
 */
import { type Growth, type GrowthStep, wallClockOf } from '../model/growth.ts';
import { columnsOf } from './columns.ts';
import { pad, wrap } from './layout.ts';
import { formatCount, formatDuration, formatEdge, formatWallClock } from './quantities.ts';
import { type Line, type Span, span } from './spans.ts';

/** Columns of the longest bar: no more than this, and no less than that where there is little room. */
const BAR = { most: 40, least: 8 };

/** A title, then a line for each step: who was there before, and who came. */
export function growthLines(growth: Growth, width: number, indent = 0): Line[] {
  const { steps, unknown } = growth;
  const hasClock = steps.some((step) => wallClockOf(growth, step) !== undefined);
  const labels = ['before the crash', ...(hasClock ? ['from (UTC)'] : []), 'came', 'waiting'].map((each) =>
    span(each, 'label'),
  );
  const rows = steps.map((step) => cellsOf(growth, step));
  const widths = labels.map((label, i) =>
    [label, ...rows.map((cells) => cells[i] ?? span(''))].reduce(
      (most, { text }) => Math.max(most, columnsOf(text)),
      0,
    ),
  );
  const used = widths.reduce((sum, each) => sum + each + GAP, indent + GAP);
  const room = Math.max(BAR.least, Math.min(BAR.most, width - used));
  const lineOf = (cells: readonly Span[], bar: readonly Span[]): Line => [
    pad(indent),
    ...cells.flatMap((cell, i) => [pad(GAP + (widths[i] ?? 0) - columnsOf(cell.text)), cell]),
    ...(bar.length === 0 ? [] : [pad(GAP), ...bar]),
  ];
  const say = (text: string, columns: number): Line[] => wrap([span(text)], width, { lead: [], columns });
  const title =
    'When those who still wait came, by when each last got a CPU (sched_info.last_arrival), ' +
    `in steps of ${formatDuration(growth.width)}:`;
  const most = steps.reduce((a, { waiting }) => Math.max(a, waiting), 1);
  return [
    ...say(title, indent),
    lineOf(labels, []),
    ...steps.map((step, i) => lineOf(rows[i] ?? [], barOf(step, most, room))),
    ...(unknown === 0 ? [] : say(`of ${formatCount(unknown)} more it is not known when`, indent + GAP)),
  ];
}

/** Columns before each cell. */
const GAP = 2;

function cellsOf(growth: Growth, step: GrowthStep): readonly Span[] {
  const at = wallClockOf(growth, step);
  return [
    span(formatEdge(step.from, growth.width)),
    ...(at === undefined ? [] : [span(formatWallClock(at))]),
    span(formatCount(step.came), 'number'),
    span(formatCount(step.waiting), 'number'),
  ];
}

function barOf({ came, waiting }: GrowthStep, most: number, room: number): readonly Span[] {
  const length = (n: number): number => Math.round((n / most) * room);
  const before = Math.min(length(waiting - came), came === 0 ? room : room - 1);
  // Whoever came is seen, were it one of thousands.
  const added = came === 0 ? 0 : Math.max(1, length(waiting) - before);
  return [span('-'.repeat(before), 'dim'), span('#'.repeat(added), 'warning')].filter(({ text }) => text.length > 0);
}
