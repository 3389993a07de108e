/**
 * A hundred and more damaged dumps out of sound ones: a share of the pages that the report on the sound dump touches is
 * lost or changed, in memory, and the report is made again.
 */
import type { Pfn } from '../../src/base/address.ts';
import { openDump } from '../../src/dump/open.ts';
import { compare, type Outcome } from './compare.ts';
import { type Damage, damagedDump, PAGE_DAMAGES } from './damaged-dump.ts';
import { type Answer, answerOf, reportOf } from './report-of.ts';

export interface PageResult extends Damage {
  readonly dump: string;
  readonly outcome: Outcome;
  readonly why: string;
  /** The report says that something is missing. */
  readonly partial: boolean;
  /** Errors of kwhy itself. */
  readonly internal: readonly string[];
}

const PERCENTS = [1, 5, 20];
const SEEDS: { readonly [percent: number]: number } = { 1: 2 };

/** @param path - a sound dump */
export function runPages(name: string, path: string, seeds: (percent: number) => number = seedsOf): PageResult[] {
  const dump = openDump(path);
  try {
    const touched = new Set<Pfn>();
    reportOf(dump, (frame) => touched.add(frame));
    const sound = answerOf(dump).report;
    const results: PageResult[] = [];
    for (const kind of PAGE_DAMAGES) {
      for (const percent of PERCENTS) {
        for (let seed = 1; seed <= seeds(percent); seed++) {
          const damage = { kind, percent, seed };
          const answer = answerOf(damagedDump(dump, [...touched], damage));
          results.push({ dump: name, ...damage, ...judged(answer, sound) });
        }
      }
    }
    return results;
  } finally {
    dump.close();
  }
}

function seedsOf(percent: number): number {
  return SEEDS[percent] ?? 1;
}

function judged(
  { report, internal, refused }: Answer,
  sound: Answer['report'],
): Pick<PageResult, 'outcome' | 'why' | 'partial' | 'internal'> {
  return { ...compare(report, sound), partial: refused !== undefined || report.complete !== true, internal };
}
