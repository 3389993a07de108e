/**
 * The loop of one target in one process: choose a base or a case of the corpus, change it, run it, keep it when its outcome
 * is new. What it does follows from the seed alone, whatever time it has.
 */
import type { Case } from './input.ts';
import type { Execution, Executor } from './execute.ts';
import type { Failure } from './outcome.ts';
import { failed, keyOf } from './outcome.ts';
import { Mutator } from './mutate.ts';
import { Random } from './random.ts';
import { endsWithin, takesTooLong } from './watch.ts';

export interface LoopOptions {
  readonly seed: string;
  /** At most so many executions. */
  readonly executions: number;
  /** At most so long, milliseconds; Infinity for no such limit. */
  readonly milliseconds: number;
  /** An execution that takes longer hangs, milliseconds. */
  readonly hang: number;
  readonly corpus: readonly Case[];
  /** One finding is enough. */
  readonly first: boolean;
  /** Told of each case before it runs, so that somebody knows when the process dies of it. */
  readonly before: (number: number, current: Case) => void;
  readonly found: (finding: Finding) => void;
  /** Between two batches. */
  readonly rest: () => Promise<void>;
}

export interface Finding {
  readonly key: string;
  readonly failure: Failure;
  readonly case: Case;
}

export interface Figures {
  executions: number;
  /** By kind: 'value', 'format', ... */
  readonly outcomes: { [kind: string]: number };
  readonly bases: { [name: string]: number };
  slowest: { ms: number; case: Case | undefined };
  mostAllocated: number;
  /** Executions whose outcome was seen for the first time. */
  novel: number;
  findings: number;
}

const MAX_CORPUS = 4096;
const MAX_OPS = 24;
/** Generated bases of all families of a target together. */
const GENERATED = 512;
/** Work under one watchdog, milliseconds. */
const BATCH = 500;

export class Loop {
  readonly figures: Figures = {
    executions: 0,
    outcomes: {},
    bases: {},
    slowest: { ms: 0, case: undefined },
    mostAllocated: 0,
    novel: 0,
    findings: 0,
  };
  /** Cases with an outcome of their own, by base. */
  readonly #kept = new Map<string, Case[]>();
  readonly #seen = new Set<string>();
  readonly #keys = new Set<string>();
  readonly #executor: Executor;
  readonly #options: LoopOptions;
  readonly #random: Random;
  readonly #mutators = new Map<string, Mutator>();
  readonly #pending: Case[];
  readonly #names: readonly string[];
  /** Of each family. */
  readonly #members: number;

  constructor(executor: Executor, options: LoopOptions) {
    this.#executor = executor;
    this.#options = options;
    const { target } = executor;
    this.#random = new Random(`${options.seed} ${target.name}`);
    const least = Math.min(...target.bases.map(({ weight }) => weight));
    this.#names = target.bases.flatMap(({ name, weight }) => Array<string>(Math.ceil(weight / least)).fill(name));
    this.#members = Math.max(64, Math.floor(GENERATED / target.bases.length));
    // Every base as it is, once; then what an earlier run kept.
    this.#pending = [
      ...target.bases.map(({ name }) => ({ base: name.replace(/#$/, '#0'), ops: [] })),
      ...options.corpus,
    ];
  }

  get corpus(): readonly Case[] {
    return [...this.#kept.values()].flat();
  }

  async run(): Promise<void> {
    const { executions, milliseconds } = this.#options;
    // Before a clock runs: making these may take seconds, for pages of real dumps are read, and what reads them is recorded.
    for (const { name } of this.#executor.target.bases) if (!name.endsWith('#')) this.#executor.base(name);
    const end = performance.now() + milliseconds;
    while (this.figures.executions < executions && performance.now() < end && !this.#isDone()) {
      this.#batch(Math.min(end, performance.now() + BATCH), executions);
      await this.#options.rest();
    }
  }

  #isDone(): boolean {
    return this.#options.first && this.figures.findings > 0;
  }

  #batch(until: number, executions: number): void {
    let current: Case | undefined;
    const ended = endsWithin(BATCH + this.#options.hang, () => {
      do {
        current = this.#next();
        this.#options.before(this.figures.executions, current);
        const done = this.#executor.run(current);
        const case_ = current;
        current = undefined;
        this.#note(case_, done);
      } while (performance.now() < until && this.figures.executions < executions && !this.#isDone());
    });
    if (!ended && current !== undefined) this.#hung(current);
  }

  #hung(current: Case): void {
    if (!takesTooLong(this.#options.hang, () => void this.#executor.run(current))) return;
    const error = new Error(`still runs after ${this.#options.hang / 1000} s`);
    error.stack = '';
    this.#note(current, { ...failed('hang', error), ms: this.#options.hang, allocated: 0 });
  }

  #next(): Case {
    const pending = this.#pending.shift();
    if (pending !== undefined) return pending;
    const random = this.#random;
    const family = random.pick(this.#names);
    const kept = this.#kept.get(family) ?? [];
    if (kept.length > 0 && random.chance(0.5)) {
      // Half of the time one of the youngest, which lead farthest.
      const from = random.chance(0.5) ? Math.max(0, kept.length - 32) : 0;
      const parent = kept[random.between(from, kept.length - 1)];
      if (parent !== undefined && parent.ops.length < MAX_OPS) return this.#changed(parent);
    }
    const base = family.endsWith('#') ? `${family}${random.below(this.#members)}` : family;
    // Generated bases are also run as they are: the reader must find what was built.
    if (family.endsWith('#') && random.chance(0.08)) return { base, ops: [] };
    return this.#changed({ base, ops: [] });
  }

  #changed({ base, ops }: Case): Case {
    let mutator = this.#mutators.get(base);
    if (mutator === undefined) {
      if (this.#mutators.size > 600) this.#mutators.clear();
      mutator = new Mutator(this.#executor.base(base));
      this.#mutators.set(base, mutator);
    }
    // Sometimes less of what the parent had.
    const kept = ops.length > 1 && this.#random.chance(0.2) ? ops.filter(() => this.#random.chance(0.5)) : ops;
    return { base, ops: [...kept, ...mutator.ops(this.#random)] };
  }

  #note(current: Case, done: Execution): void {
    const { figures } = this;
    figures.executions++;
    figures.outcomes[done.kind] = (figures.outcomes[done.kind] ?? 0) + 1;
    const base = familyOf(current);
    figures.bases[base] = (figures.bases[base] ?? 0) + 1;
    if (done.ms > figures.slowest.ms) figures.slowest = { ms: done.ms, case: current };
    figures.mostAllocated = Math.max(figures.mostAllocated, done.allocated);
    if (!this.#seen.has(done.signature)) {
      this.#seen.add(done.signature);
      figures.novel++;
      if (done.failure === undefined) this.#keep(current);
    }
    if (done.failure === undefined) return;
    figures.findings++;
    const key = keyOf(done.failure);
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.#options.found({ key, failure: done.failure, case: current });
  }

  #keep(current: Case): void {
    const family = familyOf(current);
    const kept = this.#kept.get(family) ?? [];
    this.#kept.set(family, kept);
    const room = Math.ceil(MAX_CORPUS / this.#executor.target.bases.length);
    if (kept.length < room) kept.push(current);
    else kept[this.#random.below(room)] = current;
  }
}

function familyOf({ base }: Case): string {
  return base.replace(/#\d+$/, '#');
}
