/**
 * What is asked of a page ledger, and the tables of all of them.
 */
import type { Size } from './ledger-truth.ts';

/** A row of the ledger: what page structures say less what the counter says. */
export interface ComparedRow {
  readonly label: string;
  readonly difference: number | undefined;
  /** Why the two need not be equal. */
  readonly note: string | undefined;
  /** Why the counter is not known. */
  readonly problem: string | undefined;
}

export interface LedgerOfDump {
  readonly incident: string;
  readonly kernel: string;
  readonly variant: number;
  readonly file: string;
  /** makedumpfile's, where the file says it. */
  readonly level: number | undefined;
  /** Nothing is wrong with the guest. */
  readonly isHealthy: boolean;
  readonly frames: number;
  /** Sum of all classes. */
  readonly inClasses: number;
  /** Frames whose page structure is not in the dump. */
  readonly unread: number;
  /** Frames that are memory. */
  readonly memory: number;
  readonly unclassified: number;
  readonly rows: readonly ComparedRow[];
  readonly sizes: readonly Size[];
}

/** A row may be off by this share of memory. */
const ROW = 0.005;
/** So much may be unclassified where nothing is wrong. */
const UNCLASSIFIED = 0.02;
/** The size of what holds memory may be off by this share of it. */
const SIZE = 0.05;

const percent = (part: number, whole: number, digits = 2): string => `${((part / whole) * 100).toFixed(digits)} %`;

function isOff({ told, found, exact }: Size): boolean {
  return exact ? told !== found : Math.abs(found - told) > told * SIZE;
}

const rowsOff = ({ rows, memory }: LedgerOfDump): readonly ComparedRow[] =>
  rows.filter(({ difference = 0 }) => Math.abs(difference) > memory * ROW);

/** In what a ledger is not as it must be, one line each. */
export function outsideOf(ledger: LedgerOfDump): readonly string[] {
  const { frames, inClasses, unread, memory, unclassified, isHealthy, sizes } = ledger;
  const lines: string[] = [];
  if (inClasses !== frames) lines.push(`${inClasses} of ${frames} frames are in a class`);
  if (unread > 0) lines.push(`${unread} page structures are not in the dump`);
  for (const { label, difference = 0 } of rowsOff(ledger))
    lines.push(`${label}: ${difference} pages, ${percent(difference, memory)} of memory`);
  if (isHealthy && unclassified > memory * UNCLASSIFIED)
    lines.push(`${percent(unclassified, memory)} are unclassified`);
  for (const size of sizes.filter(isOff)) lines.push(`${size.what}: ${size.found}, the guest told ${size.told}`);
  return lines;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** 'level 31', 'whole'. */
const form = ({ level, file }: LedgerOfDump): string =>
  file.startsWith('elf') ? 'level 31' : level === undefined || level === 0 ? 'whole' : `level ${level}`;

function groupBy<T>(items: readonly T[], key: (item: T) => string): [string, T[]][] {
  return [...Map.groupBy(items, key)].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
}

function summary(ledgers: readonly LedgerOfDump[]): string {
  const rows = groupBy(ledgers, (ledger) => `${ledger.kernel}, ${form(ledger)}`).map(([key, group]) => {
    const compared = group.flatMap(({ rows: own, memory }) =>
      own.flatMap(({ label, difference }) => (difference === undefined ? [] : [{ label, difference, memory }])),
    );
    const equal = compared.filter(({ difference }) => difference === 0).length;
    const within = compared.filter(({ difference, memory }) => Math.abs(difference) <= memory * ROW).length;
    const [largest] = compared.sort((a, b) => Math.abs(b.difference) / b.memory - Math.abs(a.difference) / a.memory);
    const most = (of: readonly LedgerOfDump[]): string =>
      of.length === 0 ? '' : percent(Math.max(...of.map(({ unclassified, memory }) => unclassified / memory)), 1, 1);
    const frames = group.every(({ frames: all, inClasses, unread }) => all === inClasses && unread === 0);
    return [
      key,
      String(group.length),
      frames
        ? 'yes'
        : `not of ${group.filter(({ frames: all, inClasses, unread }) => all !== inClasses || unread > 0).length}`,
      String(compared.length),
      String(equal),
      String(within),
      largest === undefined ? '' : `${percent(Math.abs(largest.difference), largest.memory)}, ${largest.label}`,
      most(group.filter(({ isHealthy }) => isHealthy)),
      most(group),
    ];
  });
  return table(
    [
      'kernel, dump',
      'dumps',
      'every frame in one class',
      'rows compared',
      'equal',
      'within 0.5 %',
      'largest difference',
      'unclassified, healthy',
      'all',
    ],
    rows,
  );
}

function differing(ledgers: readonly LedgerOfDump[]): string {
  const rows = ledgers.flatMap((ledger) => ledger.rows.map((row) => ({ ...row, memory: ledger.memory })));
  const byLabel = groupBy(
    rows.filter(({ difference }) => difference !== undefined),
    // Zones have rows of their own.
    ({ label }) => label.replace(/^free in node .*/, 'free, in each zone'),
  );
  return table(
    ['row', 'compared', 'equal', 'within 0.5 %', 'largest difference'],
    byLabel.map(([label, group]) => {
      const off = group.map(({ difference = 0, memory }) => Math.abs(difference) / memory);
      return [
        label,
        String(group.length),
        String(off.filter((share) => share === 0).length),
        String(off.filter((share) => share <= ROW).length),
        percent(Math.max(...off), 1, 3),
      ];
    }),
  );
}

function sizes(ledgers: readonly LedgerOfDump[]): string {
  const all = ledgers.flatMap((ledger) =>
    ledger.sizes.map((size) => ({
      ...size,
      key: `${ledger.incident} | ${ledger.incident === 'cached-files' ? 'each of its files' : size.what}`,
    })),
  );
  return table(
    ['incident', 'what', 'compared', 'right', 'largest error'],
    groupBy(all, ({ key }) => key).map(([key, group]) => {
      const [incident = '', what = ''] = key.split(' | ');
      const errors = group.map(({ told, found }) => Math.abs(found - told) / told);
      return [
        incident,
        what,
        String(group.length),
        String(group.filter((size) => !isOff(size)).length),
        percent(Math.max(...errors), 1),
      ];
    }),
  );
}

/** The generated part of docs/memory.md. */
export function ledgerPage(ledgers: readonly LedgerOfDump[]): string {
  const outside = ledgers.flatMap((ledger) =>
    outsideOf(ledger).map(
      (line) => `* ${ledger.incident}, ${ledger.kernel}, variant ${ledger.variant}, ${ledger.file}: ${line}`,
    ),
  );
  return [
    summary(ledgers),
    'Row by row, over all of them:',
    differing(ledgers),
    'What the guests told, beside what the ledger has:',
    sizes(ledgers),
    outside.length === 0 ? 'Outside of what is asked: none.' : `Outside of what is asked:\n\n${outside.join('\n')}`,
  ].join('\n\n');
}
