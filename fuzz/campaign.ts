/** One target for its share of the time: children are started until it is over, what they find is made small and unique. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastPlace } from './channel.ts';
import type { Case } from './input.ts';
import type { Figures, Finding } from './loop.ts';
import { minimise } from './minimise.ts';
import { keyOf } from './outcome.ts';
import { runChild } from './run-child.ts';
import type { Target } from './target.ts';

export interface CampaignOptions {
  readonly seed: string;
  readonly executions: number | undefined;
  readonly milliseconds: number;
  readonly hang: number;
  readonly corpus: string | undefined;
  /** One finding is enough. */
  readonly first: boolean;
  /** Told of each finding, once. */
  readonly found: (target: Target, finding: Finding) => void;
}

export interface TargetFigures extends Figures {
  readonly target: string;
  readonly reads: string;
  seconds: number;
  /** Bytes. */
  maxRss: number;
  corpus: number;
  readonly keys: string[];
}

/** A target that kills every child is no longer run. */
const MAX_CRASHES = 20;
/** Tries to make smaller what kills a process, or hangs it where only a signal ends it. */
const CRASH_TRIES = 24;

export async function campaign(target: Target, options: CampaignOptions): Promise<TargetFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-fuzz-'));
  const place = join(folder, 'place');
  const figures = emptyFigures(target);
  const started = Date.now();
  try {
    for (let round = 0; round <= MAX_CRASHES; round++) {
      const left = options.milliseconds - (Date.now() - started);
      const executions = (options.executions ?? Infinity) - figures.executions;
      if (left <= 0 || executions <= 0 || (options.first && figures.keys.length > 0)) break;
      const end = await runChild(
        {
          task: 'loop',
          target: target.name,
          seed: round === 0 ? options.seed : `${options.seed}.${round}`,
          executions: Number.isFinite(executions) ? executions : Number.MAX_SAFE_INTEGER,
          // JSON has no infinity.
          milliseconds: Number.isFinite(left) ? left : -1,
          hang: options.hang,
          place,
          first: options.first,
          corpus: options.corpus === undefined ? undefined : corpusFile(options.corpus, target),
        },
        target,
        (message) => {
          if (message.type === 'finding') note(target, figures, message.finding, options);
          if (message.type !== 'done') return;
          add(figures, message.figures);
          figures.maxRss = Math.max(figures.maxRss, message.maxRss);
          figures.corpus += message.corpus.length;
          if (options.corpus !== undefined) keepCorpus(options.corpus, target, message.corpus);
        },
      );
      if (end.died === undefined) break;
      await crashed(target, figures, place, `${end.died}\n${end.errors}`, options);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  figures.seconds = (Date.now() - started) / 1000;
  return figures;
}

function emptyFigures({ name, reads }: Target): TargetFigures {
  return {
    target: name,
    reads,
    seconds: 0,
    executions: 0,
    outcomes: {},
    bases: {},
    slowest: { ms: 0, case: undefined },
    mostAllocated: 0,
    novel: 0,
    findings: 0,
    maxRss: 0,
    corpus: 0,
    keys: [],
  };
}

function add(sum: TargetFigures, figures: Figures): void {
  sum.executions += figures.executions;
  for (const [kind, count] of Object.entries(figures.outcomes)) sum.outcomes[kind] = (sum.outcomes[kind] ?? 0) + count;
  for (const [base, count] of Object.entries(figures.bases)) sum.bases[base] = (sum.bases[base] ?? 0) + count;
  if (figures.slowest.ms > sum.slowest.ms) sum.slowest = figures.slowest;
  sum.mostAllocated = Math.max(sum.mostAllocated, figures.mostAllocated);
  sum.novel += figures.novel;
  sum.findings += figures.findings;
}

function note(target: Target, figures: TargetFigures, finding: Finding, options: CampaignOptions): void {
  if (figures.keys.includes(finding.key)) return;
  figures.keys.push(finding.key);
  options.found(target, finding);
}

/** The child is dead, and with it its figures; what killed it stands in the place file. */
async function crashed(
  target: Target,
  figures: TargetFigures,
  place: string,
  what: string,
  options: CampaignOptions,
): Promise<void> {
  const last = lastPlace(place);
  figures.executions += (last?.number ?? 0) + 1;
  figures.outcomes['crash'] = (figures.outcomes['crash'] ?? 0) + 1;
  figures.outcomes['not counted'] = (figures.outcomes['not counted'] ?? 0) + (last?.number ?? 0);
  figures.findings++;
  const message = crashMessage(what);
  const failure = { kind: 'crash', message, stack: what } as const;
  const key = keyOf({ ...failure, stack: '' });
  const killer = last?.case ?? { base: target.bases[0]?.name ?? '', ops: [] };
  if (!figures.keys.includes(key)) {
    const small = options.first ? killer : await smaller(target, killer, options.hang);
    note(target, figures, { key, failure, case: small }, options);
  }
}

function crashMessage(what: string): string {
  if (/heap out of memory|heap limit/.test(what)) return 'the process ran out of heap';
  const [first = ''] = what.split('\n');
  const error = /^\w*Error: .*$/m.exec(what)?.[0];
  return `the process died: ${first}${error === undefined ? '' : `, ${error}`}`;
}

async function smaller(target: Target, killer: Case, hang: number): Promise<Case> {
  const dies = async (candidate: Case): Promise<boolean> => {
    const { died } = await runChild({ task: 'replay', target: target.name, case: candidate, hang }, target, () => {});
    return died !== undefined;
  };
  if (!(await dies(killer))) return killer;
  // minimise() is synchronous: the answers that it asks for are found first, one after the other.
  const known = new Map<string, boolean>();
  for (let tries = 0; tries < CRASH_TRIES; tries++) {
    let unknown: Case | undefined;
    const small = minimise(killer, {
      tries: 1000,
      fails: (candidate) => {
        const answer = known.get(JSON.stringify(candidate));
        if (answer === undefined) unknown ??= candidate;
        return unknown === undefined && answer === true;
      },
    });
    if (unknown === undefined) return small;
    known.set(JSON.stringify(unknown), await dies(unknown));
  }
  const last = [...known].filter(([, answer]) => answer).at(-1);
  return last === undefined ? killer : (JSON.parse(last[0]) as Case);
}

function corpusFile(folder: string, target: Target): string {
  return join(folder, `${target.name}.json`);
}

function keepCorpus(folder: string, target: Target, corpus: readonly Case[]): void {
  mkdirSync(folder, { recursive: true });
  const path = corpusFile(folder, target);
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Case[]) : [];
  const all = new Map([...before, ...corpus].map((kept) => [JSON.stringify(kept), kept]));
  writeFileSync(path, JSON.stringify([...all.values()].slice(-4096)));
}
