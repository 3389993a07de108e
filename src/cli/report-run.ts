/**
 * Opens a dump and drives the diagnosis, step by step. When the time limit or Ctrl-C ends it, what was known at the
 * last step is the report.
 */
import type { Budget } from '../base/budget.ts';
import { CancelledError } from '../base/errors.ts';
import type { Check, Report } from '../model/report.ts';
import { name } from '../model/value.ts';
import type { OpenOptions } from '../program/open.ts';
import { type Guard, guard as processGuard } from './guard.ts';
import { named } from './system-error.ts';
import { collectGarbage, memoryLimit, startWatchdog, type Watchdog, type WatchdogLimits } from './watchdog.ts';

/** Between two steps of the diagnosis. */
export interface Step {
  /** What comes next, for the line of progress: 'reading tasks'. */
  readonly step: string;
  /** Id of the detector that comes next. */
  readonly detector?: string;
  /** The report of what is known so far. Reads nothing: the work may have been ended at any point since. */
  partial?(stopped: NonNullable<Report['stopped']>): Report;
}

/** By the detector's id: what came of it. */
export type Ended = ReadonlyMap<string, Pick<Check, 'status' | 'reason'>>;

export interface OpenDump {
  /** @param ended - detectors that were ended from outside in an earlier run: they are not asked again */
  diagnose(budget: Budget, ended?: Ended): Iterator<Step, Report>;
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
  /** What one detector may take; undefined for the usual. */
  readonly limits?: WatchdogLimits;
  readonly without?: OpenOptions['without'];
}

function nothingYet(paths: readonly string[]): Report {
  const called = name(paths.join(', '));
  return {
    system: [{ key: 'dump', label: 'Dump', value: [called], data: called }],
    findings: [],
    stories: [],
    summary: ['Nothing is known yet: the time limit passed while the dump was being opened.'],
    advice: [],
    checks: [],
    coverage: [],
    unproven: [],
    problems: [],
    stopped: 'time-limit',
    complete: false,
  };
}

/** Milliseconds that one detector may take where no time limit is set: it is made for dumps of terabytes. */
const LONGEST_STEP = 15 * 60_000;

/** Detectors that are ended before the whole is given up: what they share may be what does not end. */
const MOST_ENDED = 3;

/**
 * A report that takes so long (in milliseconds) is watched from its next step on. Shorter ones end before it is worth a
 * thread, which takes 30 ms of another CPU.
 */
const EARLY = 700;

/** Until then one step may last so long unwatched: what allocates without end has not filled the heap yet. */
const EARLY_LIMIT = 4000;

/** Milliseconds by which a timer may be early. */
const CLOSE = 50;

/**
 * A detector that allocates or loops without end is ended, and the others are asked anew: of what was cut off in the middle
 * nothing may be used again.
 * @throws KwhyError when there is no report; CancelledError when it was interrupted before anything was known
 */
export function runReport(core: Core, options: RunOptions): Report {
  const ended = new Map<string, Pick<Check, 'status' | 'reason'>>();
  let early = true;
  for (;;) {
    const run = runOnce(core, options, ended, early);
    if (run !== 'again' && 'report' in run) return run.report;
    if (run !== 'again') ended.set(run.detector, run.check);
    early = false;
    collectGarbage();
  }
}

type Run =
  | { readonly report: Report }
  | { readonly detector: string; readonly check: Pick<Check, 'status' | 'reason'> }
  /** It was cut off before anybody watched it. */
  | 'again';

/** What is known of a run outside of the guard, which may end it anywhere. */
interface Seen {
  last?: Step;
  watchdog?: Watchdog;
  dump?: OpenDump;
  steps?: Iterator<Step, Report>;
}

/** @param early - nobody watches the first moments */
function runOnce(core: Core, options: RunOptions, ended: Ended, early: boolean): Run {
  const { paths, budget, guard, hardLimit = Infinity, onStep, without } = options;
  const seen: Seen = {};
  // Only the guard of the process sees the signal that the watchdog sends.
  const watched = guard === processGuard && ended.size < MOST_ENDED;
  const start = performance.now();
  const passed = (): number => performance.now() - start;
  const guarded = <T>(work: () => T, limit: number): T => guard(work, limit === Infinity ? undefined : limit);
  /** Goes on to the end, or to the first step behind a time: there the work can be left and gone on with. */
  const goOn = (until: number): Report | undefined => {
    for (;;) {
      if (passed() > until) return undefined;
      seen.watchdog?.step();
      const next = seen.steps?.next();
      if (next === undefined) return undefined;
      if (next.done === true) return next.value;
      seen.last = next.value;
      onStep(next.value.step);
    }
  };
  try {
    let report = guarded(
      () => {
        onStep('opening the dump');
        seen.dump = core.open(paths, budget, without);
        try {
          seen.steps = seen.dump.diagnose(budget, ended);
          return goOn(watched ? (early ? EARLY : 0) : Infinity);
        } catch (error) {
          seen.dump.close();
          throw error;
        }
      },
      watched && early ? Math.min(EARLY_LIMIT, hardLimit) : hardLimit,
    );
    if (report === undefined) {
      seen.watchdog = startWatchdog(options.limits ?? limitsOf(hardLimit));
      report = guarded(() => goOn(Infinity), Math.max(1, hardLimit - passed()));
    }
    seen.dump?.close();
    return { report: report ?? nothingYet(paths) };
  } catch (error) {
    if (!(error instanceof CancelledError)) throw named(paths, error);
    const { last, watchdog } = seen;
    if (watchdog?.verdict !== undefined && last?.detector !== undefined)
      return { detector: last.detector, check: checkOf(watchdog.verdict, options.limits ?? limitsOf(hardLimit)) };
    // A step that lasts so long is large work or has no end: once more, watched.
    if (watched && early && watchdog === undefined && error.reason === 'time-limit' && passed() < hardLimit - CLOSE)
      return 'again';
    const partial = last?.partial?.(error.reason);
    if (partial !== undefined) return { report: partial };
    if (error.reason === 'time-limit') return { report: nothingYet(paths) };
    throw error;
  } finally {
    seen.watchdog?.stop();
  }
}

/** Half of the whole time at most, so that the others have theirs. */
function limitsOf(hardLimit: number): WatchdogLimits {
  return { memory: memoryLimit(), step: hardLimit === Infinity ? LONGEST_STEP : Math.max(1000, hardLimit / 2) };
}

function checkOf(verdict: 'memory' | 'time', { memory, step }: WatchdogLimits): Pick<Check, 'status' | 'reason'> {
  return verdict === 'memory'
    ? { status: 'failed', reason: `ended: it took more than ${Math.round(memory / 2 ** 20)} MiB of memory` }
    : { status: 'out-of-time', reason: `ended: it ran for more than ${Math.round(step / 1000)} s` };
}
