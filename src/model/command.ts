/** A command of the program: one file, found by its name. It returns a shape; render/ makes text or JSON of it. */
import type { Budget } from '../base/budget.ts';
import type { Program } from '../program/program.ts';
import type { Shape } from './shape.ts';

export interface CommandContext {
  readonly program: Program;
  readonly budget: Budget;
}

export interface CommandResult {
  readonly shape: Shape;
  /** False when something could not be read: the exit status tells it. */
  readonly complete: boolean;
}

export interface Command {
  /** Equals the file name. */
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly examples: readonly string[];
  /** @throws UsageError for arguments it does not take */
  run(context: CommandContext, args: readonly string[]): CommandResult;
}

export function defineCommand(command: Command): Command {
  return command;
}
