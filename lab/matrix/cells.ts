/** The cells of the matrix: made, judged, kept in lab/matrix.json. The page is written from that file alone. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LayoutChoice } from '../../src/program/layouts.ts';
import { judge, type Verdict } from '../judge.ts';
import { cacheFolder, labRoot } from '../paths.ts';
import { LabError } from '../run.ts';
import { type Format, FORMATS, type Origin } from './formats.ts';
import { guestFolder, type GuestTruth, type MatrixGuest } from './guests.ts';
import type { Look } from './look.ts';

/** One report on one file of one guest. */
export interface Cell {
  readonly kernel: string;
  readonly release: string;
  readonly guest: string;
  readonly format: string;
  readonly origin: Origin;
  /** Of makedumpfile; missing when nothing was left out. */
  readonly level?: number;
  readonly verdict: Verdict;
  readonly why: string;
  readonly confidence?: string;
  readonly complete?: boolean;
  readonly dump?: string;
  readonly foundBy?: string;
  readonly problems: readonly string[];
  readonly unproven: readonly string[];
  readonly tasks?: number;
  readonly modules?: number;
  readonly possibleCpus?: number;
  readonly onlineCpus?: number;
  readonly seconds: number;
  readonly commit: string;
}

/** A layout, and the kernels of the matrix on whose dumps it was chosen under a right report. */
export interface MetLayout extends LayoutChoice {
  readonly metOn: readonly string[];
}

export interface Matrix {
  readonly cells: readonly Cell[];
  readonly layouts: readonly MetLayout[];
}

const jsonPath = join(labRoot, 'matrix.json');

export function readMatrix(): Matrix {
  return existsSync(jsonPath) ? (JSON.parse(readFileSync(jsonPath, 'utf8')) as Matrix) : { cells: [], layouts: [] };
}

export function writeMatrix(matrix: Matrix): void {
  writeFileSync(jsonPath, `${JSON.stringify(matrix, null, 2)}\n`);
}

const name = (cell: Pick<Cell, 'kernel' | 'guest' | 'format'>): string => `${cell.kernel}/${cell.guest}/${cell.format}`;

function withCell(cells: readonly Cell[], cell: Cell): Cell[] {
  return [...cells.filter((one) => name(one) !== name(cell)), cell];
}

function withLayouts(known: readonly MetLayout[], chosen: readonly LayoutChoice[], release: string): MetLayout[] {
  const layouts = new Map(known.map((one) => [`${one.part}: ${one.layout}`, one]));
  for (const choice of chosen) {
    const key = `${choice.part}: ${choice.layout}`;
    const metOn = [...new Set([...(layouts.get(key)?.metOn ?? []), release])].sort();
    layouts.set(key, { ...choice, metOn });
  }
  return [...layouts].sort(([a], [b]) => a.localeCompare(b, 'en')).map(([, layout]) => layout);
}

/** Without where the lab lies on this machine. */
const nowhere = (text: string): string => text.replaceAll(`${labRoot}/`, '');

/** @throws LabError when there is no report */
function look(library: string, files: readonly string[]): { readonly seen: Look; readonly seconds: number } {
  const start = performance.now();
  const args = [join(labRoot, 'matrix/look.ts'), library, ...files];
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 600_000 });
  const seconds = (performance.now() - start) / 1000;
  if (done.status !== 0) throw new LabError(`no report: ${done.stderr.trim().slice(-400)}`);
  return { seen: JSON.parse(done.stdout) as Look, seconds };
}

function judged(
  truth: GuestTruth,
  seen: Look,
): Omit<Cell, 'kernel' | 'release' | 'guest' | 'format' | 'origin' | 'seconds' | 'commit'> {
  const { report } = seen;
  const confidence = report.findings?.[0]?.confidence;
  const { description, foundBy } = report.system?.dump ?? {};
  const total = report.system?.tasks?.total;
  return {
    ...judge(report, truth.expected),
    ...(confidence === undefined ? {} : { confidence }),
    ...(report.complete === undefined ? {} : { complete: report.complete }),
    ...(description === undefined ? {} : { dump: description }),
    ...(foundBy === undefined ? {} : { foundBy }),
    ...(total === undefined ? {} : { tasks: total }),
    problems: (report.problems ?? []).map(nowhere),
    unproven: report.unproven ?? [],
    modules: seen.modules,
    possibleCpus: seen.possibleCpus,
    onlineCpus: seen.onlineCpus,
  };
}

/** Makes one format of a guest, judges the report on it, and deletes it. */
function fill(guest: MatrixGuest, truth: GuestTruth, format: Format, library: string, commit: string): void {
  const scratch = cacheFolder('matrix', 'scratch');
  const { kernel, release } = truth;
  // makedumpfile 1.7.8 does not know `struct page` since 7.1 and would leave out pages that are in use.
  const level = guest.kernel === 'sid' ? 1 : 31;
  const { origin } = format;
  const leftOut = format.filtered ? { level } : {};
  const base = { kernel, release, guest: truth.guest, format: format.name, origin, ...leftOut, commit };
  const matrix = readMatrix();
  try {
    const files = format.make(guestFolder(guest), level, join(scratch, 'dump'));
    const { seen, seconds } = look(library, files);
    const cell: Cell = { ...base, ...judged(truth, seen), seconds };
    const layouts = cell.verdict === 'right' ? withLayouts(matrix.layouts, seen.layouts, release) : matrix.layouts;
    writeMatrix({ cells: withCell(matrix.cells, cell), layouts });
    console.error(`${name(cell)}: ${cell.verdict} ${cell.why}${cell.complete === true ? '' : ' (partial)'}`);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const cell: Cell = {
      ...base,
      verdict: 'silent',
      why: nowhere(error.message),
      problems: [],
      unproven: [],
      seconds: 0,
    };
    writeMatrix({ cells: withCell(matrix.cells, cell), layouts: matrix.layouts });
    console.error(`${name(cell)}: ${error.message}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    mkdirSync(scratch, { recursive: true });
  }
}

/** Fills all cells of a guest that ran. */
export function fillAll(guest: MatrixGuest, truth: GuestTruth, library: string, commit: string): void {
  for (const format of FORMATS.filter(({ always }) => always || guest.thorough))
    fill(guest, truth, format, library, commit);
}
