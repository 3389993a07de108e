/** docs/support.md, from the cells: what is proven on a real dump, what on a synthetic one only, and what is not proven. */
import { SEEN_EDGES } from '../../src/kernel/wait-edges.ts';
import { kernelName } from '../wait-inventory.ts';
import { comparedEdges, type WaitRecord } from '../waits.ts';
import type { Cell, Matrix, MetLayout } from './cells.ts';
import { FORMATS } from './formats.ts';
import { MATRIX_GUESTS, MATRIX_KERNELS, PAGING } from './guests.ts';
import type { SyntheticLayout } from './synthetic.ts';

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** What a cell says; `notes` collects why one is not simply proven. */
function wordOf(cell: Cell | undefined, notes: string[]): string {
  if (cell === undefined) return 'unproven';
  const note = noteOf(cell);
  const words = [
    'proven',
    ...(cell.origin === 'as written' ? [] : [cell.origin]),
    ...(cell.level === undefined || cell.level === 31 ? [] : [`level ${cell.level}`]),
  ].join(', ');
  if (note === '') return words;
  if (!notes.includes(note)) notes.push(note);
  return `${cell.verdict === 'right' ? words : `**${cell.verdict}**`} [${notes.indexOf(note) + 1}]`;
}

function noteOf(cell: Cell): string {
  const said = [
    ...(cell.verdict === 'right' ? [] : [cell.why]),
    ...(cell.verdict === 'right' && cell.complete === false ? [`marked as partial: ${reasonOf(cell)}`] : []),
    ...(cell.verdict === 'right' && cell.unproven.length > 0 ? [`unproven layouts: ${cell.unproven.join('; ')}`] : []),
    ...(cell.verdict === 'right' && cell.confidence !== 'certain'
      ? [`the first finding is ${cell.confidence ?? 'unsure'}`]
      : []),
  ];
  return said.join('; ');
}

/** Counts differ from dump to dump: they are left out, so that equal reasons have one note. */
function reasonOf(cell: Cell): string {
  const problems = cell.problems.join('; ').replaceAll(/\b\d[\d,]*\b/g, 'N');
  const lacks = FORMATS.find(({ name }) => name === cell.format)?.lacks;
  return [problems, lacks ?? ''].filter((text) => text !== '').join('; ') || 'not everything could be read';
}

/** Not every kernel is built for 5 levels: on a processor that has them it uses 4 all the same. */
function pagingOf(paging: string, release: string | undefined, layouts: readonly MetLayout[]): string {
  if (paging !== '5-level' || release === undefined) return paging;
  const five = layouts.find(({ part, layout }) => part === 'page tables' && layout === '5 levels');
  return five?.metOn.includes(release) === true ? paging : '4-level (not built for 5; the processor has them)';
}

function releases(cells: readonly Cell[]): ReadonlyMap<string, string> {
  return new Map(cells.map(({ kernel, release }) => [kernel, release]));
}

function formatTable({ cells, layouts }: Matrix, notes: string[]): string[] {
  const known = releases(cells);
  const columns = MATRIX_KERNELS.flatMap((kernel) =>
    Object.keys(PAGING).map((paging) => {
      const release = known.get(kernel);
      return { kernel, paging, head: `${release ?? kernel} ${pagingOf(paging, release, layouts)}` };
    }),
  );
  const rows = FORMATS.map(({ name }) => [
    name,
    ...columns.map(({ kernel, paging }) =>
      wordOf(
        cells.find((cell) => cell.kernel === kernel && cell.guest === paging && cell.format === name),
        notes,
      ),
    ),
  ]);
  return table(['format', ...columns.map(({ head }) => head)], rows);
}

function machineTable(cells: readonly Cell[], notes: string[]): string[] {
  const formats = FORMATS.filter(({ always }) => always).map(({ name }) => name);
  const guests = MATRIX_GUESTS.filter(({ thorough }) => !thorough);
  const rows = guests.map(({ kernel, name }) => {
    const own = cells.filter((cell) => cell.kernel === kernel && cell.guest === name);
    const seen = own.find(({ onlineCpus }) => onlineCpus !== undefined);
    const cpus = seen === undefined ? '' : `${seen.onlineCpus ?? '?'} of ${seen.possibleCpus ?? '?'}`;
    return [
      name,
      own[0]?.release ?? kernel,
      cpus,
      seen === undefined ? '' : String(seen.modules ?? ''),
      ...formats.map((format) =>
        wordOf(
          own.find((cell) => cell.format === format),
          notes,
        ),
      ),
    ];
  });
  return table(['machine', 'kernel', 'CPUs online, possible', 'modules', ...formats], rows);
}

function layoutTable(matrix: Matrix, synthetic: readonly SyntheticLayout[]): string[] {
  const met = matrix.layouts.map(({ part, layout, provenOn, metOn }) => [
    part,
    layout,
    provenOn.join(', ') || 'none',
    metOn.join(', '),
  ]);
  const key = (part: string, layout: string): string => `${part}: ${layout}`;
  const there = new Set(matrix.layouts.map(({ part, layout }) => key(part, layout)));
  const others = synthetic
    .filter(({ part, layout }) => !there.has(key(part, layout)))
    .map(({ part, layout }) => [part, layout, 'none', 'none']);
  return table(['part', 'layout', 'compared with the truth on', 'chosen under a right report on'], [...met, ...others]);
}

const TYPES: readonly (readonly string[])[] = [
  ['5.10 to 7.2 with BTF', 'BTF in the dump', 'proven on real dumps: the tables above'],
  [
    '5.10, 6.1, 6.12 without BTF',
    'none; what tasks need is found by what all tasks hold',
    'proven on real dumps whose BTF was erased: log, symbols, tasks and stacks only; the report says so and calls nothing certain',
  ],
  [
    '4.18 to 5.9',
    'BTF since 5.2, else none',
    'synthetic only: no package of such a kernel can be had; at most probable',
  ],
  [
    'any',
    'a vmlinux with debug information',
    'proven on real dumps of 5.10, 6.1 and 6.12 whose BTF was hidden: the same report (docs/debuginfo.md)',
  ],
];

const NOT_POSSIBLE = [
  '* **Memory encryption (AMD SME, SEV):** QEMU without such a processor does not emulate it. The mask is taken from VMCOREINFO',
  '  or the kernel; tried on synthetic dumps only.',
  '* **Snappy:** no makedumpfile at hand has it built in. The pages of its uncompressed file are compressed anew by the lab.',
  '* **LiME and raw memory:** written anew from what QEMU dumped; see [formats.md](formats.md) for real raw files.',
  '* **7.2:** makedumpfile 1.7.8 does not know its `struct page`, and at level 31 leaves out pages that are in use. Its files are',
  '  of level 1 (pages of zeros left out).',
  '* **More than 255 possible CPUs on 6.12:** its possible_cpus= does not raise the number, and QEMU here has no more.',
];

/** Which ways of understanding a wait were seen on which kernels. */
function waitTable(waits: WaitRecord): string[] {
  const compared = comparedEdges(waits);
  const on = (edges: Readonly<Record<string, readonly string[]>>, edge: string): string =>
    edges[edge]?.join(', ') ?? 'none';
  const rows = Object.keys(SEEN_EDGES)
    .filter((edge) => edge !== 'functions on the stack')
    .sort((a, b) => a.localeCompare(b, 'en'))
    .map((edge) => [edge, on(compared, edge), on(waits.met.edges, edge)]);
  return table(['how a wait is understood', 'compared with the truth on', 'met under a right report on'], rows);
}

function waitLines(waits: WaitRecord): string[] {
  const { entries, met } = waits;
  const right = entries.filter(({ verdict }) => verdict === 'right').length;
  const functions = Object.entries(met.functions).filter(([kind]) => kind !== 'unknown');
  return [
    'A guest with one task in each kind of wait (`every-wait`) told of each what it waits for, at which address, and who could end',
    `it; \`npm run lab -- waits\` compares that with what \`why\` says. **${entries.length} waits: ${right} right, ${entries.length - right} not.**`,
    'The last column is of dumps of the incidents, where nobody told it of each task. What was seen on no real dump (*none* in both)',
    'names nobody for sure: whoever it leads to is *inferred*, and no finding that rests on it is more than *probable*. Locks are',
    'among the layouts below.',
    '',
    ...waitTable(waits),
    '',
    `Told by the functions on a stack alone, and marked so: ${functions.map(([kind, on]) => `${kind} (${on.join(', ')})`).join('; ')}.`,
    ...notRight(entries),
  ];
}

function notRight(entries: WaitRecord['entries']): string[] {
  const lines = entries
    .filter(({ verdict }) => verdict !== 'right')
    .map(({ wait, kernel, verdict, why }) => `* ${wait}, ${kernelName(kernel)}: ${verdict}: ${why}`);
  return lines.length === 0 ? [] : ['', 'Not right:', '', ...lines];
}

/** The whole page. */
export function renderSupport(matrix: Matrix, synthetic: readonly SyntheticLayout[], waits: WaitRecord): string {
  const notes: string[] = [];
  const { cells } = matrix;
  const formats = formatTable(matrix, notes);
  const machines = machineTable(cells, notes);
  const right = cells.filter(({ verdict }) => verdict === 'right').length;
  return [
    '# What is supported, and how that is known',
    '',
    'Written by `npm run lab -- matrix`; not edited by hand. Incident 1 of the [lab](../lab/README.md) (a directory that is locked by',
    'a `getdents` which waits for its own userfaultfd) was brought about in a guest of each kind, and dumped in each format. A',
    "cell is *proven* when the first finding of the report has the right cause, the right culprit, and the lock's address, as",
    'the guest itself told them. *unproven*: no such dump was made. Numbers in brackets are notes below.',
    '',
    `**${cells.length} dumps: ${right} right, ${cells.length - right} not.**`,
    '',
    '## Kernels and formats',
    '',
    'Real dumps, of kernels as Debian builds them. *re-encoded* and *rewritten*: by the lab, from a real file in another form.',
    'What makedumpfile wrote is of level 31 where nothing else is said. `npm run lab -- matrix --kernel 6.1 --guest 5-level` makes',
    'the dumps of a column anew.',
    '',
    ...formats,
    '',
    '## Machines of other kinds',
    '',
    ...machines,
    ...(notes.length === 0
      ? []
      : ['', ...notes.map((note, index) => `[${index + 1}] ${note}`).flatMap((line) => [line, ''])]),
    '',
    '## Where types come from',
    '',
    ...table(['kernel', 'types', 'how that is known'], TYPES),
    '',
    '## What tasks wait for',
    '',
    ...waitLines(waits),
    '',
    '## Layouts of structures',
    '',
    'Which form of a structure a kernel has is found by looking, never by its version. A report that rests on a form which no',
    'real dump has proven says so, and calls nothing *certain*. *none*: tried on synthetic dumps only. The last column is of the',
    'tables above.',
    '',
    ...layoutTable(matrix, synthetic),
    '',
    '## Not possible here',
    '',
    ...NOT_POSSIBLE,
    '',
  ]
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n');
}
