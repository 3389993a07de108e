/**
 * Runs lines of the shell: aliases, redirections, files of commands, `repeat`, and the commands themselves under the
 * guard, so that Ctrl-C ends one that never asks its budget. Output is made in pieces and written between them.
 */
import { readFileSync } from 'node:fs';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { type Budget, unlimited } from '../base/budget.ts';
import { CancelledError, UsageError } from '../base/errors.ts';
import { escapeText } from '../render/escape.ts';
import { encodeShape } from '../render/shape-json.ts';
import { shapeChunks } from '../render/shape-text.ts';
import type { JsonValue } from '../render/json.ts';
import type { Word } from '../shell/arguments.ts';
import type { Answer, Console } from '../shell/execute.ts';
import { type Line, parseLine } from '../shell/line.ts';
import { EXIT } from './exit-status.ts';
import type { Io } from './io.ts';
import { openTarget, runSystem, type Target } from './output-target.ts';
import { systemReason } from './system-error.ts';

/** What a line may do beyond asking the dump. */
export type Trust = 'full' | 'commands-only';

/** A line's worth of status: 0, 1 partial, 5 failed. */
export type LineStatus = 0 | 1 | 5;

export interface RunnerOptions {
  readonly io: Io;
  readonly console: Console;
  readonly colour: boolean;
  readonly budget?: Budget;
  /** Whether Ctrl-C came while output was written, when the guard does not see it. */
  readonly interrupted?: () => boolean;
  /** What was said of the dump as a whole: once is enough. Kept by whoever makes several runners. */
  readonly said?: Set<string>;
  /** Collects answers as JSON instead of writing text. */
  readonly json?: JsonValue[];
  /** Opens the target of a line that goes to standard output: the shell's pager. */
  readonly openOutput?: () => Promise<Target>;
}

const PIECE = 1 << 16;
const MAX_DEPTH = 16;
const MAX_INPUT = 1 << 24;

export function worst(a: LineStatus, b: LineStatus): LineStatus {
  return a > b ? a : b;
}

export class LineRunner {
  readonly #options: RunnerOptions;
  readonly #said: Set<string>;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#said = options.said ?? new Set();
  }

  /** @throws CancelledError on Ctrl-C; the dump must be opened anew then. Never throws what a user did wrong. */
  async run(source: string, trust: Trust = 'full', depth = 0): Promise<LineStatus> {
    try {
      return await this.#run(source, trust, depth);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      await this.#say(error.message);
      this.#options.json?.push({ command: source.trim(), complete: false, failures: [error.message] });
      return EXIT.failed;
    }
  }

  /** All lines of a text; a line that fails does not end it. `exit` does. */
  async runAll(text: string, trust: Trust = 'full', depth = 0): Promise<LineStatus> {
    let status: LineStatus = EXIT.complete;
    for (const source of text.split('\n')) {
      if (isExit(source)) break;
      status = worst(status, await this.run(source, trust, depth));
    }
    return status;
  }

  async #run(source: string, trust: Trust, depth: number): Promise<LineStatus> {
    const { console, io, json } = this.#options;
    const again = /^\s*repeat\s+(?:-(\d+(?:\.\d+)?)\s+)?(\S.*)$/.exec(source);
    if (again?.[2] !== undefined) return this.#repeat(again[2], Number(again[1] ?? 0), trust, depth);
    const line = parseLine(expandAlias(source, console.session.aliases));
    if (line === undefined) return EXIT.complete;
    if (trust !== 'full' && usesSystem(line))
      throw new UsageError(`${source.trim()}: this file may hold commands only`);
    if (json !== undefined && (line.pipe !== undefined || line.file !== undefined))
      throw new UsageError(`${source.trim()}: with --json output goes nowhere else`);
    if (line.system !== undefined) return (await runSystem(line.system, io.stdout)) === 0 ? EXIT.complete : EXIT.failed;
    if (line.input !== undefined) return this.#withInput(line, line.input, source, trust, depth);
    if (line.words.length === 0) throw new UsageError('there is no command in front of the redirection');
    return this.#answer(line, [line.words], source);
  }

  /** `< file`: the commands in it; `command < file`: the command with the words of each line. */
  async #withInput(line: Line, path: string, source: string, trust: Trust, depth: number): Promise<LineStatus> {
    const text = readInputFile(path);
    if (line.words.length > 0) {
      const sets = text.split('\n').flatMap((each) => {
        const words = parseLine(each)?.words ?? [];
        return words.length === 0 ? [] : [[...line.words, ...words]];
      });
      return this.#answer(line, sets, source);
    }
    if (depth >= MAX_DEPTH) throw new UsageError(`${path}: files of commands are nested too deep`);
    return this.runAll(text, trust, depth + 1);
  }

  async #repeat(source: string, seconds: number, trust: Trust, depth: number): Promise<LineStatus> {
    const { console, io, json } = this.#options;
    const line = parseLine(expandAlias(source, console.session.aliases));
    if (line !== undefined && line.words.length > 0 && !usesSystem(line) && io.stdout.isTTY && json === undefined)
      return this.#repeatHere(line, seconds);
    const stop = new AbortController();
    const onSignal = (): void => stop.abort();
    process.once('SIGINT', onSignal);
    try {
      for (let status: LineStatus = EXIT.complete; ; ) {
        status = worst(status, await this.run(source, trust, depth));
        await sleep(Math.max(10, seconds * 1000), undefined, { signal: stop.signal }).catch(() => {});
        if (this.#options.interrupted?.() === true || stop.signal.aborted || status === EXIT.failed) return status;
      }
    } finally {
      process.off('SIGINT', onSignal);
    }
  }

  /** At a terminal, under one guard: a guard that begins and ends a hundred times a second loses some Ctrl-C. */
  #repeatHere(line: Line, seconds: number): LineStatus {
    const { console, io, colour, budget } = this.#options;
    const nobody = new Int32Array(new SharedArrayBuffer(4));
    return this.#guarded(() => {
      for (;;) {
        const answer = console.run(line.words, budget ?? unlimited);
        writeAll(answer, colour, (text) => io.stdout.writeNow(text));
        const { status, said } = this.#conclusion(answer);
        for (const text of said) io.stderr.writeNow(text);
        if (status === EXIT.failed) return status;
        Atomics.wait(nobody, 0, 0, Math.max(10, seconds * 1000));
      }
    });
  }

  async #answer(line: Line, sets: readonly (readonly Word[])[], source: string): Promise<LineStatus> {
    const { json, colour, io, openOutput } = this.#options;
    const plain = line.pipe === undefined && line.file === undefined;
    const target =
      json !== undefined
        ? undefined
        : plain && openOutput !== undefined
          ? await openOutput()
          : await openTarget(line, io.stdout, colour);
    let status: LineStatus = EXIT.complete;
    const answers: Answer[] = [];
    const run = (words: readonly Word[]): Answer => {
      const answer = this.#options.console.run(words, this.#options.budget ?? unlimited);
      answers.push(answer);
      return answer;
    };
    const writeNow = target?.writeNow;
    try {
      if (target !== undefined && writeNow !== undefined) {
        // To a terminal all goes out under one guard: between two of them a Ctrl-C could be lost.
        this.#guarded(() => {
          for (const words of sets) writeAll(run(words), target.colour, writeNow);
        });
      } else
        for (const words of sets) {
          const answer = this.#guarded(() => run(words));
          if (target === undefined) json?.push(this.#asJson(answer, source));
          else if (!(await this.#write(answer, target))) break;
        }
    } finally {
      await target?.end();
    }
    for (const answer of answers) status = worst(status, await this.#conclude(answer));
    return status;
  }

  #guarded<T>(work: () => T): T {
    return this.#options.io.guard(work, undefined);
  }

  async #write(answer: Answer, target: Target): Promise<boolean> {
    if (answer.shape === undefined) return true;
    const chunks = shapeChunks(answer.shape, { colour: target.colour });
    for (;;) {
      let done = false;
      const text = this.#guarded(() => {
        let piece = '';
        try {
          while (piece.length < PIECE) {
            const next = chunks.next();
            if (next.done === true) {
              done = true;
              break;
            }
            piece += next.value;
          }
        } catch (error) {
          answer.failed(error);
          done = true;
        }
        return piece;
      });
      if (text !== '' && !(await target.write(text))) return false;
      // A terminal is written to at once: without a turn of the event loop nobody would hear of a signal. One turn may
      // end before the loop asks for signals again; the second one has passed that point.
      await turn();
      await turn();
      if (this.#options.interrupted?.() === true) throw new CancelledError('interrupt');
      if (done) return true;
    }
  }

  #asJson(answer: Answer, source: string): JsonValue {
    return this.#guarded(() => {
      let result: JsonValue = null;
      try {
        if (answer.shape !== undefined) result = encodeShape(answer.shape);
      } catch (error) {
        answer.failed(error);
      }
      answer.finish();
      const { problems, failures } = answer.notes;
      return {
        command: source.trim(),
        complete: problems.size === 0 && failures.length === 0,
        problems: [...problems],
        failures: [...failures],
        result,
      };
    });
  }

  async #conclude(answer: Answer): Promise<LineStatus> {
    const { status, said } = this.#conclusion(answer);
    for (const text of said) await this.#options.io.stderr.write(text);
    return status;
  }

  /** What to say of what was missing. */
  #conclusion(answer: Answer): { readonly status: LineStatus; readonly said: readonly string[] } {
    answer.finish();
    const { problems, failures } = answer.notes;
    const said = failures.map(spoken);
    for (const problem of problems) {
      if (answer.aboutDump(problem)) {
        if (this.#said.has(problem)) continue;
        this.#said.add(problem);
      }
      said.push(spoken(`incomplete: ${problem}`));
    }
    return { status: failures.length > 0 ? EXIT.failed : problems.size > 0 ? EXIT.partial : EXIT.complete, said };
  }

  async #say(text: string): Promise<void> {
    await this.#options.io.stderr.write(spoken(text));
  }
}

function spoken(text: string): string {
  return `kwhy: ${escapeText(text)}\n`;
}

function writeAll(answer: Answer, colour: boolean, writeNow: (text: string) => void): void {
  if (answer.shape === undefined) return;
  try {
    for (const text of gathered(shapeChunks(answer.shape, { colour }))) writeNow(text);
  } catch (error) {
    answer.failed(error);
  }
}

/** Lines in larger pieces; what was made before an error comes out before it. */
function* gathered(lines: Iterable<string>): Generator<string> {
  let piece = '';
  try {
    for (const line of lines) {
      piece += line;
      if (piece.length < PIECE) continue;
      yield piece;
      piece = '';
    }
  } finally {
    if (piece !== '') yield piece;
  }
}

export function isExit(source: string): boolean {
  return /^\s*(?:q|quit|exit)\s*$/.test(source);
}

function usesSystem(line: Line): boolean {
  return line.system !== undefined || line.pipe !== undefined || line.file !== undefined || line.input !== undefined;
}

/** The first word of a line by its alias, which may hold a whole line. */
function expandAlias(source: string, aliases: ReadonlyMap<string, string>): string {
  let text = source;
  const seen = new Set<string>();
  for (;;) {
    const match = /^\s*([^\s|<>!#]+)/.exec(text);
    const word = match?.[1];
    const meaning = word === undefined ? undefined : aliases.get(word);
    if (word === undefined || meaning === undefined || seen.has(word)) return text;
    seen.add(word);
    text = `${meaning}${text.slice((match?.[0] ?? '').length)}`;
  }
}

/** @throws UsageError */
export function readInputFile(path: string): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_INPUT) throw new UsageError(`${path}: is too long for a file of commands`);
    return bytes.toString('utf8');
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new UsageError(`${path}: ${reason}`, { cause: error });
  }
}
