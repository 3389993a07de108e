/**
 * `mem`: where the memory went, as a tree: groups of classes, classes, and below them what they consist of, with the rows in
 * which page structures and counters differ, and what is known of pages that fit no class.
 */
import { formatBytes } from '../base/byte-size.ts';
import type { LedgerRow } from '../diagnosis/facts/page-ledger-rows.ts';
import { type ClassPages, type PageLedger, pageLedgerFact } from '../diagnosis/facts/page-ledger.ts';
import type { Known } from '../kernel/known.ts';
import { meminfo } from '../kernel/meminfo.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { byteCount, type Data } from '../model/value.ts';

/** What is shown below a class; more with `-a`. */
const CHILDREN = 5;
const LABEL = 58;

interface Child {
  readonly label: string;
  readonly pages: number;
}

function share(pages: number, whole: number): string {
  return whole === 0 ? '' : `${((pages / whole) * 100).toFixed(1)} %`;
}

export function memoryTree(context: CommandContext, { all }: { readonly all: boolean }): Shape {
  const ledger = context.use(pageLedgerFact);
  for (const problem of ledger.problems) context.problem(problem);
  const whole = ledger.memory ?? ledger.frames;
  const row = (depth: number, label: string, pages: number, shared = true): TextLine =>
    `${`${'  '.repeat(depth)}${label}`.padEnd(LABEL)}${String(pages).padStart(10)}  ${formatBytes(pages * ledger.pageSize).padStart(10)}  ${shared ? share(pages, whole).padStart(7) : ''}`.trimEnd();
  const lines: TextLine[] = [
    `${'USE OF PAGES'.padEnd(LABEL)}${'PAGES'.padStart(10)}  ${'SIZE'.padStart(10)}  ${'SHARE'.padStart(7)}`,
  ];
  for (const group of groupsOf(ledger.classes)) {
    const isMemory = group.label !== 'not memory';
    lines.push(row(0, group.label, group.pages, isMemory));
    for (const each of group.classes) {
      // Its group says it all.
      if (each.id === 'unclassified') continue;
      lines.push(row(1, each.label, each.pages, isMemory));
      const children = childrenOf(ledger, each);
      const shown = all ? children : children.slice(0, CHILDREN);
      for (const child of shown) lines.push(row(2, child.label, child.pages));
      const rest = children.slice(shown.length);
      const pages = rest.reduce((sum, child) => sum + child.pages, 0);
      if (pages > 0) lines.push(row(2, `${rest.length} more`, pages));
    }
  }
  lines.push(row(0, ledger.extent === 'all' ? 'all page structures' : 'page structures looked at', ledger.seen, false));
  const types = ledger.freeByType ?? [];
  if (types.length > 0)
    lines.push(`Free blocks by migrate type: ${types.map(({ key, pages }) => `${key} ${pages}`).join(', ')} pages.`);
  lines.push('', ...comparisonLines(ledger), ...unclassifiedLines(ledger, all));
  return { shape: 'lines', lines, data: () => ledgerData(ledger) };
}

function groupsOf(classes: readonly ClassPages[]): readonly {
  readonly label: string;
  readonly pages: number;
  readonly classes: readonly ClassPages[];
}[] {
  const groups = new Map<string, ClassPages[]>();
  for (const each of classes) {
    const group = groups.get(each.group);
    if (group === undefined) groups.set(each.group, [each]);
    else group.push(each);
  }
  return [...groups]
    .map(([label, of]) => ({
      label,
      pages: of.reduce((sum, { pages }) => sum + pages, 0),
      classes: of.toSorted((a, b) => b.pages - a.pages),
    }))
    .sort((a, b) => b.pages - a.pages);
}

function childrenOf(ledger: PageLedger, { id }: ClassPages): readonly Child[] {
  switch (id) {
    case 'slab':
    case 'slab-reclaimable':
      return ledger.slabs
        .filter(({ reclaimable }) => reclaimable === (id === 'slab-reclaimable'))
        .map(({ name, pages }) => ({ label: name === '' ? '(no name)' : name, pages }));
    case 'vmalloc':
    case 'vmap':
    case 'module':
      return ledger.vmalloc
        .filter((area) => area.class === id && area.pages > 0)
        .map(({ caller, pages }) => ({ label: `by ${caller}`, pages }));
    case 'free':
      return ledger.free.flatMap(({ node, zone, blocks }) => {
        const pages = blocks.reduce((sum, count, order) => sum + count * 2 ** order, 0);
        return pages === 0 ? [] : [{ label: `node ${node}, zone ${zone}`, pages }];
      });
    default:
      return [];
  }
}

/** The counters say the same, or in which rows they do not. */
function comparisonLines(ledger: PageLedger): readonly TextLine[] {
  if (ledger.rows.length === 0) return ['Not compared with the counters: not every page structure was looked at.'];
  const known = ledger.rows.filter(({ difference }) => difference !== undefined);
  const differing = known.filter(({ difference }) => difference !== 0);
  const whole = ledger.memory ?? ledger.frames;
  if (differing.length === 0) return [`The kernel's counters say the same in all ${known.length} rows (mem -c).`];
  return [
    `The kernel's counters say the same in ${known.length - differing.length} of ${known.length} rows (mem -c); not in:`,
    ...differing.flatMap(({ label, pages, counted, difference, note }) => [
      `  ${label}: ${pages} pages, counted ${counted.value} (${(difference ?? 0) > 0 ? '+' : ''}${difference}, ${(((difference ?? 0) / whole) * 100).toFixed(2)} % of memory)`,
      ...(note === undefined ? [] : [`    ${note}`]),
    ]),
  ];
}

/** Whose the pages may be that fit no class. */
function unclassifiedLines({ unclassified, pageSize }: PageLedger, all: boolean): readonly TextLine[] {
  if (unclassified.pages === 0) return [];
  const limit = all ? Number.POSITIVE_INFINITY : CHILDREN;
  const list = (entries: readonly string[]): string =>
    `${entries.slice(0, limit).join(', ')}${entries.length > limit ? `, ${entries.length - limit} more` : ''}`;
  const { contents, blocks, flags, references, neighbours } = unclassified;
  const lines: string[] = [
    '',
    `Unclassified: ${unclassified.pages} pages, ${formatBytes(unclassified.pages * pageSize)}. They have an owner that page structures do not tell.`,
    `  blocks       ${list(blocks.map(({ order, blocks: count, pages }) => `${count} of order ${order} (${pages} pages)`))}`,
    `  flags        ${list(flags.map(({ key, pages }) => `${key} ${pages}`))}`,
    `  references   ${list(references.map(({ key, pages }) => `${key} on ${pages}`))}`,
    `  before them  ${list(neighbours.map(({ key, pages }) => `${key} ${pages}`))}`,
  ];
  if (contents.read + contents.missing > 0) {
    const kinds = [
      contents.zero > 0 ? `${contents.zero} all zero` : '',
      contents.text > 0 ? `${contents.text} text` : '',
      contents.missing > 0 ? `${contents.missing} not in the dump` : '',
    ].filter((each) => each !== '');
    lines.push(
      `  contents     of ${contents.read + contents.missing} looked at: ${kinds.length === 0 ? 'data' : kinds.join(', ')}`,
    );
    if (contents.targets.length > 0)
      lines.push(`  point to     ${list(contents.targets.map(({ target, pages }) => `${target} (${pages})`))}`);
  }
  return lines;
}

/** `mem -c`: all rows of the comparison. */
export function comparisonTable(context: CommandContext): Shape {
  const ledger = context.use(pageLedgerFact);
  if (ledger.rows.length === 0) context.problem('not every page structure was looked at: there is nothing to compare');
  const whole = ledger.memory ?? ledger.frames;
  return {
    shape: 'table',
    columns: [
      { key: 'label', label: 'PAGES', align: 'left' },
      { key: 'pages', label: 'BY STRUCTURES', align: 'right' },
      { key: 'counted', label: 'BY COUNTERS', align: 'right' },
      { key: 'difference', label: 'DIFFERENCE', align: 'right' },
      { key: 'share', label: '% OF MEMORY', align: 'right' },
      { key: 'source', label: 'COUNTER', align: 'left' },
    ],
    rows: ledger.rows.map(({ label, pages, counted, difference }) => [
      label,
      pages,
      counted.value,
      difference,
      difference === undefined ? undefined : ((difference / whole) * 100).toFixed(3),
      counted.value === undefined ? `${counted.source}: ${counted.problem}` : counted.source,
    ]),
  };
}

/** `mem --fast`: the counters alone. */
export function countersOnly(context: CommandContext): Shape {
  const info = meminfo(context.program);
  return {
    shape: 'key-values',
    title: 'By the counters alone, which overlap and do not add up: mem looks at the pages themselves',
    rows: Object.entries<Known<number>>({ ...info }).map(([key, known]) => ({
      key,
      label: key,
      value: known.value === undefined ? `unknown: ${known.problem}` : byteCount(known.value),
    })),
  };
}

function rowData({ label, pages, counted, difference }: LedgerRow): Data {
  return { label, pages, counted: counted.value, difference, source: counted.source, problem: counted.problem };
}

function ledgerData(ledger: PageLedger): Data {
  const { unclassified } = ledger;
  return {
    pageSize: ledger.pageSize,
    frames: ledger.frames,
    seen: ledger.seen,
    extent: ledger.extent,
    memory: ledger.memory,
    classes: ledger.classes.map(({ id, group, label, pages }) => ({ id, group, label, pages })),
    counters: ledger.rows.map(rowData),
    free: ledger.free.map(({ node, zone, blocks }) => ({ node, zone, blocks })),
    freeByType: ledger.freeByType?.map((each) => ({ ...each })),
    unclassified: {
      pages: unclassified.pages,
      blocks: unclassified.blocks.map((each) => ({ ...each })),
      flags: unclassified.flags.map((each) => ({ ...each })),
      references: unclassified.references.map((each) => ({ ...each })),
      neighbours: unclassified.neighbours.map((each) => ({ ...each })),
      contents: {
        read: unclassified.contents.read,
        missing: unclassified.contents.missing,
        zero: unclassified.contents.zero,
        text: unclassified.contents.text,
        targets: unclassified.contents.targets.map((each) => ({ ...each })),
      },
    },
  };
}
