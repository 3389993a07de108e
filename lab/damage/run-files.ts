/** Runs the built kwhy on damaged copies of a dump, one at a time, and notes what it still tells. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { labRoot } from '../paths.ts';
import { compare, type ComparedReport, type Outcome } from './compare.ts';
import { FILE_DAMAGES, writeDamaged } from './files.ts';

export interface FileResult {
  /** As the page calls the dump: '6.1 zstd, flattened'. */
  readonly dump: string;
  readonly damage: string;
  readonly status: number;
  readonly outcome: Outcome;
  readonly why: string;
  readonly complete: boolean;
  /** 'tasks 100/163', as the report counts them. */
  readonly told: readonly string[];
  /** What there is instead of a report. */
  readonly refused: string;
}

const SHOWN: readonly (readonly [string, string])[] = [
  ['log records', 'log'],
  ['tasks', 'tasks'],
  ['kernel stacks, unwound to their end', 'stacks'],
];

interface Ran {
  readonly status: number;
  readonly report: ComparedReport;
  readonly refused: string;
}

function run(path: string): Ran {
  const done = spawnSync(process.execPath, [join(labRoot, '../dist/kwhy.js'), path, '--json'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 600_000,
  });
  const report = done.stdout === '' ? {} : (JSON.parse(done.stdout) as ComparedReport);
  const refused = done.stderr
    .trim()
    .replace(path, 'FILE')
    .replace(/^kwhy: (FILE: )?/, '');
  return { status: done.status ?? -1, report, refused };
}

function toldBy({ coverage = [] }: ComparedReport): string[] {
  return SHOWN.flatMap(([what, label]) => {
    const entry = coverage.find((one) => one.what === what);
    return entry === undefined ? [] : [`${label} ${entry.read}/${entry.total ?? '?'}`];
  });
}

/** @param path - a sound dump */
export function runFiles(dump: string, path: string, flattened: boolean): FileResult[] {
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-damage-'));
  const sound = run(path).report;
  try {
    return FILE_DAMAGES.map((damage): FileResult => {
      const copy = join(folder, 'damaged.vmcore');
      writeDamaged(path, flattened, damage, copy);
      const { status, report, refused } = run(copy);
      const told = toldBy(report);
      return {
        dump: flattened ? `${dump}, flattened` : dump,
        damage: damage.name,
        status,
        ...compare(report, sound),
        complete: report.complete === true,
        told,
        refused,
      };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
