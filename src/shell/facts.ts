/**
 * Facts for a session: each is derived once and kept while commands come and go. What a fact could not read is told to
 * every command that uses it, not only to the first.
 */
import { CancelledError } from '../base/errors.ts';
import type { Budget } from '../base/budget.ts';
import type { Coverage, Fact } from '../model/diagnosis.ts';
import type { Program } from '../program/program.ts';

interface Derived {
  readonly value?: unknown;
  readonly error?: unknown;
  readonly failed: boolean;
  readonly coverage: readonly Coverage[];
}

export class FactStore {
  readonly #known = new Map<Fact<unknown>, Derived>();

  /** The value of a fact. @throws what its derivation threw, each time */
  use<T>(fact: Fact<T>, program: Program, budget: Budget, cover: (coverage: Coverage) => void): T {
    let derived = this.#known.get(fact);
    if (derived === undefined) {
      derived = this.#derive(fact, program, budget);
      this.#known.set(fact, derived);
    }
    for (const entry of derived.coverage) cover(entry);
    if (derived.failed) throw derived.error;
    return derived.value as T;
  }

  /** @throws CancelledError: that is no answer to keep */
  #derive(fact: Fact<unknown>, program: Program, budget: Budget): Derived {
    const coverage: Coverage[] = [];
    const cover = (entry: Coverage): void => void coverage.push(entry);
    try {
      const value = fact.derive({ program, budget, cover, use: (other) => this.use(other, program, budget, cover) });
      return { value, failed: false, coverage };
    } catch (error) {
      if (error instanceof CancelledError) throw error;
      return { error, failed: true, coverage };
    }
  }
}
