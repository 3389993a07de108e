/**
 * Runs one command: finds it (aliases, bare symbols and types too), checks its options, hands it the dump, and collects
 * what was missing. Data errors and usage errors of a command are its answer, not the end of the session.
 */
import { type Budget, unlimited } from '../base/budget.ts';
import { CancelledError, isDataError, UsageError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { Command, CommandContext, Session } from '../model/command.ts';
import type { Coverage } from '../model/diagnosis.ts';
import type { Shape } from '../model/shape.ts';
import type { Program } from '../program/program.ts';
import { parseCommandArguments, type Word, wordsOf } from './arguments.ts';
import { complete, type Completion, type Paths } from './complete.ts';
import { FactStore } from './facts.ts';
import { parseLine } from './line.ts';

/** What is wrong with an answer; filled while its shape is shown, and whole after that. */
export interface Notes {
  /** What could not be read or found. */
  readonly problems: ReadonlySet<string>;
  /** What was wrong with the command; it may still have answered in part. */
  readonly failures: readonly string[];
}

export interface Answer {
  /** Undefined when the command failed at once: `notes.failures` says why. */
  readonly shape: Shape | undefined;
  readonly notes: Notes;
  /** Notes an error that the shape threw while it was shown. @throws it again when it is no answer (bug, Ctrl-C) */
  failed(error: unknown): void;
  /** Whether a problem is one of the dump as a whole, which every command that reads it has. */
  aboutDump(problem: string): boolean;
  /** To be called when the shape was shown: adds what the file itself lacks. */
  finish(): void;
}

/** An open dump and what is remembered about it. */
export class Console {
  readonly program: Program;
  readonly session: Session;
  readonly #facts = new FactStore();

  constructor(program: Program, session: Session) {
    this.program = program;
    this.session = session;
  }

  /** @throws CancelledError, and what is a bug */
  run(words: readonly Word[], budget: Budget): Answer {
    const notes = { problems: new Set<string>(), failures: [] as string[] };
    const used = { program: false };
    const context = this.#context(budget, notes, used);
    const failed = (error: unknown): void => {
      if (error instanceof CancelledError || !(isDataError(error) || error instanceof UsageError)) throw error;
      const [first] = words;
      const name = first?.text ?? '';
      notes.failures.push(error.message.startsWith(`${name}: `) ? error.message : `${name}: ${error.message}`);
    };
    const whole = new Set<string>();
    const finish = (): void => {
      if (!used.program) return;
      for (const problem of [...this.program.dump.problems, ...this.program.problems]) whole.add(problem);
      if (this.program.lostPages > 0) whole.add('pages that were needed are damaged or missing in the file');
      for (const problem of whole) notes.problems.add(problem);
    };
    const aboutDump = (problem: string): boolean => whole.has(problem);
    try {
      return { shape: this.#start(words, context), notes, failed, aboutDump, finish };
    } catch (error) {
      failed(error);
      return { shape: undefined, notes, failed, aboutDump, finish };
    }
  }

  /** What Tab proposes at the end of a line. */
  complete(line: string, paths: Paths): Completion {
    const { program, session } = this;
    return complete(
      line,
      { program, session, use: (fact) => this.#facts.use(fact, program, unlimited, () => {}) },
      paths,
    );
  }

  #start(words: readonly Word[], context: CommandContext): Shape {
    const found = resolve(words, this.session, () => context.program);
    return found.command.run(context, parseCommandArguments(found.command, found.words));
  }

  #context(
    budget: Budget,
    notes: { problems: Set<string>; failures: string[] },
    used: { program: boolean },
  ): CommandContext {
    const { program, session } = this;
    const cover = (coverage: Coverage): void => {
      const problem = coverageProblem(coverage);
      if (problem !== undefined) notes.problems.add(problem);
    };
    const context: CommandContext = {
      get program() {
        used.program = true;
        return program;
      },
      budget,
      session,
      cover,
      use: (fact) => {
        used.program = true;
        return this.#facts.use(fact, program, budget, cover);
      },
      problem: (text) => void notes.problems.add(text),
      failure: (text) => void notes.failures.push(text),
      call: (name, words) => this.#start([...wordsOf([name]), ...wordsOf(words)], context),
    };
    return context;
  }
}

/** 'tasks: 161 of 163 read: ...'; undefined when all was read. */
function coverageProblem({ what, read, total, missing }: Coverage): string | undefined {
  if (total !== undefined && read >= total && missing.length === 0) return undefined;
  const why = missing.length === 0 ? '' : `: ${missing.join('; ')}`;
  return `${what}: ${total === undefined ? `at least ${read}` : `${read} of ${total}`} read${why}`;
}

/** An alias may stand for another alias. */
const MAX_ALIASES = 8;

export interface Resolved {
  readonly command: Command;
  /** Without the command's own name. */
  readonly words: readonly Word[];
}

/**
 * The command that a line means: its name or an alias; `struct.member` and bare names of types, symbols and expressions
 * as in crash.
 * @throws UsageError with the nearest name
 */
export function resolve(words: readonly Word[], session: Session, program: () => Program): Resolved {
  let line = words;
  for (let i = 0; i < MAX_ALIASES; i++) {
    const [first, ...rest] = line;
    if (first === undefined) throw new UsageError('no command');
    const command = session.commands.find(({ name }) => name === first.text);
    if (command !== undefined) return { command, words: rest };
    const alias = session.aliases.get(first.text);
    const expanded = alias === undefined ? undefined : parseLine(alias)?.words;
    if (expanded === undefined || expanded[0]?.text === first.text) break;
    line = [...expanded, ...rest];
  }
  const bare = bareWord(line, session, program);
  if (bare !== undefined) return bare;
  const name = line[0]?.text ?? '';
  const guess = nearest(name, [...session.commands.map((command) => command.name), ...session.aliases.keys()]);
  const hint = guess === undefined ? "; 'help' lists the commands" : `; did you mean ${guess}?`;
  throw new UsageError(`no command, symbol or type '${name}'${hint}`);
}

function bareWord(words: readonly Word[], session: Session, program: () => Program): Resolved | undefined {
  const [first] = words;
  if (first === undefined) return undefined;
  const as = (name: string, line: readonly Word[]): Resolved | undefined => {
    const command = session.commands.find((each) => each.name === name);
    return command === undefined ? undefined : { command, words: line };
  };
  // *task_struct.pid ADDRESS
  if (first.text.startsWith('*') && first.text.length > 1) {
    const name = first.text.slice(1);
    return as(
      /^[A-Za-z_]/.test(name) && isType(name, program()) ? 'struct' : 'p',
      name === '' ? words : starred(words, program()),
    );
  }
  if (isType(first.text, program())) return as('struct', words);
  const symbol = /^([A-Za-z_]\w*)/.exec(first.text)?.[1];
  if (/^[(&]/.test(first.text)) return as('p', words);
  if (symbol !== undefined && program().symbols.lookup(symbol, { modules: true }) !== undefined) return as('p', words);
  return undefined;
}

function starred(words: readonly Word[], program: Program): readonly Word[] {
  const [first, ...rest] = words;
  const name = first?.text.slice(1) ?? '';
  return isType(name, program) ? [...wordsOf([name]), ...rest] : words;
}

/** 'task_struct', 'task_struct.pid,comm': a type that needs no `struct` in front. */
function isType(word: string, { types }: Program): boolean {
  const name = /^([A-Za-z_]\w*)(?:\.[\w.,[\]]+)?$/.exec(word)?.[1];
  if (name === undefined) return false;
  return [`struct ${name}`, `union ${name}`, name].some((each) => types.lookFor(each) !== undefined);
}
