/** `npm run lab -- damage`: damages the lab's dumps in every way there is and writes docs/damage.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dumpsRoot, labRoot } from '../paths.ts';
import { LabError, run } from '../run.ts';
import { type Peers, renderPage } from './page.ts';
import { type FileResult, runFiles } from './run-files.ts';
import { type PageResult, runPages } from './run-pages.ts';

const repository = join(labRoot, '..');
const peersPath = join(labRoot, 'damage/peers.json');
const pagePath = join(repository, 'docs/damage.md');

const INCIDENTS = [
  '01-userfault-getdents',
  '02-mutex-holder-in-reclaim',
  '03-abba-mutex',
  '05-deleted-tmpfs',
  '06-kmalloc-leak-module',
  '07-oom-protected-panic',
  '08-null-deref-module',
  '10-sysrq-healthy',
];
const PAGE_DUMPS: readonly (readonly [string, string])[] = [
  ['01-userfault-getdents', '5.10/1/zstd'],
  ['01-userfault-getdents', '6.1/1/elf'],
  ...INCIDENTS.flatMap((incident) => [[incident, '6.1/1/zstd'] as const, [incident, '6.12/1/zstd'] as const]),
];
const FIRST = INCIDENTS[0] ?? '';
const FILE_DUMPS: readonly (readonly [string, string, boolean])[] = [
  ['6.1 zstd', '6.1/1/zstd', false],
  ['6.1 zstd', '6.1/1/zstd', true],
  ['6.1 ELF', '6.1/1/elf', false],
];

function pathOf(incident: string, which: string): string | undefined {
  const path = join(dumpsRoot, incident, `${which}.vmcore`);
  if (existsSync(path)) return path;
  console.error(`not there, left out: ${path}`);
  return undefined;
}

export function damage(): string {
  run('npm', ['run', '--silent', 'build'], { cwd: repository });
  const pages: PageResult[] = [];
  for (const [incident, which] of PAGE_DUMPS) {
    const path = pathOf(incident, which);
    if (path === undefined) continue;
    console.error(`pages of ${incident} ${which}`);
    pages.push(...runPages(`${incident} ${which.replaceAll('/1/', ' ')}`, path));
  }
  if (pages.length === 0) throw new LabError('there are no dumps; `npm run lab -- make` makes them');
  const files: FileResult[] = [];
  for (const [name, which, flattened] of FILE_DUMPS) {
    const path = pathOf(FIRST, which);
    if (path === undefined) continue;
    console.error(`files of ${which}${flattened ? ', flattened' : ''}`);
    files.push(...runFiles(name, path, flattened));
  }
  const peers = existsSync(peersPath) ? (JSON.parse(readFileSync(peersPath, 'utf8')) as Peers) : {};
  const page = renderPage(pages, files, peers);
  writeFileSync(pagePath, page);
  if (pages.some(({ outcome, internal }) => outcome === 'wrong' || internal.length > 0)) process.exitCode = 1;
  return page;
}
