/** Runs malformed cases in a child process, and gives what it said of each. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Base, FileSpec, MalformedCase } from './case.ts';
import type { Job, JobFile, JobResult } from './child.ts';

/** A hang, on any machine. */
const LONGEST_MS = 300_000;
const GROUP = 20;

/** Those that the cases change. */
export type BaseFiles = Readonly<Partial<Record<Base, Uint8Array>>>;

/** @param file - the path of a name in a folder for the files */
export function runCases(
  cases: readonly MalformedCase[],
  bases: BaseFiles,
  file: (name: string) => string,
): JobResult[] {
  for (const [base, bytes] of Object.entries(bases)) writeFileSync(file(base), bytes);
  const jobs = cases.map(({ name, files }, i): Job => {
    return { name, files: files.map((spec, n) => jobFile(spec, `${i}-${n}`, file)) };
  });
  // A few for each child: what the ones before leave behind is not to be counted.
  const groups = Array.from({ length: Math.ceil(jobs.length / GROUP) }, (_, i) =>
    jobs.slice(i * GROUP, (i + 1) * GROUP),
  );
  return groups.flatMap((group) => runJobs(group, file('jobs.json')));
}

function runJobs(jobs: readonly Job[], list: string): JobResult[] {
  writeFileSync(list, JSON.stringify(jobs));
  const child = spawnSync(process.execPath, ['--expose-gc', join(import.meta.dirname, 'child.ts'), list], {
    encoding: 'utf8',
    timeout: LONGEST_MS,
    maxBuffer: 2 ** 28,
  });
  const results = child.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JobResult);
  if (child.status !== 0 || results.length !== jobs.length) {
    const last = jobs[results.length]?.name ?? 'the end';
    throw new Error(`the child ended at '${last}' with ${child.signal ?? child.status}: ${child.stderr}`);
  }
  return results;
}

function jobFile(spec: FileSpec, id: string, file: (name: string) => string): JobFile {
  // One path for all of a size: the disk need not hold a hundred dumps.
  if ('base' in spec) {
    const patches = spec.patches.map(({ at, bytes }) => ({ at, base64: Buffer.from(bytes).toString('base64') }));
    return { path: file(`changed-${id.slice(-1)}`), from: file(spec.base satisfies Base), patches, size: spec.size };
  }
  writeFileSync(file(id), spec.bytes);
  return { path: file(`small-${id.slice(-1)}`), from: file(id), patches: [], size: undefined };
}
