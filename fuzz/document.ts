/**
 * Writes the figures of runs into docs/fuzzing.md: `node fuzz/document.ts FILE...`, files that `--json` of the fuzzer or of
 * planted.ts wrote. Runs of one target are added up; a target that none of them ran keeps its row.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceGenerated } from '../bench/document.ts';
import { size, table } from '../bench/statistics.ts';
import type { PlantedResult } from './planted-result.ts';
import { findTarget, targets } from './targets/index.ts';

const DOCUMENT = join(import.meta.dirname, '../docs/fuzzing.md');

interface Figures {
  readonly target: string;
  readonly seconds: number;
  readonly executions: number;
  readonly outcomes: { readonly [kind: string]: number };
  readonly slowestMs: number;
  readonly mostAllocated: number;
  readonly maxRss: number;
  readonly novel: number;
  readonly keys: readonly string[];
}

interface Run {
  readonly commit: string | undefined;
  readonly seed: string;
  readonly node: string;
  readonly targets?: readonly Figures[];
  readonly planted?: readonly PlantedResult[];
}

function rowOf(name: string, runs: readonly (Figures & Pick<Run, 'commit' | 'seed'>)[]): readonly string[] {
  const sum = (of: (figures: Figures) => number): number => runs.reduce((total, run) => total + of(run), 0);
  const most = (of: (figures: Figures) => number): number => Math.max(...runs.map(of));
  const commits = new Set(runs.map(({ commit = 'none' }) => commit));
  return [
    name,
    count(sum(({ executions }) => executions)),
    count(sum(({ outcomes }) => outcomes['value'] ?? 0)),
    count(sum(typedErrors)),
    String(new Set(runs.flatMap(({ keys }) => keys)).size),
    `${(most(({ slowestMs }) => slowestMs) / 1000).toFixed(2)} s`,
    size(most(({ mostAllocated }) => mostAllocated)),
    size(most(({ maxRss }) => maxRss)),
    count(most(({ novel }) => novel)),
    [...commits].join(', '),
    runs.map(({ seed }) => seed).join(' '),
  ];
}

const TYPED = ['format', 'fault', 'lookup', 'validation', 'usage'];

function typedErrors({ outcomes }: Figures): number {
  return TYPED.reduce((total, kind) => total + (outcomes[kind] ?? 0), 0);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Rows that stand in the page, by target. */
function rowsOf(page: string): ReadonlyMap<string, readonly string[]> {
  const lines = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| target '));
  return new Map(
    lines.map((line) => {
      const cells = line
        .slice(2, -2)
        .split(' | ')
        .map((cell) => cell.trim());
      return [cells[0] ?? '', cells];
    }),
  );
}

function figuresOf(runs: readonly Run[], page: string): string {
  const all = runs.flatMap(({ commit, seed, targets: ran = [] }) => ran.map((each) => ({ ...each, commit, seed })));
  const head = ['target', 'executions', 'values', 'typed errors', 'findings', 'slowest', 'allocated', 'peak RSS'];
  const before = rowsOf(page);
  const rows = targets.flatMap(({ name }) => {
    const own = all.filter(({ target }) => target === name);
    const kept = before.get(name);
    return own.length > 0 ? [rowOf(name, own)] : kept === undefined ? [] : [kept];
  });
  const total = rows.reduce((sum, [, executions = '0']) => sum + Number(executions.replaceAll(',', '')), 0);
  const nodes = [...new Set(runs.map(({ node }) => node))].join(', ');
  return `${count(total)} executions, each run one process beside others; the last with Node ${nodes}.

${table([...head, 'outcomes', 'kwhy at', 'seeds'], rows)}

What each target reads:

${rows.map(([name = '']) => `- \`${name}\`: ${findTarget(name).reads}`).join('\n')}`;
}

function plantedOf(runs: readonly Run[]): string {
  return runs
    .flatMap(({ commit = 'none', seed, planted }) => {
      if (planted === undefined) return [];
      const found = planted.filter(({ found: key }) => key !== undefined).length;
      const rows = planted.map(({ what, target, found: key = 'not found', executions, seconds }) => {
        return [what, target, count(executions), `${seconds.toFixed(1)} s`, key.slice(0, 60).replaceAll('|', '/')];
      });
      return [
        `${found} of ${planted.length} found, kwhy at ${commit}, seed ${seed}:`,
        table(['planted bug', 'target', 'executions', 'time', 'found as'], rows),
      ];
    })
    .join('\n\n');
}

function generated(document: string, name: string): string {
  return document.split(`<!-- generated: ${name} -->`)[1]?.split(`<!-- end: ${name} -->`)[0] ?? '';
}

const runs = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')) as Run);
let text = readFileSync(DOCUMENT, 'utf8');
if (runs.some((run) => run.targets !== undefined))
  text = replaceGenerated(text, 'figures', figuresOf(runs, generated(text, 'figures')));
if (runs.some((run) => run.planted !== undefined)) text = replaceGenerated(text, 'planted', plantedOf(runs));
writeFileSync(DOCUMENT, text);
