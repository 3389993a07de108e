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
import { judgeWait, type JudgedWait, type SaidWait } from './wait-judge.ts';

/** One task of one dump. */
export interface WaitEntry extends JudgedWait {
  /** 'pipe read'. */
  readonly wait: string;
  readonly kernel: string;
  readonly release: string;
}

export interface WaitRecord {
  readonly entries: readonly WaitEntry[];
}

const jsonPath = join(labRoot, 'waits.json');

export function readWaits(): WaitRecord {
  return existsSync(jsonPath) ? (JSON.parse(readFileSync(jsonPath, 'utf8')) as WaitRecord) : { entries: [] };
}

/** What `why` says about each task. @throws LabError when it says nothing */
function ask(dump: string, pids: readonly number[]): readonly (SaidWait | undefined)[] {
  const main = join(labRoot, '../src/cli/main.ts');
  const done = spawnSync(process.execPath, [main, 'run', dump, '--json', '-c', `why ${pids.join(' ')}`], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 600_000,
  });
  if (done.status !== 0) throw new LabError(`no answer about ${dump}: exit ${done.status}: ${done.stderr.trim()}`);
  interface Answer {
    readonly commands: readonly {
      readonly result?: { readonly items?: readonly { readonly data?: { readonly chain?: readonly SaidWait[] } }[] };
    }[];
  }
  const answer = JSON.parse(done.stdout) as Answer;
  const items = answer.commands[0]?.result?.items ?? [];
  return pids.map((_, i) => items[i]?.data?.chain?.[0]);
}

function judgeManifest(folder: string, { kernel, release, files, waits = [] }: Manifest): readonly WaitEntry[] {
  const [file = ''] = files;
  const said = ask(
    join(folder, file),
    waits.map(({ pid }) => pid),
  );
  return waits.map((told, i) => ({ wait: told.name, kernel, release, ...judgeWait(said[i], told) }));
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
    (a, b) => a.wait.localeCompare(b.wait, 'en') || a.kernel.localeCompare(b.kernel, 'en', { numeric: true }),
  );
  writeFileSync(jsonPath, `${JSON.stringify({ entries }, null, 2)}\n`);
  const bad = fresh.filter(({ verdict }) => verdict !== 'right');
  if (fresh.some(({ verdict }) => verdict === 'wrong')) process.exitCode = 1;
  return [
    ...bad.map(({ wait, kernel, verdict, why }) => `${kernel} ${wait}: ${verdict}: ${why}`),
    `${fresh.length} waits: ${fresh.length - bad.length} right`,
  ].join('\n');
}
