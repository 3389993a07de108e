/** Runs one case: makes the input, counts what is allocated, classes what comes out. Does not limit time; see `watch`. */
import { type Allocations, countAllocations } from './allocation.ts';
import { apply, type Base, type Case, type Parts } from './input.ts';
import { errorOutcome, failed, type Outcome, valueOutcome } from './outcome.ts';
import type { Target } from './target.ts';
import { Violation } from './violation.ts';

/** Frames of a stack; most of the time of what throws often goes into stacks that nobody looks at. */
const STACK = 24;
/** Bases kept: all that a target has, mostly. */
const MAX_BASES = 1024;

export interface Execution extends Outcome {
  readonly ms: number;
  /** Bytes of typed arrays. */
  readonly allocated: number;
}

export class Executor {
  readonly target: Target;
  readonly #allocations: Allocations;
  readonly #bases = new Map<string, Base>();

  constructor(target: Target, allocations: Allocations = countAllocations()) {
    this.target = target;
    this.#allocations = allocations;
  }

  base(name: string): Base {
    let base = this.#bases.get(name);
    if (base === undefined) {
      base = this.target.base(name);
      if (this.#bases.size >= MAX_BASES) this.#bases.clear();
      this.#bases.set(name, base);
    }
    return base;
  }

  /** @param pristine - the base as it was built: it must be read without an error */
  run({ base: name, ops }: Case, pristine = ops.length === 0): Execution {
    const base = this.base(name);
    const parts = apply(base.parts, ops);
    let size = 0;
    for (const part of base.parts.keys()) size += parts.get(part).length;
    const { fixed, perByte } = this.target.allocates;
    const attempt = (frames: number): Execution => this.#attempt(base, parts, pristine, fixed + perByte * size, frames);
    const done = attempt(0);
    if (done.failure === undefined) return done;
    // Again, to learn where it was thrown. What differs depends on something beside the input.
    const located = attempt(STACK);
    return located.failure?.message === done.failure.message ? { ...located, ms: done.ms } : done;
  }

  #attempt(base: Base, parts: Parts, pristine: boolean, limit: number, frames: number): Execution {
    Error.stackTraceLimit = frames;
    const started = performance.now();
    this.#allocations.begin(limit);
    let outcome: Outcome;
    try {
      outcome = valueOutcome(base.run(parts, pristine));
    } catch (error) {
      outcome = errorOutcome(this.target, error);
      if (pristine && outcome.failure === undefined) {
        outcome = failed('violation', new Violation(`sound input is refused: ${String(error)}`, { cause: error }));
      }
    }
    const { bytes, refused } = this.#allocations.end();
    Error.stackTraceLimit = STACK;
    // A reader that catches everything hides what it was refused.
    if (refused !== undefined && outcome.failure === undefined) outcome = failed('memory', refused);
    return { ...outcome, ms: performance.now() - started, allocated: bytes };
  }
}
