/**
 * The surroundings of a run: streams, environment, clock, and the guard that lets Ctrl-C end synchronous work. Given to
 * `runCli`, so that tests have their own.
 */
import type { Guard } from './guard.ts';
import type { AnyDetector } from '../model/diagnosis.ts';
import type { Core } from './report-run.ts';

export interface Sink {
  readonly isTTY: boolean;
  /** Columns of the terminal, when it is one. */
  readonly columns: number | undefined;
  /** True for the process' own stream, which programs that it starts may write to themselves. */
  readonly inherit?: boolean;
  /** Resolves when the text has left the process, or when nobody reads it any more. */
  write(text: string): Promise<void>;
  /** Writes at once, from synchronous code. */
  writeNow(text: string): void;
}

export interface Io {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** What is piped into the program, to its end; undefined when standard input is a terminal. */
  readInput(): Promise<string | undefined>;
  readonly env: { readonly [name: string]: string | undefined };
  /** Milliseconds on a steady clock. */
  readonly now: () => number;
  readonly guard: Guard;
  loadCore(detectors?: readonly AnyDetector[]): Promise<Core>;
}
