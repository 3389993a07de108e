/** `kwhy VMCORE`: opens, diagnoses, renders, writes. */
import { limitedBudget } from '../base/budget.ts';
import { UsageError } from '../base/errors.ts';
import type { Report } from '../model/report.ts';
import { reportText } from '../render/report-text.ts';
import { withDebuginfo } from './debuginfo-option.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { startProgress, ticking } from './progress.ts';
import type { ReportOptions } from './report-options.ts';
import { runReport } from './report-run.ts';
import { systemReason } from './system-error.ts';
import { speaksUtf8, wantsColour, widthOf } from './terminal.ts';

/** How much longer than the limit work may go on that does not ask its budget. */
const GRACE_MS = 1000;

async function rendered(report: Report, options: ReportOptions, io: Io, toFile: boolean): Promise<string> {
  if (options.json) {
    const { reportJson } = await import('../render/report-json.ts');
    return reportJson(report);
  }
  const target = toFile ? undefined : io.stdout;
  return reportText(report, {
    width: widthOf(options.width, target),
    colour: wantsColour(options.colour, io.env, target),
    utf8: speaksUtf8(io.env),
  });
}

async function print(text: string, io: Io): Promise<void> {
  try {
    await io.stdout.write(text);
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new UsageError(`standard output: ${reason}`, { cause: error });
  }
}

export async function reportCommand(options: ReportOptions, io: Io): Promise<ExitStatus> {
  const limit = options.timeLimitSeconds === undefined ? undefined : options.timeLimitSeconds * 1000;
  const deadline = limit === undefined ? undefined : io.now() + limit;
  const file = options.output === '-' ? undefined : options.output;
  const files = file === undefined ? undefined : await import('./output-file.ts');
  if (file !== undefined) files?.checkOutput(file, options.paths);
  const paths = await withDebuginfo(options.paths, options.debuginfo, io);
  // Before the dump is opened: what is wrong with a plugin is told at once.
  const plugins =
    options.plugins.length === 0
      ? undefined
      : await (await import('./plugins.ts')).loadReportPlugins(options.plugins, io);
  const core = await io.loadCore(plugins?.detectors);
  const progress = startProgress(io, options.progress);
  let report: Report;
  try {
    report = runReport(core, {
      paths,
      budget: ticking(limitedBudget(io.now, deadline), progress),
      guard: io.guard,
      hardLimit: limit === undefined ? undefined : limit + GRACE_MS,
      onStep: (step) => progress.step(step),
      without: options.without,
    });
  } finally {
    progress.clear();
  }
  const text = await rendered(report, options, io, file !== undefined);
  if (file !== undefined) files?.writeOutput(file, text);
  else await print(text, io);
  return report.complete ? EXIT.complete : EXIT.partial;
}
