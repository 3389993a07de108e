/** The section that proves the claims: for each its address, C type, confidence, and the command that shows the same. */
import { hex } from '../base/address.ts';
import type { Evidence, Finding } from '../model/finding.ts';
import type { Report } from '../model/report.ts';
import { growthLines } from './growth-chart.ts';
import { pad, wrap } from './layout.ts';
import { confidenceSpans, remedyLines, type Telling, tellingLines, tellingsOf, titleSpans } from './report-finding.ts';
import { leadOf } from './report-first-screen.ts';
import { blank, emphasize, type Line, line, type Span, span } from './spans.ts';
import { proseSpans } from './value-text.ts';

/** Columns of the number before each claim. */
const INDENT = 4;

function where({ address, ctype }: Evidence): Span[] {
  const parts: Span[] = [];
  if (ctype !== undefined) parts.push(span(ctype, 'code'));
  if (ctype !== undefined && address !== undefined) parts.push(span(' '));
  if (address !== undefined) parts.push(span(hex(address), 'address', true));
  return parts.length > 0 ? [...parts, span(', ')] : [];
}

function evidenceLines(evidence: Evidence, index: number, width: number): Line[] {
  const number = `${index + 1}.`.padStart(INDENT - 1);
  const under = { lead: [], columns: INDENT };
  return [
    ...wrap(proseSpans(evidence.claim), width, { lead: [span(number, 'dim')], columns: INDENT }),
    ...wrap([...where(evidence), ...confidenceSpans(evidence.confidence, evidence.because)], width, under),
    // Not wrapped: it is there to be copied.
    [pad(INDENT), span('by hand: ', 'dim'), span(evidence.show, 'code')],
  ];
}

/** @param below - of the lead, what the first screen has no place for */
function findingLines(finding: Finding, below: readonly Telling[] | undefined, width: number): Line[] {
  const isLead = below !== undefined;
  const told = tellingLines(below ?? tellingsOf(finding), width);
  const because =
    finding.because === undefined ? [] : wrap(confidenceSpans(finding.confidence, finding.because), width);
  return [
    blank,
    ...wrap(emphasize(titleSpans(finding), 'title'), width),
    ...(isLead ? [] : because),
    ...told,
    ...(finding.growth === undefined ? [] : growthLines(finding.growth, width)),
    ...finding.evidence.flatMap((evidence, i) => evidenceLines(evidence, i, width)),
    ...remedyLines(finding, width),
  ];
}

/** `--- Evidence`, finding by finding; nothing when there is no finding. */
export function evidenceSection(report: Report, below: readonly Telling[], width: number): Line[] {
  if (report.findings.length === 0) return [];
  const lead = leadOf(report);
  return [
    blank,
    line('--- Evidence', 'heading'),
    ...report.findings.flatMap((finding) => findingLines(finding, finding === lead ? below : undefined, width)),
  ];
}
