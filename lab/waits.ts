/**
 * `npm run lab -- waits`: what kwhy says about each task of the guests that told what their tasks wait for (every-wait),
 * beside what these told. Writes lab/waits.json; docs/support.md has its table from there. Waits of kernels whose dumps are
 * not on this machine keep what they were.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from './make.ts';
import type { Manifest } from './manifest.ts';
import { dumpsRoot, labRoot } from './paths.ts';
import { LabError } from './run.ts';
import type { Entry, Scoreboard } from './scoreboard.ts';
import { byNumber, kernelName, type MetEdges, metEdges } from './wait-inventory.ts';
import { judgeWait, type JudgedWait, type SaidWait } from './wait-judge.ts';

/** One task of one dump. */
export interface WaitEntry extends JudgedWait {
  /** 'pipe read'. */
  readonly wait: string;
  readonly kernel: string;
  readonly release: string;
  readonly variant: number;
}

export interface WaitRecord {
  readonly entries: readonly WaitEntry[];
  /** On dumps of other incidents, where nobody told what each task waits for. */
  readonly met: MetEdges;
}

const jsonPath = join(labRoot, 'waits.json');

export function readWaits(): WaitRecord {
  return existsSync(jsonPath)
    ? (JSON.parse(readFileSync(jsonPath, 'utf8')) as WaitRecord)
    : { entries: [], met: { edges: {}, functions: {} } };
}

/** What `why` says about each task. @throws LabError when it says nothing */
function ask(dump: string, pids: readonly number[]): readonly (SaidWait | undefined)[] {
  const main = join(labRoot, '../src/cli/main.ts');
  const done = spawnSync(process.execPath, [main, 'run', dump, '--json', '-c', `why ${pids.join(' ')}`], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 600_000,
  });
  if (done.stdout === '') throw new LabError(`no answer about ${dump}: exit ${done.status}: ${done.stderr.trim()}`);
  interface Answer {
    readonly commands: readonly {
      readonly result?: { readonly items?: readonly { readonly data?: { readonly chain?: readonly SaidWait[] } }[] };
    }[];
  }
  const answer = JSON.parse(done.stdout) as Answer;
  const items = answer.commands[0]?.result?.items ?? [];
  return pids.map((_, i) => items[i]?.data?.chain?.[0]);
}

function judgeManifest(
  folder: string,
  { kernel, release, variant, files, waits = [] }: Manifest,
): readonly WaitEntry[] {
  // makedumpfile leaves out pages of 7.2 that are in use, but not at this level.
  const file = files.find((name) => name.includes('level-1')) ?? files[0] ?? '';
  const said = ask(
    join(folder, file),
    waits.map(({ pid }) => pid),
  );
  return waits.map((told, i) => ({ wait: told.name, kernel, release, variant, ...judgeWait(said[i], told) }));
}

function readScoreboard(): readonly Entry[] {
  return (JSON.parse(readFileSync(join(labRoot, 'scoreboard.json'), 'utf8')) as Scoreboard).entries;
}

/** Judges each dump of such a guest that is on this machine, and returns what is not right. */
export function waits(): string {
  const folders = !existsSync(dumpsRoot)
    ? []
    : readdirSync(dumpsRoot, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('/manifest.json'))
        .map((name) => join(dumpsRoot, name, '..'))
        .sort();
  const fresh = folders.flatMap((folder) => {
    const manifest = readManifest(folder);
    return manifest?.waits === undefined ? [] : judgeManifest(folder, manifest);
  });
  const made = new Set(fresh.map(({ kernel }) => kernel));
  const entries = [...readWaits().entries.filter(({ kernel }) => !made.has(kernel)), ...fresh].sort(
    (a, b) =>
      a.wait.localeCompare(b.wait, 'en') ||
      a.kernel.localeCompare(b.kernel, 'en', { numeric: true }) ||
      a.variant - b.variant,
  );
  const met = metEdges(readScoreboard(), readWaits().met);
  writeFileSync(jsonPath, `${JSON.stringify({ entries, met }, null, 2)}\n`);
  const bad = fresh.filter(({ verdict }) => verdict !== 'right');
  if (fresh.some(({ verdict }) => verdict === 'wrong')) process.exitCode = 1;
  return [
    ...bad.map(({ wait, kernel, variant, verdict, why }) => `${kernel} variant ${variant} ${wait}: ${verdict}: ${why}`),
    `${fresh.length} waits: ${fresh.length - bad.length} right`,
  ].join('\n');
}

/** Kernels on whose dumps what a way says was right, as the guest told. */
export function comparedEdges({ entries }: Pick<WaitRecord, 'entries'>): Record<string, readonly string[]> {
  const right = entries.filter(({ edge, verdict }) => edge !== undefined && verdict === 'right');
  return Object.fromEntries(
    [...Map.groupBy(right, ({ edge = '' }) => edge)].map(([edge, of]) => [
      edge,
      [...new Set(of.map(({ kernel }) => kernelName(kernel)))].sort(byNumber),
    ]),
  );
}

/** Kernels on whose dumps each way was seen: compared with the truth, or met under a right report. */
export function seenEdges(record: WaitRecord, edges: readonly string[]): Record<string, readonly string[]> {
  const compared = comparedEdges(record);
  return Object.fromEntries(
    edges.map((edge) => [
      edge,
      [...new Set([...(compared[edge] ?? []), ...(record.met.edges[edge] ?? [])])].sort(byNumber),
    ]),
  );
}
