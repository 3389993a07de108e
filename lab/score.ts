/**
 * Runs the built kwhy on every dump there is and judges its JSON report. What has not changed is not run again.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIncidents } from './incidents.ts';
import { judge, type JudgedReport } from './judge.ts';
import { readManifest } from './make.ts';
import { expectedOf } from './manifest.ts';
import { cacheRoot, dumpsRoot, labRoot } from './paths.ts';
import { LabError, run } from './run.ts';
import { type Entry, entryName, renderScoreboard, type Scoreboard } from './scoreboard.ts';

const repository = join(labRoot, '..');
const builtRoot = join(cacheRoot, 'scored');
const jsonPath = join(labRoot, 'scoreboard.json');
const pagePath = join(repository, 'docs/scoreboard.md');

/** The hash of all sources that a report depends on. */
function sourcesHash(): string {
  const hash = createHash('sha256');
  const names = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' }).sort();
  for (const name of names.filter((one) => one.endsWith('.ts') && !one.endsWith('.test.ts'))) {
    hash.update(`${name}\n`).update(readFileSync(join(repository, 'src', name)));
  }
  return hash.digest('hex');
}

function commitName(): string {
  const commit = run('git', ['rev-parse', '--short', 'HEAD'], { cwd: repository }).trim();
  const changed = run('git', ['status', '--porcelain', '--', 'src'], { cwd: repository }).trim() !== '';
  return changed ? `${commit}+` : commit;
}

/** Runs the report on one dump. */
function report(dump: string): { readonly json: JudgedReport; readonly seconds: number; readonly megabytes: number } {
  const start = performance.now();
  const done = spawnSync(
    process.execPath,
    ['--import', join(labRoot, 'measure.ts'), join(builtRoot, 'kwhy.js'), dump, '--json'],
    { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 600_000, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  );
  const seconds = (performance.now() - start) / 1000;
  const megabytes = Number(done.output?.[3] ?? 0) / 1024;
  try {
    return { json: JSON.parse(done.stdout) as JudgedReport, seconds, megabytes };
  } catch {
    throw new LabError(`no report of ${dump}: exit ${done.status}: ${done.stderr.trim().slice(0, 300)}`);
  }
}

/** Every folder with a manifest whose incident is still there. */
function dumpFolders(): string[] {
  if (!existsSync(dumpsRoot)) return [];
  return readdirSync(dumpsRoot, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('/manifest.json'))
    .map((name) => join(dumpsRoot, name, '..'))
    .sort();
}

function judgeDump(
  folder: string,
  file: string,
  sources: string,
  known: ReadonlyMap<string, Entry>,
): Entry | undefined {
  const manifest = readManifest(folder);
  const incident = readIncidents().find(({ name }) => name === manifest?.incident);
  if (manifest === undefined || incident === undefined) return undefined;
  const expected = expectedOf(incident, manifest);
  const judgeSource = readFileSync(join(labRoot, 'judge.ts'), 'utf8');
  const key = createHash('sha256')
    .update(`${manifest.inputs} ${JSON.stringify(expected)} ${sources} ${judgeSource}`)
    .digest('hex')
    .slice(0, 16);
  const name = { incident: manifest.incident, kernel: manifest.kernel, variant: manifest.variant, file };
  const before = known.get(entryName(name));
  if (before?.key === key) return before;
  const base = { ...name, release: manifest.release, commit: commitName(), key };
  try {
    const { json, seconds, megabytes } = report(join(folder, file));
    return { ...base, ...judge(json, expected), seconds, megabytes };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.error(error.message);
    return { ...base, verdict: 'silent', why: 'made no report', seconds: 0, megabytes: 0 };
  }
}

/** Scores every dump, writes the page and the JSON, and returns the page. */
export function score(): string {
  run('npm', ['run', '--silent', 'build'], { cwd: repository });
  // A copy, which stays as it is should somebody build again meanwhile.
  rmSync(builtRoot, { recursive: true, force: true });
  cpSync(join(repository, 'dist'), builtRoot, { recursive: true });
  const old = existsSync(jsonPath) ? (JSON.parse(readFileSync(jsonPath, 'utf8')) as Scoreboard).entries : [];
  const known = new Map(old.map((entry) => [entryName(entry), entry]));
  const sources = sourcesHash();
  const folders = dumpFolders();
  for (const manifest of folders.map(readManifest).filter((one) => one !== undefined)) {
    // What an earlier making of the same variant left.
    for (const [name, entry] of known) {
      const same = entry.incident === manifest.incident && entry.kernel === manifest.kernel;
      if (same && entry.variant === manifest.variant && !manifest.files.includes(entry.file)) known.delete(name);
    }
  }
  // Dumps that are not on this machine keep what they scored: another machine made them.
  for (const folder of folders) {
    for (const file of readManifest(folder)?.files ?? []) {
      if (!existsSync(join(folder, file))) continue;
      const entry = judgeDump(folder, file, sources, known);
      if (entry !== undefined) known.set(entryName(entry), entry);
    }
  }
  const incidents = new Set(readIncidents().map(({ name }) => name));
  const entries = [...known.values()]
    .filter(({ incident }) => incidents.has(incident))
    .sort((a, b) => entryName(a).localeCompare(entryName(b), 'en', { numeric: true }));
  const page = renderScoreboard(entries);
  writeFileSync(jsonPath, `${JSON.stringify({ entries }, null, 2)}\n`);
  writeFileSync(pagePath, page);
  return page;
}
