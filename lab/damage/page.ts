/** docs/damage.md: what is left of a report on a damaged dump, beside what other tools tell. */
import { type Outcome, OUTCOMES } from './compare.ts';
import { PAGE_DAMAGES } from './damaged-dump.ts';
import type { FileResult } from './run-files.ts';
import type { PageResult } from './run-pages.ts';

/** What another tool told of a damaged file, as peers.json holds it. */
export type Peers = Readonly<Record<string, Readonly<Record<string, Readonly<Record<'crash' | 'drgn', string>>>>>>;

const HEAD = `# Damaged dumps

Written by \`npm run lab -- damage\`; not edited by hand. What is left of a report when part of the dump is lost, from the
dumps of the [lab](../lab/README.md), whose causes are known. Each finding of a damaged dump is held against those of the
sound one:

- **right**: the first finding is the same: cause, holder, lock, confidence, number of tasks;
- **weaker**: the same lock or resource, and nobody else blamed, with less confidence, fewer tasks, or less said of it;
- **absent**: it is not there, and nothing stands in its place that is not true as well;
- **wrong**: something else is claimed, or somebody else is blamed. There must be none.`;

const PAGES = `## Pages lost or changed

Pages that the report on the sound dump touches, drawn by a seed: \`lost\` the file says that it does not have them,
\`zeroed\`, \`garbage\` (random bytes), \`swapped\` (the bytes of another one that was drawn) and \`flipped\` (up to 50 bits of
each) it gives as if they were sound, as an uncompressed dump would. A report touches two to three thousand pages, more than
half of them the kernel's own tables of symbols and types: 20 % of these is 500 pages, in one of which is sure to be
something that nothing can replace, such as the kernel's first page table, the table of tokens of its symbols, or
\`struct task_struct\`.`;

const FILES = `## Files cut off, zeroed or changed

The built program on damaged copies of files, of incident 01; \`(1)\` and \`(2)\` are two draws. **status**: exit status; 1 is a
report that says that something is missing, 0 a report that needed nothing of what is damaged. Beside it what crash 9.0.2 and
drgn 0.3.0, with the kernel's debug information, told of the same copy: how many tasks, and how many stacks of the tasks in
uninterruptible sleep (idle ones among them in drgn). They were run once, on 6.1 only; crash ends with status 0 or 1 for
reasons of its own and marks no number as partial. A flattened file is given as it is.`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function countsOf(results: readonly { readonly outcome: Outcome }[]): string[] {
  return OUTCOMES.map((outcome) => String(results.filter((result) => result.outcome === outcome).length));
}

function pagesTable(results: readonly PageResult[]): string {
  const percents = [...new Set(results.map(({ percent }) => percent))];
  const rows = PAGE_DAMAGES.flatMap((kind) =>
    percents.map((percent) => {
      const group = results.filter((result) => result.kind === kind && result.percent === percent);
      return [kind, `${percent} %`, ...countsOf(group), String(group.filter(({ partial }) => !partial).length)];
    }),
  );
  return table(['pages', 'share', ...OUTCOMES, 'not marked as partial'], rows);
}

function dumpsTable(results: readonly PageResult[]): string {
  const groups = [...Map.groupBy(results, ({ dump }) => dump)];
  return table(
    ['dump', ...OUTCOMES],
    groups.map(([dump, group]) => [dump, ...countsOf(group)]),
  );
}

function fileRow(result: FileResult, peers: Peers): string[] {
  const { dump, damage, status, outcome, why, told, refused } = result;
  const peer = peers[dump]?.[damage];
  const verdict = why === '' ? outcome : `${outcome}: ${why}`;
  return [
    damage,
    String(status),
    verdict,
    refused === '' ? told.join(', ') : refused,
    peer?.crash ?? '',
    peer?.drgn ?? '',
  ];
}

function filesTables(results: readonly FileResult[], peers: Peers): string[] {
  return [...Map.groupBy(results, ({ dump }) => dump)].map(([dump, group]) =>
    [
      `### ${dump}`,
      '',
      table(
        ['damage', 'status', 'first finding', 'read of what there was', 'crash', 'drgn'],
        group.map((result) => fileRow(result, peers).map((cell) => cell.replaceAll('|', '\\|'))),
      ),
    ].join('\n'),
  );
}

export function renderPage(pages: readonly PageResult[], files: readonly FileResult[], peers: Peers): string {
  const counts = OUTCOMES.map((outcome, i) => `${countsOf(pages)[i]} ${outcome}`).join(', ');
  const wrong = pages.filter(({ outcome }) => outcome === 'wrong');
  const internal = pages.filter((result) => result.internal.length > 0);
  return [
    HEAD,
    PAGES,
    `**${pages.length} damaged dumps: ${counts}; errors of kwhy itself: ${internal.length}.**`,
    ...wrong.map(({ dump, kind, percent, seed, why }) => `Wrong: ${dump}, ${kind} ${percent} % (${seed}): ${why}`),
    pagesTable(pages),
    dumpsTable(pages),
    FILES,
    ...filesTables(files, peers),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}
