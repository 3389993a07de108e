/** A FactContext for tests of facts and detectors: derives each fact once and keeps what was covered. */
import { type Budget, unlimited } from '../../src/base/budget.ts';
import type { AnyDetector, Coverage, Fact, FactContext } from '../../src/model/diagnosis.ts';
import type { Finding } from '../../src/model/finding.ts';
import type { Program } from '../../src/program/program.ts';

export interface TestContext extends FactContext {
  readonly coverage: readonly Coverage[];
}

export function contextOf(program: Program, budget: Budget = unlimited): TestContext {
  const known = new Map<Fact<unknown>, unknown>();
  const coverage: Coverage[] = [];
  const context: TestContext = {
    program,
    budget,
    coverage,
    use<T>(fact: Fact<T>): T {
      if (!known.has(fact)) known.set(fact, fact.derive(context));
      return known.get(fact) as T;
    },
    cover: (entry) => coverage.push(entry),
  };
  return context;
}

/** What a detector says of a dump; fails when it does not apply to it. */
export function findingsOf(detector: AnyDetector, program: Program): readonly Finding[] {
  const applies = detector.appliesTo(program);
  if (applies !== true) throw new Error(`${detector.id} does not apply: ${applies}`);
  return detector.runWith(contextOf(program));
}
