/** The answer of `kwhy check` as text: one screen. */
import type { DumpCheck, DumpVerdict } from '../model/dump-check.ts';
import { wrap } from './layout.ts';
import { paint } from './paint.ts';
import { labelColumns } from './report-finding.ts';
import type { TextOptions } from './report-text.ts';
import { blank, emphasize, type Line, line, span, type Style } from './spans.ts';
import { proseSpans } from './value-text.ts';

/** Of very many, the first; JSON has all. */
const MOST_PROBLEMS = 6;

const verdictStyles: { readonly [V in DumpVerdict]: Style } = {
  sound: 'good',
  incomplete: 'warning',
  unusable: 'bad',
};

/** Ends with a newline. */
export function checkText({ verdict, summary, facts, missing, problems }: DumpCheck, options: TextOptions): string {
  const { width, colour } = options;
  const columns = labelColumns(width);
  const lead = (label: string): { readonly lead: Line; readonly columns: number } => ({
    lead: [span(label, 'label')],
    columns,
  });
  const lines: Line[] = [
    ...wrap(emphasize(proseSpans(summary), verdictStyles[verdict]), width),
    blank,
    ...facts.flatMap(({ label, value }) => wrap(proseSpans(value), width, lead(label))),
  ];
  if (problems.length > 0) {
    const hidden = problems.length - MOST_PROBLEMS;
    const shown = problems.slice(0, hidden > 1 ? MOST_PROBLEMS : undefined);
    lines.push(blank, line('Wrong with the file', 'heading'));
    for (const problem of shown) lines.push(...wrap([span(problem)], width, { lead: [span('-')], columns: 2 }));
    if (hidden > 1) lines.push(line(`- ${hidden} more`));
  }
  if (missing.length > 0) {
    lines.push(blank, line('Missing, and what that costs', 'heading'));
    for (const { what, costs } of missing) {
      const text = [...emphasize(proseSpans(what), 'warning'), span(': '), ...proseSpans(costs)];
      lines.push(...wrap(text, width, { lead: [span('-')], columns: 2 }));
    }
  }
  return paint(lines, colour);
}
