/** The answer of `kwhy check`: what render/ turns into text and JSON. */
import type { KeyValue } from './report.ts';
import type { Prose } from './value.ts';

/**
 * `sound` nothing is missing that a report would miss; `incomplete` there is a report, and something will be missing in
 * it; `unusable` it is a dump, but nothing of the kernel can be read.
 */
export type DumpVerdict = 'sound' | 'incomplete' | 'unusable';

/** Something that is not there, and what a diagnosis loses by it. */
export interface Missing {
  /** A word that stays the same: 'pages', 'types', 'unwind-tables' ... */
  readonly id: string;
  readonly what: Prose;
  readonly costs: Prose;
}

export interface DumpCheck {
  readonly verdict: DumpVerdict;
  /** One sentence. */
  readonly summary: Prose;
  /** In the order to show. */
  readonly facts: readonly KeyValue[];
  readonly missing: readonly Missing[];
  /** What the file says is wrong with itself, one line each. */
  readonly problems: readonly string[];
}
