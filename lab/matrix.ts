/**
 * `npm run lab -- matrix`: the report on incident 1, on every kernel in every format, with 4- and 5-level page tables, and
 * on machines of other kinds. Writes lab/matrix.json after each cell, and docs/support.md. What it makes, it deletes.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureTools } from './tools.ts';
import { fillAll, readMatrix } from './matrix/cells.ts';
import { guestFolder, makeGuest, MATRIX_GUESTS } from './matrix/guests.ts';
import { renderSupport } from './matrix/page.ts';
import { syntheticLayouts } from './matrix/synthetic.ts';
import { cacheFolder, labRoot } from './paths.ts';
import { LabError, run } from './run.ts';
import { readWaits } from './waits.ts';

const repository = join(labRoot, '..');

export interface MatrixOptions {
  /** All when empty. */
  readonly kernels: readonly string[];
  /** '5-level', 'nokaslr'; all when empty. */
  readonly guests: readonly string[];
  /** Whether what a guest left stays, for another run. */
  readonly keep: boolean;
}

/** The page, from what is known: it is not made anew. */
export function printMatrix(): string {
  return renderSupport(readMatrix(), syntheticLayouts(sources()), readWaits());
}

function sources(): string[] {
  const root = join(repository, 'src');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(root, name), 'utf8'));
}

/** A copy of the build, which stays as it is should somebody build again meanwhile: its library. */
function buildLibrary(): string {
  const built = cacheFolder('matrix', 'build');
  run('npm', ['run', '--silent', 'build'], { cwd: repository });
  rmSync(built, { recursive: true, force: true });
  cpSync(join(repository, 'dist'), built, { recursive: true });
  return join(built, 'index.js');
}

function commitName(): string {
  const commit = run('git', ['rev-parse', '--short', 'HEAD'], { cwd: repository }).trim();
  const changed = run('git', ['status', '--porcelain', '--', 'src'], { cwd: repository }).trim() !== '';
  return changed ? `${commit}+` : commit;
}

/** Fills the cells that are asked for and writes the page. */
export async function matrix(options: MatrixOptions): Promise<void> {
  const { kernels, guests, keep } = options;
  const chosen = MATRIX_GUESTS.filter(
    (guest) =>
      (kernels.length === 0 || kernels.includes(guest.kernel)) && (guests.length === 0 || guests.includes(guest.name)),
  );
  if (chosen.length === 0)
    throw new LabError(`there are ${[...new Set(MATRIX_GUESTS.map(({ name }) => name))].join(', ')}`);
  ensureTools();
  const library = buildLibrary();
  const commit = commitName();
  for (const guest of chosen) {
    try {
      fillAll(guest, await makeGuest(guest), library, commit);
      if (!keep) rmSync(guestFolder(guest), { recursive: true, force: true });
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      console.error(`${guest.kernel} ${guest.name}: ${error.message}`);
      process.exitCode = 1;
    }
    writeFileSync(join(repository, 'docs/support.md'), printMatrix());
  }
}
