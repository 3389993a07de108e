/**
 * `kwhy shell VMCORE`: the prompt. Ctrl-C ends a command that runs, wherever it is: the dump is opened anew then, as what
 * was cut off may have left half-made tables, and the session (chosen task, aliases, radix) stays.
 */
import { readdirSync, statSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { dirname, join } from 'node:path';
import { CancelledError, KwhyError, UsageError } from '../base/errors.ts';
import type { Session } from '../model/command.ts';
import type { Program } from '../program/program.ts';
import { escapeText } from '../render/escape.ts';
import { Console } from '../shell/execute.ts';
import { makeSession } from '../shell/session.ts';
import { openProgram, type OpenOptions } from '../program/open.ts';
import { ArgumentsError, type OptionSpecs, parseArguments } from './arguments.ts';
import { loadCommands } from './commands.ts';
import { withDebuginfo } from './debuginfo-option.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { History, historyPath } from './history.ts';
import type { Io } from './io.ts';
import { isExit, LineRunner, readInputFile } from './line-runner.ts';
import type { Target } from './output-target.ts';
import { pagedTarget, pagerCommand } from './pager.ts';
import { startupFiles } from './startup-files.ts';
import { systemReason } from './system-error.ts';
import { wantsColour } from './terminal.ts';
import { withoutOf } from './without-option.ts';

const specs: OptionSpecs = {
  debuginfo: { takesValue: true },
  without: { takesValue: true },
  plugin: { takesValue: true },
  'no-rc': { takesValue: false },
  help: { takesValue: false, short: 'h' },
};

/** Where lines come from and keys are read: the process' own streams, or those of a test. */
export interface Terminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

export async function shellCommand(
  argv: readonly string[],
  io: Io,
  terminal: Terminal = { input: process.stdin, output: process.stdout },
): Promise<ExitStatus> {
  const { options, given, positionals } = parseArguments(argv, specs);
  if (options.has('help')) {
    const { shellHelpText } = await import('./help.ts');
    await io.stdout.write(shellHelpText);
    return EXIT.complete;
  }
  if (positionals.length === 0 || positionals.includes(''))
    throw new ArgumentsError('which dump? usage: kwhy shell VMCORE');
  const paths = await withDebuginfo(positionals, options.get('debuginfo'), io);
  const without = withoutOf(options.get('without'));
  const plugins = given.flatMap(({ name, value }) => (name === 'plugin' && typeof value === 'string' ? [value] : []));
  const session = makeSession(await loadCommands(plugins, io), paths);
  const shell = new Shell(io, session, terminal, { without });
  return shell.run(!options.has('no-rc'));
}

class Shell {
  readonly #io: Io;
  readonly #session: Session;
  readonly #terminal: Terminal;
  readonly #options: OpenOptions;
  readonly #history: History;
  readonly #said = new Set<string>();
  #console: Console;
  #interrupted = false;

  constructor(io: Io, session: Session, terminal: Terminal, options: OpenOptions) {
    this.#io = io;
    this.#session = session;
    this.#terminal = terminal;
    this.#options = options;
    this.#history = new History(historyPath(io.env));
    this.#console = new Console(this.#open(), session);
  }

  /** @throws UsageError that names the file */
  #open(): Program {
    const paths = this.#session.dumpPaths;
    try {
      return this.#io.guard(() => openProgram(paths, this.#options), undefined);
    } catch (error) {
      const reason = error instanceof KwhyError ? error.message : systemReason(error);
      if (reason === undefined || error instanceof CancelledError || paths.some((path) => reason.startsWith(path)))
        throw error;
      throw new UsageError(`${paths.join(', ')}: ${reason}`, { cause: error });
    }
  }

  async run(startup: boolean): Promise<ExitStatus> {
    const { input, output } = this.#terminal;
    const isTerminal = input.isTTY && output.isTTY;
    // While a command works the guard sees the signal; while its output is written, or at the prompt, this does.
    const note = (): void => {
      this.#interrupted = true;
    };
    process.on('SIGINT', note);
    try {
      if (startup)
        for (const { path, trust } of startupFiles(this.#io.env, process.cwd()))
          await this.#runner().runAll(readInputFile(path), trust);
      if (isTerminal) await this.#greet();
      await this.#loop(isTerminal);
    } finally {
      process.off('SIGINT', note);
      this.#console.program.close();
    }
    return EXIT.complete;
  }

  async #greet(): Promise<void> {
    await this.#line('sys');
    await this.#io.stdout.write(
      "\nhelp lists the commands; Tab completes, Up searches for what begins so; 'exit' or Ctrl-D ends.\n\n",
    );
  }

  async #loop(isTerminal: boolean): Promise<void> {
    const { input, output } = this.#terminal;
    const rl = createInterface({
      input,
      ...(isTerminal ? { output } : {}),
      terminal: isTerminal,
      prompt: isTerminal ? 'kwhy> ' : '',
      history: [...this.#history.lines].reverse(),
      historySize: 2000,
      removeHistoryDuplicates: true,
      completer: (line: string) => this.#complete(line),
    });
    rl.on('SIGINT', () => {
      // At the prompt Ctrl-C gives up the line.
      output.write('^C\n');
      rl.write(null, { ctrl: true, name: 'u' });
      rl.prompt();
    });
    const lines = new LineQueue(rl);
    rl.prompt();
    for (;;) {
      const line = await lines.next();
      if (line === undefined || isExit(line)) break;
      this.#history.add(line);
      rl.pause();
      // Without raw mode the terminal turns Ctrl-C into a signal.
      if (isTerminal) input.setRawMode(false);
      await this.#line(line);
      if (isTerminal) input.setRawMode(true);
      rl.resume();
      rl.prompt();
    }
    if (isTerminal) output.write('\n');
    rl.close();
  }

  #runner(): LineRunner {
    const { stdout, env } = this.#io;
    const colour = wantsColour('auto', env, stdout);
    const base = {
      io: this.#io,
      console: this.#console,
      colour,
      said: this.#said,
      interrupted: () => this.#interrupted,
    };
    const command = stdout.isTTY && this.#console.session.scroll ? pagerCommand(env) : undefined;
    if (command === undefined) return new LineRunner(base);
    const rows = (this.#terminal.output.rows || 24) - 1;
    const openOutput = (): Promise<Target> => Promise.resolve(pagedTarget(stdout, command, rows, colour));
    return new LineRunner({ ...base, openOutput });
  }

  async #line(line: string): Promise<void> {
    this.#interrupted = false;
    try {
      const searched = /^\s*history(?:\s+(.*))?$/.exec(line);
      if (searched !== null) {
        const found = this.#history.search(searched[1]?.trim() ?? '');
        await this.#io.stdout.write(found.map((each) => `${escapeText(each)}\n`).join(''));
        return;
      }
      await this.#runner().run(line);
    } catch (error) {
      if (error instanceof CancelledError) {
        await this.#io.stderr.write('kwhy: interrupted\n');
        this.#reopen();
        return;
      }
      // A bug costs a command, not the session.
      const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      const stack = this.#io.env.KWHY_DEBUG === '1' && error instanceof Error ? `${error.stack ?? ''}\n` : '';
      await this.#io.stderr.write(`kwhy: internal error: ${escapeText(what)}\n${stack}`);
    }
  }

  #reopen(): void {
    this.#console.program.close();
    this.#console = new Console(this.#open(), this.#session);
  }

  #complete(line: string): [string[], string] {
    try {
      const { words, word } = this.#console.complete(line, pathsStarting);
      return [words.length === 1 && !/[./]$/.test(words[0] ?? '') ? [`${words[0]} `] : [...words], word];
    } catch (error) {
      if (error instanceof KwhyError) return [[], line];
      throw error;
    }
  }
}

/** Lines as they come, also those that come while a command runs; undefined at the end. */
class LineQueue {
  readonly #lines: string[] = [];
  #waiting: ((line: string | undefined) => void) | undefined;
  #closed = false;

  constructor(rl: Interface) {
    rl.on('line', (line) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#lines.push(line);
      else waiting(line);
    });
    rl.on('close', () => {
      this.#closed = true;
      this.#waiting?.(undefined);
    });
  }

  next(): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined || this.#closed) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}

/** Files and folders that begin like this; folders with a slash behind. */
function pathsStarting(prefix: string): readonly string[] {
  const folder = prefix.endsWith('/') ? prefix : dirname(prefix);
  try {
    return readdirSync(folder === '' ? '.' : folder).map((name) => {
      const path = prefix.includes('/') ? join(folder, name) : name;
      return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? `${path}/` : path;
    });
  } catch (error) {
    if (systemReason(error) === undefined) throw error;
    return [];
  }
}
