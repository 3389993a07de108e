/**
 * Facts and detectors. A fact is a table derived from the dump once and shared; a detector is a pure function of the
 * facts that it declares. Neither knows of any list of all facts: they refer to each other by import.
 */
import type { Budget } from '../base/budget.ts';
import type { Program } from '../program/program.ts';
import type { Finding } from './finding.ts';

export interface FactContext {
  readonly program: Program;
  readonly budget: Budget;
  /** The value of another fact, derived on first use. */
  readonly use: <T>(fact: Fact<T>) => T;
  /** Notes how much of something could be read; shown in the report. */
  readonly cover: (coverage: Coverage) => void;
}

export interface Fact<T> {
  readonly id: string;
  derive(context: FactContext): T;
}

export function defineFact<T>(fact: Fact<T>): Fact<T> {
  return fact;
}

/** '161 of 163 tasks': how much of a kind of thing could be read, and why not the rest. */
export interface Coverage {
  /** Plural noun: 'tasks', 'stacks of blocked tasks'. */
  readonly what: string;
  readonly read: number;
  /** Undefined when the end could not be found: 'at least'. */
  readonly total: number | undefined;
  /** One line for each distinct reason. */
  readonly missing: readonly string[];
}

export type Needs = { readonly [name: string]: Fact<unknown> };
export type Given<N extends Needs> = { readonly [K in keyof N]: N[K] extends Fact<infer T> ? T : never };

export interface Detector<N extends Needs = Needs> {
  /** Equals the file name; a noun. */
  readonly id: string;
  /** What it looks for, as in 'what was checked'. */
  readonly title: string;
  /** Why it matters, for the generated docs. */
  readonly summary: string;
  readonly needs: N;
  /** True, or why this dump cannot be asked. */
  appliesTo(program: Program): true | string;
  run(given: Given<N>, program: Program): readonly Finding[];
}

/** A detector whose `needs` are hidden, as the registry holds them. */
export interface AnyDetector {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  appliesTo(program: Program): true | string;
  runWith(context: FactContext): readonly Finding[];
}

export function defineDetector<N extends Needs>(
  detector: Detector<N>,
): AnyDetector & { readonly detector: Detector<N> } {
  return {
    id: detector.id,
    title: detector.title,
    summary: detector.summary,
    detector,
    appliesTo: (program) => detector.appliesTo(program),
    runWith(context) {
      const given: { [name: string]: unknown } = {};
      for (const [name, fact] of Object.entries(detector.needs)) given[name] = context.use(fact);
      return detector.run(given as Given<N>, context.program);
    },
  };
}

/** For detectors that read structures: whether this dump has types, from wherever. */
export function needsTypes({ types }: Program): true | string {
  return types.sources.some((source) => source.inferred !== true) || 'no types of the kernel (BTF) could be read';
}
