/**
 * Does the fuzzer find bugs? `node fuzz/planted.ts [--seconds N] [--seed S] [--only N] [--later] [--json FILE]` plants twenty bounds bugs
 * (planted-bugs.ts; with --later those of planted-later.ts) into a copy of the sources, one at a time, gives the fuzzer so
 * many seconds for each (60), and prints what it found. The copy without a bug must give no finding. Exits with 1 when
 * fewer than 18 are found.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { columns, commit } from './figures.ts';
import type { PlantedResult } from './planted-result.ts';
import { PLANTED, type PlantedBug } from './planted-bugs.ts';
import { PLANTED_LATER } from './planted-later.ts';

const ROOT = join(import.meta.dirname, '..');
const LEAST = 18;
/** A hang is a hang after so many seconds: what is planted never ends. */
const HANG = 4;

interface Run {
  readonly key: string | undefined;
  readonly executions: number;
  readonly seconds: number;
}

function copySources(folder: string): void {
  for (const part of ['src', 'fuzz', 'test/builders', 'package.json']) {
    const to = join(folder, part);
    mkdirSync(join(to, '..'), { recursive: true });
    cpSync(join(ROOT, part), to, { recursive: true });
  }
  for (const part of ['samples', 'test/cores', 'node_modules']) symlinkSync(join(ROOT, part), join(folder, part));
}

function fuzz(folder: string, target: string, seconds: number, seed: string): Run {
  const json = join(folder, 'figures.json');
  rmSync(json, { force: true });
  const options = ['--target', target, '--minutes', String(seconds / 60), '--seed', seed, '--hang', String(HANG)];
  const done = spawnSync(
    process.execPath,
    [join(folder, 'fuzz/cli.ts'), ...options, '--first', '--dry', '--json', json],
    { cwd: folder, encoding: 'utf8' },
  );
  if (done.status !== 0 && done.status !== 1) throw new Error(`the fuzzer failed:\n${done.stderr}`);
  const { targets } = JSON.parse(readFileSync(json, 'utf8')) as {
    targets: { keys: string[]; executions: number; seconds: number }[];
  };
  const [figures] = targets;
  return { key: figures?.keys[0], executions: figures?.executions ?? 0, seconds: figures?.seconds ?? 0 };
}

/** @throws Error when the reader was changed, so that the bug can no longer be planted */
function plant(folder: string, { file, changes }: PlantedBug): () => void {
  const path = join(folder, file);
  const before = readFileSync(path, 'utf8');
  let text = before;
  for (const [from, to] of changes) {
    if (text.split(from).length !== 2) throw new Error(`${file} does not hold once: ${from}`);
    text = text.replace(from, () => to);
  }
  writeFileSync(path, text);
  return () => writeFileSync(path, before);
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    later: { type: 'boolean' },
    json: { type: 'string' },
  },
});
const seconds = Number(values.seconds ?? 60);
const seed = values.seed ?? '1';
const folder = mkdtempSync(join(tmpdir(), 'kwhy-planted-'));
const started = Date.now();
try {
  copySources(folder);
  const rows: string[][] = [['#  bug', 'target', 'found', 'executions', 'seconds', 'as']];
  const results: PlantedResult[] = [];
  const all = values.later === true ? PLANTED_LATER : PLANTED;
  const bugs = all.filter((_, i) => values.only === undefined || Number(values.only) === i + 1);
  for (const bug of bugs) {
    const takeBack = plant(folder, bug);
    const run = fuzz(folder, bug.target, seconds, seed);
    takeBack();
    results.push({
      what: bug.what,
      target: bug.target,
      found: run.key,
      executions: run.executions,
      seconds: run.seconds,
    });
    rows.push([
      `${String(all.indexOf(bug) + 1).padStart(2)} ${bug.what}`,
      bug.target,
      run.key === undefined ? 'no' : 'yes',
      String(run.executions),
      run.seconds.toFixed(1),
      run.key?.slice(0, 70) ?? '',
    ]);
    console.log(rows.at(-1)?.join(' | '));
  }
  const found = results.filter((result) => result.found !== undefined).length;
  const report = { commit: commit(), seed, node: process.version, planted: results };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  let quiet = true;
  for (const target of new Set(bugs.map((bug) => bug.target))) {
    const run = fuzz(folder, target, Math.min(seconds, 20), seed);
    quiet &&= run.key === undefined;
    console.log(
      `without a bug | ${target} | ${run.key ?? 'nothing found'} | ${run.executions} | ${run.seconds.toFixed(1)}`,
    );
  }
  console.log(`\n${columns(rows)}`);
  console.log(`${found} of ${bugs.length} found in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  if (!quiet || (values.only === undefined && found < LEAST)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
