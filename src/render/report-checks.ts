/** The sections that say how far the report can be trusted: what was checked, how much was read, what is wrong. */
import type { Check, CheckStatus, Report } from '../model/report.ts';
import { wrap } from './layout.ts';
import { coverageText } from './report-first-screen.ts';
import { blank, type Line, line, type Style, span } from './spans.ts';
import { proseSpans } from './value-text.ts';

const words: { readonly [S in CheckStatus]: readonly [string, Style] } = {
  spoke: ['found', 'label'],
  silent: ['nothing', 'plain'],
  skipped: ['skipped', 'dim'],
  failed: ['failed', 'bad'],
  'out-of-time': ['no time', 'warning'],
};
const order = Object.keys(words);

function checkLines({ detector, title, status, reason }: Check, width: number): Line[] {
  const [word, style] = words[status];
  const spans = [span(title), span(' '), span(`(${detector})`, 'dim', true)];
  if (reason !== undefined) spans.push(span(`: ${reason}`));
  return wrap(spans, width, { lead: [span(word, style)], columns: 9 });
}

/** `--- Checked`, by status. */
export function checkedSection(report: Report, width: number): Line[] {
  if (report.checks.length === 0) return [];
  const sorted = [...report.checks].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  const limit = report.complete ? [] : wrap([span('as far as the dump could be read:', 'dim')], width);
  return [blank, line('--- Checked', 'heading'), ...limit, ...sorted.flatMap((check) => checkLines(check, width))];
}

/** `--- Read`: how much of what, and why not the rest. */
export function readSection(report: Report, width: number): Line[] {
  const { coverage, problems } = report;
  const out: Line[] = [];
  if (coverage.length > 0) out.push(blank, line('--- Read', 'heading'));
  for (const each of coverage) {
    const complete = each.read === each.total && each.missing.length === 0;
    out.push(...wrap(proseSpans(coverageText(each)), width));
    if (complete) continue;
    for (const reason of each.missing) out.push(...wrap([span(reason)], width, { lead: [], columns: 4 }));
  }
  if (report.unproven.length > 0) out.push(blank, line('--- Layouts that no real dump has proven', 'heading'));
  for (const each of report.unproven) out.push(...wrap([span(each)], width, { lead: [span('-')], columns: 2 }));
  if (problems.length > 0) out.push(blank, line('--- Problems of the dump', 'heading'));
  for (const problem of problems) out.push(...wrap([span(problem)], width, { lead: [span('-')], columns: 2 }));
  return out;
}
