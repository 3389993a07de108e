/** The section that tells findings which explain each other as one chain, what explains before what it explains. */
import type { Report, Story } from '../model/report.ts';
import { wrap } from './layout.ts';
import { titleSpans } from './report-finding.ts';
import { blank, type Line, line, span } from './spans.ts';

/** Columns of the number before each finding. */
const INDENT = 4;

function storyLines({ findings, stories }: Report, story: Story, width: number): Line[] {
  // Numbered through all stories, as the links name them.
  const numbers = new Map<number, number>();
  for (const each of stories)
    if (each.findings.length > 1) for (const i of each.findings) numbers.set(i, numbers.size + 1);
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
  const told = report.stories.filter(({ links }) => links.length > 0);
  if (told.length === 0) return [];
  return [
    blank,
    line('--- How it came about', 'heading'),
    ...told.flatMap((story, i) => [...(i === 0 ? [] : [blank]), ...storyLines(report, story, width)]),
  ];
}
