/** The section that tells findings which explain each other as one chain, what explains before what it explains. */
import type { Report, Story } from '../model/report.ts';
import { wrap } from './layout.ts';
import { titleSpans } from './report-finding.ts';
import { blank, type Line, line, span } from './spans.ts';

/** Columns of the number before each finding. */
const INDENT = 4;

/** @param numbers - through all stories that are told, by the indices that links name */
function storyLines({ findings }: Report, story: Story, numbers: ReadonlyMap<number, number>, width: number): Line[] {
  return story.findings.flatMap((i) => {
    const finding = findings[i];
    if (finding === undefined) return [];
    const from = story.links.filter(({ to }) => to === i).map((link) => numbers.get(link.from) ?? 0);
    const loop = story.loop.includes(i) ? ' - in a closed loop' : '';
    const why =
      from.length === 0 ? '' : ` (explained by ${[...new Set(from)].sort((a, b) => a - b).join(', ')}${loop})`;
    const number = `${numbers.get(i) ?? 0}.`.padStart(INDENT - 1);
    return wrap([...titleSpans(finding), span(why, 'dim')], width, { lead: [span(number, 'dim')], columns: INDENT });
  });
}

/** `--- How it came about`; nothing where no finding explains another. */
export function storySection(report: Report, width: number): Line[] {
  // That a fault stopped the kernel is told by the first screen.
  const told = report.stories.filter(
    ({ findings, links }) =>
      links.length > 0 && findings.filter((i) => report.findings[i]?.role !== 'trigger').length > 1,
  );
  if (told.length === 0) return [];
  const numbers = new Map(told.flatMap((story) => story.findings).map((index, i) => [index, i + 1]));
  return [
    blank,
    line('--- How it came about', 'heading'),
    ...told.flatMap((story, i) => [...(i === 0 ? [] : [blank]), ...storyLines(report, story, numbers, width)]),
  ];
}
