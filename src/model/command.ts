/**
 * A command of the shell: one file, found by its name. What it takes is data, from which help, completion and 'did you
 * mean' are made; what it gives is a shape, of which render/ makes text or JSON. docs/commands.md shows how to add one.
 */
import type { VirtAddr } from '../base/address.ts';
import type { FactContext } from './diagnosis.ts';
import type { Shape } from './shape.ts';

/** An option in the way of crash: one letter (`-G`), a number (`-32`), seldom a word. */
export interface CommandOption {
  /** Without the dash. One letter may stand in a bundle (`-Tm`) and be repeated (`-FF`); longer ones stand alone. */
  readonly flag: string;
  /** What follows: 'cpus' for `-C cpus`. */
  readonly value?: string;
  /** The value is only taken behind `=`: `-i=shared`; without it the option stands alone. */
  readonly optionalValue?: boolean;
  /** What the value is, for completion. */
  readonly kind?: ArgumentKind;
  readonly summary: string;
}

/** What completion may propose. */
export type ArgumentKind =
  | 'task'
  | 'symbol'
  | 'address'
  | 'type'
  | 'member'
  | 'expression'
  | 'command'
  | 'path'
  | 'number'
  | 'cpus'
  | 'text';

export interface CommandArgument {
  /** As the usage shows it: 'pid | task | command'. */
  readonly name: string;
  /** What completion proposes; several where several may stand. */
  readonly kinds: readonly ArgumentKind[];
  /** Words that may stand there as they are: 'config'. */
  readonly words?: readonly string[];
  readonly optional?: boolean;
  readonly repeated?: boolean;
}

export interface CommandExample {
  readonly line: string;
  readonly what: string;
}

/** The arguments as a command gets them: options checked against its list, the rest in order. */
export interface CommandArguments {
  /** How often an option was given. */
  count(flag: string): number;
  has(flag: string): boolean;
  /** Value of an option; the last counts. Undefined when it was not given, '' for an optional value that was left out. */
  value(flag: string): string | undefined;
  /** What is no option, without quotes. */
  readonly positionals: readonly string[];
  /** The same with their quotes: what stands in quotes is a pattern where tasks are named. */
  readonly raws: readonly string[];
  /** The same as it was typed, quotes included, with one space between: for expressions. */
  readonly text: string;
}

/** What a session remembers from one command to the next. */
export interface Session {
  /** `struct task_struct *` chosen by `set`; undefined until then. */
  currentTask: VirtAddr | undefined;
  /** How integers of `struct`, `p` and others are shown. */
  radix: 10 | 16;
  /** How many elements of an array, and characters of a string, are shown. */
  printMax: number;
  /** Whether long output goes through the pager. */
  scroll: boolean;
  /** Tasks that `set -a` took for those that ran, by CPU: `struct task_struct *`. */
  readonly active: Map<number, VirtAddr>;
  readonly aliases: Map<string, string>;
  /** All commands, sorted by name. */
  readonly commands: readonly Command[];
  /** How the dump was named. */
  readonly dumpPaths: readonly string[];
}

export interface CommandContext extends FactContext {
  readonly session: Session;
  /** Notes that part of the answer is missing; it is shown below the answer, and the exit status tells it. */
  readonly problem: (text: string) => void;
  /** Notes that one of several arguments was wrong while others were answered. */
  readonly failure: (text: string) => void;
  /**
   * Runs another command by its name, as `foreach` does: its shape, with its problems noted here.
   * @throws UsageError when there is none, and what the command throws
   */
  readonly call: (name: string, words: readonly string[]) => Shape;
}

export interface Command {
  /** Equals the file name. */
  readonly name: string;
  /** Other words for it: `*` for struct. May hold options: ['px', 'p -x']. */
  readonly aliases?: readonly (string | readonly [alias: string, line: string])[];
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Paragraphs of its help. */
  readonly description?: readonly string[];
  readonly options: readonly CommandOption[];
  readonly arguments: readonly CommandArgument[];
  /** Options stand before the first argument only: for expressions, and commands that name another command. */
  readonly optionsFirst?: boolean;
  readonly examples: readonly [CommandExample, ...CommandExample[]];
  /**
   * @throws UsageError for arguments it does not take, and the errors of the dump: then there is no answer
   */
  run(context: CommandContext, args: CommandArguments): Shape;
}

export function defineCommand(command: Command): Command {
  return command;
}
