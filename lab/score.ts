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
import { type Entry, entryName, renderScoreboard, SCREEN_LINES, type Scoreboard, tooLong } from './scoreboard.ts';

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

/** Lines of the first screen of a text report, and columns of the widest of them. */
export function screenOf(text: string): { readonly lines: number; readonly columns: number } {
  const end = text.indexOf('\n\n--- ');
  const lines = (end < 0 ? text.trimEnd() : text.slice(0, end)).split('\n');
  return { lines: lines.length, columns: Math.max(...lines.map((line) => line.length)) };
}

/** Of the report at 100 columns; one that is wider counts as too long. */
function screenLines(dump: string): number {
  const done = spawnSync(process.execPath, [join(builtRoot, 'kwhy.js'), dump, '--width', '100'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 600_000,
  });
  const { lines, columns } = screenOf(done.stdout);
  return columns > 100 ? SCREEN_LINES + lines : lines;
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
  // All files of a variant are of one moment and have one screen.
  const counted = file === manifest.files[0];
  if (before?.key === key && (!counted || before.screen !== undefined)) return before;
  const base = { ...name, release: manifest.release, commit: commitName(), key };
  try {
    const { json, seconds, megabytes } = report(join(folder, file));
    const entry = { ...base, ...judge(json, expected), seconds, megabytes };
    return counted ? { ...entry, screen: screenLines(join(folder, file)) } : entry;
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
  for (const entry of tooLong(entries)) {
    console.error(`${entryName(entry)}: its first screen has ${entry.screen} lines`);
    process.exitCode = 1;
  }
  return page;
}
