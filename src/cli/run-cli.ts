/**
 * The program, with its surroundings injected: arguments to exit status. Every error ends here, as one line on stderr.
 */
import { CancelledError, KwhyError } from '../base/errors.ts';
import { escapeText } from '../render/escape.ts';
import { ArgumentsError } from './arguments.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { reportCommand } from './report-command.ts';
import { parseReportOptions } from './report-options.ts';
import { isSystemError } from './system-error.ts';

async function dispatch(argv: readonly string[], io: Io): Promise<ExitStatus> {
  // A dump that is called 'slim', 'check' or 'run' is given as './slim', './check' or './run'.
  if (argv[0] === 'check') {
    const { checkCommand } = await import('./check-command.ts');
    return checkCommand(argv.slice(1), io);
  }
  if (argv[0] === 'run') {
    const { runCommand } = await import('./run-command.ts');
    return runCommand(argv.slice(1), io);
  }
  if (argv[0] === 'shell') {
    const { shellCommand } = await import('./shell-command.ts');
    return shellCommand(argv.slice(1), io);
  }
  if (argv[0] === 'slim') {
    const { slimCommand } = await import('./slim-command.ts');
    return slimCommand(argv.slice(1), io);
  }
  if (argv[0] === 'types') {
    const { typesCommand } = await import('./types-command.ts');
    return typesCommand(argv.slice(1), io);
  }
  const options = parseReportOptions(argv);
  if (options === 'help' || options === 'version') {
    const { helpText, versionText } = await import('./help.ts');
    await io.stdout.write(options === 'help' ? helpText : versionText);
    return EXIT.complete;
  }
  return reportCommand(options, io);
}

interface Failure {
  readonly message: string;
  readonly status: ExitStatus;
}

function failureOf(error: unknown): Failure {
  if (error instanceof ArgumentsError) {
    return { message: `${error.message} (see kwhy --help)`, status: EXIT.usage };
  }
  if (error instanceof CancelledError) {
    return { message: `${error.message} before anything was known`, status: EXIT.interrupted };
  }
  if (error instanceof KwhyError || isSystemError(error)) return { message: error.message, status: EXIT.noReport };
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { message: `internal error: ${what} (set KWHY_DEBUG=1 for the stack)`, status: EXIT.internal };
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const cause = error.cause === undefined ? '' : `caused by ${stackOf(error.cause)}`;
  const lines = (error.stack ?? '').split('\n').map((line) => `${escapeText(line)}\n`);
  return lines.join('') + cause;
}

/** Never rejects. */
export async function runCli(argv: readonly string[], io: Io): Promise<ExitStatus> {
  try {
    return await dispatch(argv, io);
  } catch (error) {
    const { message, status } = failureOf(error);
    const stack = io.env.KWHY_DEBUG === '1' ? stackOf(error) : '';
    // When stderr is gone as well, the status still tells.
    await io.stderr.write(`kwhy: ${escapeText(message)}\n${stack}`).catch(() => {});
    return status;
  }
}
