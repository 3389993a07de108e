/**
 * A report as the JSON of docs/json-schema.md. Sentences are the same text as on the screen (numbers rounded, names
 * escaped); `system` and `details` hold exact numbers and raw names.
 */
import { hex } from '../base/address.ts';
import type { Coverage } from '../model/diagnosis.ts';
import type { Evidence, Finding } from '../model/finding.ts';
import { growthData } from '../model/growth.ts';
import { type Check, type Report, SCHEMA_VERSION, type Story } from '../model/report.ts';
import type { Prose } from '../model/value.ts';
import { encodeData, type JsonValue, jsonObject, jsonText } from './json.ts';
import { proseText } from './value-text.ts';

function text(prose: Prose | undefined): string | undefined {
  return prose === undefined || prose.length === 0 ? undefined : proseText(prose);
}

function evidenceJson({ claim, address, ctype, confidence, because, show }: Evidence): JsonValue {
  return jsonObject({
    claim: text(claim),
    address: address === undefined ? undefined : hex(address),
    ctype,
    confidence,
    because: text(because),
    show,
  });
}

function findingJson(finding: Finding): JsonValue {
  return jsonObject({
    detector: finding.detector,
    cause: finding.cause,
    role: finding.role,
    title: text(finding.title),
    confidence: finding.confidence,
    because: text(finding.because),
    weight: finding.weight,
    story: finding.story.map((line) => jsonObject({ topic: line.topic, text: text(line.text) })),
    growth: finding.growth === undefined ? undefined : encodeData(growthData(finding.growth)),
    evidence: finding.evidence.map(evidenceJson),
    remedies: finding.remedies.map(({ action, verify, caution }) =>
      jsonObject({ action: text(action), verify: text(verify), caution: text(caution) }),
    ),
    details: encodeData(finding.details),
  });
}

function storyJson({ findings, links, loop }: Story): JsonValue {
  return jsonObject({
    findings,
    links: links.map(({ from, to, through }) => jsonObject({ from, to, through })),
    loop,
  });
}

function checkJson({ detector, title, status, reason }: Check): JsonValue {
  return jsonObject({ detector, title, status, reason });
}

function coverageJson({ what, read, total, missing }: Coverage): JsonValue {
  return jsonObject({ what, read, total, missing });
}

/** The report as a JSON tree. */
export function encodeReport(report: Report): JsonValue {
  return jsonObject({
    schema: 'kwhy-report',
    version: SCHEMA_VERSION,
    complete: report.complete,
    stopped: report.stopped,
    system: encodeData(Object.fromEntries(report.system.map(({ key, data }) => [key, data]))),
    summary: text(report.summary),
    advice: report.advice.map((line) => proseText(line)),
    findings: report.findings.map(findingJson),
    stories: report.stories.map(storyJson),
    checks: report.checks.map(checkJson),
    coverage: report.coverage.map(coverageJson),
    unproven: report.unproven,
    problems: report.problems,
  });
}

/** Ends with a newline. */
export function reportJson(report: Report): string {
  return jsonText(encodeReport(report));
}
