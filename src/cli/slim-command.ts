/** `kwhy slim VMCORE -o OUT`: writes a small dump on which the report is the same, and says what remains in it. */
import { rmSync } from 'node:fs';
import { limitedBudget } from '../base/budget.ts';
import { CancelledError, UsageError } from '../base/errors.ts';
import type { Report } from '../model/report.ts';
import type { Shape } from '../model/shape.ts';
import { byteCount, count } from '../model/value.ts';
import { shapeJson } from '../render/shape-json.ts';
import { shapeText } from '../render/shape-text.ts';
import type { SlimResult } from '../slim/slim.ts';
import { ArgumentsError, type OptionSpecs, parseArguments } from './arguments.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { startProgress, ticking } from './progress.ts';
import { timeLimitOf } from './report-options.ts';
import { named } from './system-error.ts';
import { wantsColour } from './terminal.ts';

const specs: OptionSpecs = {
  output: { takesValue: true, short: 'o' },
  zlib: { takesValue: false },
  force: { takesValue: false, short: 'f' },
  json: { takesValue: false },
  'time-limit': { takesValue: true },
  timeout: { takesValue: true },
  'no-progress': { takesValue: false },
  help: { takesValue: false, short: 'h' },
};

interface SlimArguments {
  /** The dump, or the files of a split dump; at least one. */
  readonly paths: readonly string[];
  readonly output: string;
  readonly zlib: boolean;
  readonly force: boolean;
  readonly json: boolean;
  readonly timeLimitSeconds: number | undefined;
  readonly progress: boolean;
}

/** @throws ArgumentsError */
function parse(argv: readonly string[]): SlimArguments | 'help' {
  const { options, positionals } = parseArguments(argv, specs);
  if (options.has('help')) return 'help';
  const output = options.get('output');
  if (positionals.length === 0 || positionals.includes('')) {
    throw new ArgumentsError('which dump? usage: kwhy slim VMCORE -o OUT');
  }
  if (typeof output !== 'string') throw new ArgumentsError('where to? usage: kwhy slim VMCORE -o OUT');
  const flag = (name: string): boolean => options.has(name);
  return {
    paths: positionals,
    output,
    zlib: flag('zlib'),
    force: flag('force'),
    json: flag('json'),
    timeLimitSeconds: timeLimitOf(options),
    progress: !flag('no-progress'),
  };
}

export async function slimCommand(argv: readonly string[], io: Io): Promise<ExitStatus> {
  const args = parse(argv);
  if (args === 'help') {
    const { slimHelpText } = await import('./help.ts');
    await io.stdout.write(slimHelpText);
    return EXIT.complete;
  }
  const [{ openProgram }, { diagnose }, { slim }, { checkOutput }] = await Promise.all([
    import('../program/open.ts'),
    import('../diagnosis/engine.ts'),
    import('../slim/slim.ts'),
    import('./output-file.ts'),
  ]);
  checkOutput(args.output, args.paths);
  const progress = startProgress(io, args.progress);
  const limit = args.timeLimitSeconds === undefined ? undefined : args.timeLimitSeconds * 1000;
  const budget = ticking(limitedBudget(io.now, limit === undefined ? undefined : io.now() + limit), progress);
  let result: SlimResult;
  try {
    result = io.guard(() => {
      progress.step('opening the dump');
      const program = openProgram(args.paths, { budget });
      try {
        const steps = slim(program, args.output, {
          budget,
          compression: args.zlib ? 'zlib' : 'zstd',
          input: args.paths,
          replace: args.force,
          report: (probe) => runWhole(diagnose(probe, budget), (step) => progress.step(step)),
        });
        for (;;) {
          const next = steps.next();
          if (next.done === true) return next.value;
          progress.step(next.value.step);
        }
      } finally {
        program.close();
      }
    }, undefined);
  } catch (error) {
    if (error instanceof CancelledError) {
      await forget(args.output, error);
      await io.stderr.write('kwhy: interrupted; nothing was written\n');
      return EXIT.interrupted;
    }
    throw named(args.paths, error, [args.output]);
  } finally {
    progress.clear();
  }
  const complete = result.problems.length === 0 && result.lostPages === 0;
  const shape = await shapeOf(args.output, result);
  const colour = wantsColour('auto', io.env, io.stdout);
  await io.stdout.write(args.json ? shapeJson(shape, { complete }) : shapeText(shape, { colour }));
  return complete ? EXIT.complete : EXIT.partial;
}

/** Ctrl-C ends the work where it stands; what it had written is removed here. @throws UsageError for the time limit */
async function forget(output: string, { reason }: CancelledError): Promise<void> {
  const { temporaryName } = await import('../dump/new-file.ts');
  rmSync(temporaryName(output), { force: true });
  if (reason === 'time-limit') throw new UsageError('the time limit passed; nothing was written');
}

/** @throws CancelledError when the report was cut short: half a report reads half of the pages */
function runWhole(steps: Iterator<{ readonly step: string }, Report>, onStep: (step: string) => void): void {
  for (;;) {
    const next = steps.next();
    if (next.done !== true) onStep(next.value.step);
    else if (next.value.stopped === undefined) return;
    else throw new CancelledError(next.value.stopped);
  }
}

async function shapeOf(output: string, result: SlimResult): Promise<Shape> {
  const { PAGE_CLASSES } = await import('../slim/policy.ts');
  const classes = [...result.classes].filter(([, pages]) => pages > 0).sort((a, b) => b[1] - a[1]);
  return {
    shape: 'list',
    items: [
      {
        shape: 'key-values',
        rows: [
          { key: 'file', label: 'Written', value: { kind: 'name', value: output } },
          { key: 'bytes', label: 'Size', value: byteCount(result.bytes) },
          { key: 'inputBytes', label: 'Instead of', value: byteCount(result.inputBytes) },
          { key: 'pages', label: 'Pages', value: count(result.pages) },
          { key: 'lostPages', label: 'Lost in the dump', value: count(result.lostPages) },
          { key: 'policy', label: 'Policy', value: count(result.policyVersion) },
        ],
      },
      {
        shape: 'table',
        title: 'Kept',
        columns: [
          { key: 'pages', label: 'pages', align: 'right' },
          { key: 'what', label: 'what', align: 'left' },
        ],
        rows: classes.map(([key, pages]) => [count(pages), PAGE_CLASSES[key]]),
      },
      { shape: 'text', lines: [['What may remain in it of the people whose machine it was:']] },
      { shape: 'text', lines: result.remains.map((line) => [`- ${line}`]) },
      ...(result.problems.length === 0
        ? []
        : [{ shape: 'text' as const, lines: ['Not found:', ...result.problems].map((line) => [line]) }]),
    ],
  };
}
