/**
 * The comparison: each question that an oracle answered, beside our answer. A difference is explained by the first
 * explanation whose predicate holds, and fails the run when there is none.
 */
import type { DumpFile } from '../src/dump/dump-file.ts';
import { type Answer, type Answers, type Range, UNREADABLE } from './answers.ts';

/** What the questions are about: known to the predicates. */
export interface Subject {
  /** The dump's name in the report. */
  readonly dump: string;
  /** `uname -r`. */
  readonly release: string;
  readonly format: DumpFile['format'];
  /** makedumpfile's level; 0 when nothing was left out. */
  readonly level: number;
  /** True when the dump was taken of a running machine. */
  readonly live: boolean;
}

export interface Difference {
  readonly oracle: string;
  readonly group: string;
  readonly key: string;
  readonly ours: Answer | undefined;
  readonly theirs: Answer | undefined;
}

/**
 * Who is right where they differ: `oracle` is wrong, or says less than there is; `both` say the same in two ways, or answer
 * slightly different questions; `later` the machine went on after the oracle had looked.
 */
export type Verdict = 'oracle' | 'both' | 'later';

/** A known difference: where it occurs, as narrowly as can be told, and why ours is right (or neither is wrong). */
export interface Explanation {
  /** A short name, for tables. */
  readonly name: string;
  readonly oracle: string;
  readonly group: string;
  /** Why. */
  readonly argument: string;
  readonly verdict: Verdict;
  /** @param about - both sides' answers to all questions, for what decides on more than the one value */
  explains(difference: Difference, about: Context): boolean;
}

export interface Context {
  readonly subject: Subject;
  readonly ours: Answers;
  readonly theirs: Answers;
}

export interface Tally {
  readonly oracle: string;
  readonly group: string;
  asked: number;
  agreeing: number;
  /** Number of differences by explanation. */
  readonly explained: Map<string, number>;
  readonly unexplained: Difference[];
}

/** Differences that are kept of each tally, so that a wrong key does not fill memory; all are counted. */
const KEPT = 1000;

function inRange(range: Range, text: string): boolean {
  if (!/^-?\d+(\.\d+)?$/.test(text)) return false;
  const value = Number(text);
  return value >= range.low && value <= range.high;
}

/** Whether two answers are the same; a range agrees with what lies in it, and with a range that meets it. */
export function agrees(ours: Answer | undefined, theirs: Answer | undefined): boolean {
  if (ours === undefined || theirs === undefined) return ours === theirs;
  if (typeof ours === 'string') return typeof theirs === 'string' ? ours === theirs : inRange(theirs, ours);
  return typeof theirs === 'string' ? inRange(ours, theirs) : ours.low <= theirs.high && theirs.low <= ours.high;
}

export interface Comparison {
  readonly oracle: string;
  readonly theirs: Answers;
  /** Groups in which the oracle answers every question that there is: what only we know is a difference there. */
  readonly complete: (group: string) => boolean;
}

/**
 * Compares an oracle's answers with ours.
 * @returns one tally for each group that the oracle knows
 */
export function compare(
  subject: Subject,
  ours: Answers,
  { oracle, theirs, complete }: Comparison,
  explanations: readonly Explanation[],
): Tally[] {
  const context: Context = { subject, ours, theirs };
  const tallies: Tally[] = [];
  for (const [group, answers] of theirs.groups) {
    const tally: Tally = { oracle, group, asked: 0, agreeing: 0, explained: new Map(), unexplained: [] };
    const relevant = explanations.filter(
      (each) => each.oracle === oracle && (each.group === group || each.group === '*'),
    );
    const ask = (key: string, ours: Answer | undefined, theirs: Answer | undefined): void => {
      tally.asked++;
      // Two that cannot read it agree, unless they should both be able to: the page is in the dump or it is not.
      if (agrees(ours, theirs)) {
        tally.agreeing++;
        return;
      }
      const difference: Difference = { oracle, group, key, ours, theirs };
      const why = relevant.find((each) => each.explains(difference, context));
      if (why !== undefined) tally.explained.set(why.name, (tally.explained.get(why.name) ?? 0) + 1);
      else if (tally.unexplained.length < KEPT) tally.unexplained.push(difference);
    };
    const own = ours.groups.get(group);
    for (const [key, answer] of answers) ask(key, own?.get(key), answer);
    if (complete(group)) {
      for (const [key, answer] of own ?? []) if (!answers.has(key)) ask(key, answer, undefined);
    }
    tallies.push(tally);
  }
  return tallies;
}

export function isUnreadable(answer: Answer | undefined): boolean {
  return answer === UNREADABLE;
}
