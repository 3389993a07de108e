/**
 * The whole answer: a dump with damaged pages is diagnosed and shown, as text and as JSON. No detector may end by an
 * internal error, the text may hold no control characters, the JSON must be JSON.
 */
import { unlimited } from '../../src/base/budget.ts';
import { KwhyError } from '../../src/base/errors.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import { detectors } from '../../src/diagnosis/detectors/registry.gen.ts';
import type { AnyDetector } from '../../src/model/diagnosis.ts';
import type { Report } from '../../src/model/report.ts';
import type { Program } from '../../src/program/program.ts';
import { reportJson } from '../../src/render/report-json.ts';
import { reportText } from '../../src/render/report-text.ts';
import type { Base, Summary } from '../input.ts';
import type { Target } from '../target.ts';
import { check } from '../violation.ts';
import { machineBase } from './machine-base.ts';
import { builtMachine, realMachine } from './pages.ts';
import { SCENES } from './scenes.ts';

/** Characters that a terminal acts on, or that hide something; the line feed is the report's own. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const SGR = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

function reportOf(program: Program): Report {
  let internal: unknown;
  // The engine makes a line of whatever a detector throws; here it is the finding.
  const watched = detectors.map((detector): AnyDetector => {
    const run = <T>(action: () => T): T => {
      try {
        return action();
      } catch (error) {
        if (!(error instanceof KwhyError)) internal ??= error;
        throw error;
      }
    };
    const { id, title, summary } = detector;
    return {
      id,
      title,
      summary,
      appliesTo: (given) => run(() => detector.appliesTo(given)),
      runWith: (context) => run(() => detector.runWith(context)),
    };
  });
  const steps = diagnose(program, unlimited, watched);
  for (let step = 0; ; step++) {
    const next = steps.next();
    if (internal !== undefined) throw internal;
    if (next.done === true) return next.value;
    // What would be shown if the time were over now, in one form or another.
    FORMS[step % FORMS.length]?.(next.value.partial('time-limit'));
  }
}

type Form = (report: Report) => string;

const FORMS: readonly Form[] = [
  (report) => {
    const text = reportText(report, { width: 100, colour: false });
    checkText(text, 'the report');
    return text;
  },
  (report) => {
    const text = reportText(report, { width: 40, colour: true }).replace(SGR, '');
    checkText(text, 'the report in colour');
    return text;
  },
  (report) => {
    const json = reportJson(report);
    checkText(json, 'the JSON');
    const parsed: unknown = JSON.parse(json);
    check(typeof parsed === 'object' && parsed !== null && 'findings' in parsed, () => 'the JSON is no report');
    return json;
  },
];

/** The lengths of all forms. */
function shown(report: Report): readonly number[] {
  for (const { reason = '' } of report.checks) check(!reason.startsWith('internal error'), () => reason);
  return FORMS.map((form) => form(report).length);
}

function checkText(text: string, what: string): void {
  const at = text.replaceAll('\n', ' ').search(UNSAFE);
  check(at < 0, () => `${what} holds a character ${text.codePointAt(at)?.toString(16)}`);
  const odd = /\bundefined\b|\bNaN\b|\[object |\bInfinity\b/.exec(text)?.[0];
  check(odd === undefined, () => `${what} says ${odd}`);
  check(text.endsWith('\n'), () => `${what} has no end`);
}

function use(program: Program): Summary {
  const report = reportOf(program);
  const lengths = shown(report);
  return [
    ...report.checks.map(({ detector, status, reason = '' }) => `${detector} ${status} ${reason}`),
    ...report.findings.map(({ cause, confidence, evidence }) => `${cause} ${confidence} ${evidence.length}`),
    ...report.coverage.flatMap(({ what, read, total, missing }) => [what, read, total ?? 'no end', missing.join()]),
    ...report.problems,
    ...lengths,
  ];
}

/** What the sample does not have: a leak, killing for memory, a bug, a circle of locks, a newer kernel. */
const CORES = [
  '01-userfault-getdents-6.12',
  '03-abba-mutex-6.1',
  '06-kmalloc-leak-module-6.1',
  '07-oom-protected-panic-6.1',
  '08-null-deref-module-6.1',
];

export const report: Target = {
  name: 'report',
  reads: 'whole reports, text and JSON, on damaged memory of the sample, of real cores and of hand-built machines',
  throws: ['usage', 'format', 'fault', 'lookup', 'validation'],
  bases: [
    { name: 'sample', weight: 4 },
    { name: 'sample, opened anew', weight: 1 },
    ...[...CORES, ...Object.keys(SCENES)].map((name) => ({ name, weight: 1 })),
  ],
  allocates: { fixed: 512 * 2 ** 20, perByte: 0 },
  heap: 1024,
  base(name): Base {
    const scene = SCENES[name];
    if (scene !== undefined) return machineBase(builtMachine(scene()), use, false);
    const [real = '', opening] = name.split(', ');
    return machineBase(realMachine(real), use, opening !== undefined);
  },
};
