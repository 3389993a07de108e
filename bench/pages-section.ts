/** Reading every page of dumps in different formats and codecs, each run in a process of its own. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { PagesRead } from './pages.ts';
import { duration, median, size, table } from './statistics.ts';

function pagesRead(path: string): PagesRead {
  const script = join(import.meta.dirname, 'pages.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`reading the pages of a dump failed: ${stderr.trim()}`);
  return JSON.parse(stdout) as PagesRead;
}

/** In turn, so that a slow moment of the machine hits all of them. */
export function pagesSection(
  dumps: readonly { readonly path: string; readonly title: string }[],
  rounds: number,
): string {
  const runs = dumps.map((): PagesRead[] => []);
  for (let round = 0; round < rounds; round++) dumps.forEach(({ path }, i) => runs[i]?.push(pagesRead(path)));
  const rows = dumps.map(({ title }, i) => {
    const own = runs[i] ?? [];
    const time = median(own.map(({ reading }) => reading));
    const { pages, bytes } = own[0] ?? { pages: Number.NaN, bytes: Number.NaN };
    const each = `${((time / pages) * 1000).toFixed(1)} µs`;
    return [title, String(pages), duration(time), each, `${size((bytes / time) * 1000)}/s`];
  });
  return table(['dump', 'pages with data', 'all of them', 'a page', 'throughput'], rows);
}
