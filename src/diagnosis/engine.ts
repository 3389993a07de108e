/**
 * Runs the detectors and makes the report of what they say. Each is isolated: one that fails is reported as failed and
 * the others go on; the time limit or an interrupt ends the run with what is known so far. A generator, so that whoever
 * drives it gets control between steps.
 */
import type { Budget } from '../base/budget.ts';
import { CancelledError, isDataError, KwhyError } from '../base/errors.ts';
import type { AnyDetector, Coverage, Fact, FactContext } from '../model/diagnosis.ts';
import type { Confidence, Finding, Role } from '../model/finding.ts';
import type { Check, KeyValue, Report } from '../model/report.ts';
import { prose } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { detectors as registered } from './detectors/registry.gen.ts';
import { systemFact } from './facts/system.ts';
import { storiesOf } from './stories.ts';
import { adviceOf, summaryOf } from './summary.ts';

export interface Step {
  readonly step: string;
  /** Id of the detector that runs next; undefined while the system is read. */
  readonly detector?: string;
  /** The report of what is known so far, for whoever ends the run at or after this step. Reads nothing. */
  partial(stopped: 'time-limit' | 'interrupt'): Report;
}

/** Detectors that somebody ended from outside in an earlier run: they are reported so, and not asked again. */
export type Ended = ReadonlyMap<string, Pick<Check, 'status' | 'reason'>>;

/** @param detectors - all registered ones unless a test gives its own */
export function* diagnose(
  program: Program,
  budget: Budget,
  detectors: readonly AnyDetector[] = registered,
  ended: Ended = new Map(),
): Generator<Step, Report> {
  const coverage: Coverage[] = [];
  const context = makeContext(program, budget, coverage);
  const checks: Check[] = [];
  const findings: Finding[] = [];
  let system: readonly KeyValue[] = [];
  const finish = (stopped: Report['stopped']): Report =>
    makeReport(program, { system, findings, checks, coverage, stopped, detectors });
  const at = (step: string, detector?: string): Step => ({
    step,
    ...(detector === undefined ? {} : { detector }),
    partial: finish,
  });
  try {
    yield at('reading the system');
    system = program.within(budget, () => readSystem(context, checks));
    for (const detector of detectors) {
      const { id, title } = detector;
      const before = ended.get(id);
      if (before !== undefined) {
        checks.push({ detector: id, title, ...before });
        continue;
      }
      yield at(title, id);
      budget.check();
      checks.push(program.within(budget, () => runDetector(detector, context, findings)));
    }
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
    return finish(error.reason);
  }
  return finish(undefined);
}

interface Known extends Pick<Report, 'system' | 'findings' | 'checks' | 'coverage' | 'stopped'> {
  readonly detectors: readonly AnyDetector[];
}

/** Reads nothing of the dump: it is also called when reading was cut off. */
function makeReport(program: Program, known: Known): Report {
  const { system, coverage, stopped } = known;
  const checks = [...known.checks];
  const done = new Set(checks.map((check) => check.detector));
  if (stopped !== undefined) {
    const reason = stopped === 'time-limit' ? 'the time limit was reached' : 'interrupted';
    for (const { id, title } of known.detectors) {
      if (!done.has(id)) checks.push({ detector: id, title, status: 'out-of-time', reason });
    }
  }
  const unproven = program.layouts.unproven.map(({ part, layout }) => `${part}: ${layout}`);
  const findings = known.findings.map((finding) => weaken(finding, unproven)).sort(byRank);
  const problems = [...program.dump.problems, ...program.problems];
  // Whoever met such a page went on without it, and need not have said so.
  if (program.lostPages > 0 && program.dump.problems.length === 0)
    problems.push(`pages that were needed are damaged or missing in the file: ${program.lostPages}`);
  const complete =
    stopped === undefined &&
    problems.length === 0 &&
    checks.every((check) => check.status !== 'failed' && check.status !== 'out-of-time') &&
    coverage.every((c) => c.total !== undefined && c.read >= c.total);
  return {
    system,
    findings,
    stories: storiesOf(findings),
    summary: summaryOf({ findings, checks, complete, system }),
    advice: adviceOf({ findings, checks, complete, system }),
    checks,
    coverage: [...coverage],
    unproven,
    problems,
    stopped,
    complete,
  };
}

/** Nothing is certain that may rest on a layout never seen on a real dump. */
function weaken(finding: Finding, unproven: readonly string[]): Finding {
  if (unproven.length === 0 || finding.confidence !== 'certain') return finding;
  const because = prose`this kernel lays out some structures in ways that no real dump has proven: ${unproven.join('; ')}`;
  return { ...finding, confidence: 'probable', because };
}

export function makeContext(program: Program, budget: Budget, coverage: Coverage[]): FactContext {
  const known = new Map<Fact<unknown>, { readonly value: unknown } | { readonly error: unknown }>();
  const context: FactContext = {
    program,
    budget,
    use<T>(fact: Fact<T>): T {
      let result = known.get(fact);
      if (result === undefined) {
        try {
          result = { value: fact.derive(context) };
        } catch (error) {
          // Cancelled is not an answer to remember.
          if (error instanceof CancelledError) throw error;
          result = { error };
        }
        known.set(fact, result);
      }
      if ('error' in result) throw result.error;
      return result.value as T;
    },
    cover: (entry) => coverage.push(entry),
  };
  return context;
}

function readSystem(context: FactContext, checks: Check[]): readonly KeyValue[] {
  try {
    return context.use(systemFact);
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    checks.push({ detector: 'system', title: 'The system', status: 'failed', reason: reasonOf(error) });
    return [];
  }
}

function runDetector(detector: AnyDetector, context: FactContext, findings: Finding[]): Check {
  const { id, title } = detector;
  try {
    const applies = detector.appliesTo(context.program);
    if (applies !== true) return { detector: id, title, status: 'skipped', reason: applies };
    const found = detector.runWith(context);
    findings.push(...found);
    return { detector: id, title, status: found.length > 0 ? 'spoke' : 'silent' };
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    // Of a damaged dump some questions cannot be asked: that is its problem, which the report tells, and no failure.
    if (isDataError(error) && isDamaged(context.program))
      return { detector: id, title, status: 'skipped', reason: `what it needs cannot be read: ${error.message}` };
    return { detector: id, title, status: 'failed', reason: reasonOf(error) };
  }
}

/** Then the report is partial in any case. */
function isDamaged({ dump, problems, lostPages }: Program): boolean {
  return dump.problems.length > 0 || problems.length > 0 || lostPages > 0;
}

function reasonOf(error: unknown): string {
  if (isDataError(error) || error instanceof KwhyError) return error.message;
  return `internal error: ${error instanceof Error ? error.message : String(error)}`;
}

const ROLES: readonly Role[] = ['cause', 'symptom', 'context', 'trigger'];
const CONFIDENCES: readonly Confidence[] = ['certain', 'probable', 'possible'];

function byRank(a: Finding, b: Finding): number {
  return (
    ROLES.indexOf(a.role) - ROLES.indexOf(b.role) ||
    CONFIDENCES.indexOf(a.confidence) - CONFIDENCES.indexOf(b.confidence) ||
    b.weight - a.weight
  );
}
