/** `kwhy run VMCORE -c 'ps -G' ...`: commands of the shell from scripts, as text or as one JSON document. */
import { limitedBudget } from '../base/budget.ts';
import { CancelledError, KwhyError, UsageError } from '../base/errors.ts';
import { SCHEMA_VERSION } from '../model/report.ts';
import type { OpenOptions } from '../program/open.ts';
import type { Program } from '../program/program.ts';
import { type JsonValue, jsonText } from '../render/json.ts';
import { ArgumentsError, type OptionSpecs, parseArguments } from './arguments.ts';
import { withDebuginfo } from './debuginfo-option.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { timeLimitOf } from './report-options.ts';
import { systemReason } from './system-error.ts';
import { wantsColour } from './terminal.ts';
import { withoutOf } from './without-option.ts';

const specs: OptionSpecs = {
  command: { takesValue: true, short: 'c' },
  input: { takesValue: true, short: 'i' },
  json: { takesValue: false },
  debuginfo: { takesValue: true },
  without: { takesValue: true },
  plugin: { takesValue: true },
  'no-rc': { takesValue: false },
  'time-limit': { takesValue: true },
  timeout: { takesValue: true },
  help: { takesValue: false, short: 'h' },
};

interface RunArguments {
  readonly paths: readonly string[];
  /** Lines and files of lines, in the order they were given. */
  readonly sources: readonly { readonly kind: 'line' | 'file'; readonly text: string }[];
  /** Where debug information is: see debuginfo-option.ts. */
  readonly debuginfo: string | undefined;
  /** Tables of the dump that are left aside. */
  readonly without: NonNullable<OpenOptions['without']>;
  /** Files with commands of the user's own. */
  readonly plugins: readonly string[];
  readonly json: boolean;
  readonly startup: boolean;
  readonly timeLimitSeconds: number | undefined;
}

/** @throws ArgumentsError */
function parse(argv: readonly string[]): RunArguments | 'help' {
  const { options, given, positionals } = parseArguments(argv, specs);
  if (options.has('help')) return 'help';
  if (positionals.length === 0 || positionals.includes(''))
    throw new ArgumentsError("which dump? usage: kwhy run VMCORE -c 'COMMAND'");
  const sources = given.flatMap(({ name, value }) =>
    typeof value === 'string' && (name === 'command' || name === 'input')
      ? [{ kind: name === 'command' ? ('line' as const) : ('file' as const), text: value }]
      : [],
  );
  const debuginfo = options.get('debuginfo');
  return {
    paths: positionals,
    sources,
    debuginfo: typeof debuginfo === 'string' ? debuginfo : undefined,
    without: withoutOf(options.get('without')),
    plugins: given.flatMap(({ name, value }) => (name === 'plugin' && typeof value === 'string' ? [value] : [])),
    json: options.has('json'),
    startup: !options.has('no-rc'),
    timeLimitSeconds: timeLimitOf(options),
  };
}

export async function runCommand(argv: readonly string[], io: Io): Promise<ExitStatus> {
  const args = parse(argv);
  if (args === 'help') {
    const { runHelpText } = await import('./help.ts');
    await io.stdout.write(runHelpText);
    return EXIT.complete;
  }
  const [
    { openProgram },
    { loadCommands },
    { Console },
    { makeSession },
    { LineRunner, readInputFile, worst, isExit },
    { startupFiles },
  ] = await Promise.all([
    import('../program/open.ts'),
    import('./commands.ts'),
    import('../shell/execute.ts'),
    import('../shell/session.ts'),
    import('./line-runner.ts'),
    import('./startup-files.ts'),
  ]);
  const paths = await withDebuginfo(args.paths, args.debuginfo, io);
  const texts = await linesOf(args, io, readInputFile);
  const commands = await loadCommands(args.plugins, io);
  const limit = args.timeLimitSeconds;
  const budget = limitedBudget(io.now, limit === undefined ? undefined : io.now() + limit * 1000);
  // All that is read of the program asks it, whatever command reads.
  const program = opened(paths, io, () => openProgram(paths, { budget, without: args.without }));
  try {
    const console = new Console(program, makeSession(commands, paths));
    const colour = wantsColour('auto', io.env, io.stdout);
    const quiet = new LineRunner({ io, console, colour, json: [] });
    if (args.startup)
      for (const { path, trust } of startupFiles(io.env, process.cwd())) await quiet.runAll(readInputFile(path), trust);
    const json: JsonValue[] | undefined = args.json ? [] : undefined;
    const runner = new LineRunner(json === undefined ? { io, console, colour } : { io, console, colour, json });
    let status: 0 | 1 | 5 = EXIT.complete;
    try {
      for (const line of texts.flatMap((text) => text.split('\n'))) {
        if (isExit(line)) break;
        budget.check();
        status = worst(status, await runner.run(line));
      }
    } catch (error) {
      if (!(error instanceof CancelledError) || error.reason !== 'time-limit') throw error;
      await io.stderr.write('kwhy: incomplete: the time limit passed; what comes after it was not run\n');
      status = worst(status, EXIT.partial);
    }
    if (json !== undefined) {
      await io.stdout.write(
        jsonText({ schema: 'kwhy-run', version: SCHEMA_VERSION, complete: status === EXIT.complete, commands: json }),
      );
    }
    return status;
  } finally {
    program.close();
  }
}

async function linesOf(
  args: RunArguments,
  io: Io,
  readInputFile: (path: string) => string,
): Promise<readonly string[]> {
  if (args.sources.length > 0) {
    return args.sources.map(({ kind, text }) => (kind === 'line' ? text : readInputFile(text)));
  }
  const piped = await io.readInput();
  if (piped === undefined) throw new ArgumentsError("which commands? give -c 'COMMAND', -i FILE, or pipe them in");
  return [piped];
}

/** @throws UsageError that names the file */
function opened(paths: readonly string[], io: Io, open: () => Program): Program {
  try {
    return io.guard(open, undefined);
  } catch (error) {
    if (error instanceof CancelledError && error.reason === 'interrupt') throw error;
    const reason = error instanceof KwhyError ? error.message : systemReason(error);
    if (reason === undefined || paths.some((path) => reason.startsWith(path))) throw error;
    throw new UsageError(`${paths.join(', ')}: ${reason}`, { cause: error });
  }
}
