/**
 * The first screen: the answer in one sentence, what is missing, the story, the other findings, the machine. It is for
 * somebody who was woken at night, so nothing stands before the answer.
 */
import type { Coverage } from '../model/diagnosis.ts';
import type { Finding, Role } from '../model/finding.ts';
import type { Report } from '../model/report.ts';
import type { Prose } from '../model/value.ts';
import { columnsOf } from './columns.ts';
import { wrap } from './layout.ts';
import { confidenceSpans, labelColumns, storyLines, titleSpans } from './report-finding.ts';
import { blank, emphasize, type Line, line, lineText, span } from './spans.ts';
import { proseSpans } from './value-text.ts';

/** How many reasons for `partial` the first screen names. */
const MOST_REASONS = 4;

/** The finding whose story the first screen tells: the first, unless it only informs. */
export function leadOf(report: Report): Finding | undefined {
  const first = report.findings[0];
  return first?.role === 'cause' || first?.role === 'symptom' ? first : undefined;
}

/** '161 of 163 tasks', 'at least 12 waiters', 'no modules, of a number that is not known'. */
export function coverageText({ read, total, what }: Coverage): Prose {
  const done: Prose = [{ kind: 'count', value: read }];
  if (total === undefined && read === 0) return [`no ${what}, of a number that is not known`];
  if (total === undefined) return ['at least ', ...done, ` ${what}`];
  return [...done, ' of ', { kind: 'count', value: total }, ` ${what}`];
}

/** Why the report is partial, the gravest first. */
function missing(report: Report): Prose[] {
  const reasons: Prose[] = [];
  if (report.stopped === 'time-limit') reasons.push(['the time limit ended the work early']);
  if (report.stopped === 'interrupt') reasons.push(['the work was interrupted']);
  reasons.push(...report.problems.map((problem) => [problem]));
  for (const coverage of report.coverage) {
    if (coverage.total === undefined || coverage.read < coverage.total)
      reasons.push(['read: ', ...coverageText(coverage)]);
  }
  for (const { status, title } of report.checks) {
    if (status === 'failed') reasons.push([`a check failed: ${title}`]);
    if (status === 'out-of-time') reasons.push([`not checked: ${title}`]);
  }
  return reasons;
}

function partialLines(report: Report, width: number): Line[] {
  if (report.complete) return [];
  const reasons = missing(report);
  if (reasons.length === 0) reasons.push(['something could not be read']);
  const hidden = reasons.length - MOST_REASONS;
  const shown = reasons.slice(0, hidden > 1 ? MOST_REASONS : undefined);
  if (hidden > 1) shown.push([`${hidden} more, see below`]);
  const spans = shown.flatMap((reason, i) => (i === 0 ? proseSpans(reason) : [span('; '), ...proseSpans(reason)]));
  return wrap([span('Partial: ', 'warning'), ...spans], width);
}

/** A symptom stands before the sentence that its cause is not known; that sentence before anything that only informs. */
function headline(report: Report, lead: Finding | undefined, width: number): Line[] {
  const out: Line[] = [];
  if (lead !== undefined) {
    out.push(...wrap(emphasize(titleSpans(lead), 'title'), width));
    if (lead.because !== undefined) out.push(...wrap(confidenceSpans(lead.confidence, lead.because), width));
  }
  if (lead?.role !== 'cause') {
    const summary: Prose = report.summary.length > 0 ? report.summary : ['No cause was found.'];
    out.push(...wrap(emphasize(proseSpans(summary), 'title'), width));
  }
  return out;
}

const roles: { readonly [R in Role]: string } = {
  cause: 'cause',
  symptom: 'follows',
  trigger: 'trigger',
  context: 'note',
};

function otherLines(report: Report, lead: Finding | undefined, width: number): Line[] {
  const others = report.findings.filter((finding) => finding !== lead);
  if (others.length === 0) return [];
  return [
    blank,
    line(lead === undefined ? 'Findings' : 'Other findings', 'heading'),
    ...others.flatMap((finding) =>
      wrap(titleSpans(finding), width, { lead: [span(roles[finding.role], 'label')], columns: labelColumns(width) }),
    ),
  ];
}

/** The dump and the machine: as many facts on a line as fit. */
function systemLines(report: Report, width: number): Line[] {
  const out: Line[] = [];
  let used = width;
  for (const { label, value } of report.system) {
    const fact = [span(label, 'label'), span(' '), ...proseSpans(value)];
    const columns = columnsOf(lineText(fact));
    const previous = out.at(-1);
    if (previous !== undefined && used + 3 + columns <= width) {
      out[out.length - 1] = [...previous, span(' | ', 'dim'), ...fact];
      used += 3 + columns;
    } else {
      const rows = wrap(fact, width);
      out.push(...rows);
      used = rows.length > 1 ? width : columns;
    }
  }
  return out.length === 0 ? [] : [blank, ...out];
}

/** Everything above the first `---`. */
export function firstScreen(report: Report, width: number): Line[] {
  const lead = leadOf(report);
  const story = lead === undefined ? [] : storyLines(lead, width);
  return [
    ...headline(report, lead, width),
    ...partialLines(report, width),
    ...(story.length > 0 ? [blank, ...story] : []),
    ...otherLines(report, lead, width),
    ...systemLines(report, width),
  ];
}
