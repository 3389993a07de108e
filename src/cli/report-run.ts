/**
 * Opens a dump and drives the diagnosis, step by step. When the time limit or Ctrl-C ends it, what was known at the
 * last step is the report.
 */
import type { Budget } from '../base/budget.ts';
import { CancelledError } from '../base/errors.ts';
import type { Report } from '../model/report.ts';
import { name } from '../model/value.ts';
import type { OpenOptions } from '../program/open.ts';
import type { Guard } from './guard.ts';
import { named } from './system-error.ts';

/** Between two steps of the diagnosis. */
export interface Step {
  /** What comes next, for the line of progress: 'reading tasks'. */
  readonly step: string;
  /** The report of what is known so far. Reads nothing: the work may have been ended at any point since. */
  partial?(stopped: NonNullable<Report['stopped']>): Report;
}

export interface OpenDump {
  diagnose(budget: Budget): Iterator<Step, Report>;
  close(): void;
}

/** What the command line needs of the layers below; core.ts has the real one. */
export interface Core {
  /**
   * @param paths - a dump, the files of a split dump, or a folder
   * @param budget - for the opening and for all that is read later
   * @param without - tables of the dump that are left aside
   * @throws KwhyError when it is no dump that can be opened; CancelledError
   */
  open(paths: readonly string[], budget: Budget, without?: OpenOptions['without']): OpenDump;
}

export interface RunOptions {
  readonly paths: readonly string[];
  readonly budget: Budget;
  readonly guard: Guard;
  /** Milliseconds; see `Guard`. */
  readonly hardLimit: number | undefined;
  readonly onStep: (step: string) => void;
  readonly without?: OpenOptions['without'];
}

function nothingYet(paths: readonly string[]): Report {
  const called = name(paths.join(', '));
  return {
    system: [{ key: 'dump', label: 'Dump', value: [called], data: called }],
    findings: [],
    stories: [],
    summary: ['Nothing is known yet: the time limit passed while the dump was being opened.'],
    checks: [],
    coverage: [],
    unproven: [],
    problems: [],
    stopped: 'time-limit',
    complete: false,
  };
}

/** @throws KwhyError when there is no report; CancelledError when it was interrupted before anything was known */
export function runReport(core: Core, { paths, budget, guard, hardLimit, onStep, without }: RunOptions): Report {
  const seen: { last?: Step } = {};
  try {
    return guard(() => {
      onStep('opening the dump');
      const dump = core.open(paths, budget, without);
      try {
        const steps = dump.diagnose(budget);
        for (;;) {
          const next = steps.next();
          if (next.done === true) return next.value;
          seen.last = next.value;
          onStep(next.value.step);
        }
      } finally {
        dump.close();
      }
    }, hardLimit);
  } catch (error) {
    if (!(error instanceof CancelledError)) throw named(paths, error);
    const partial = seen.last?.partial?.(error.reason);
    if (partial !== undefined) return partial;
    if (error.reason === 'time-limit') return nothingYet(paths);
    throw error;
  }
}
