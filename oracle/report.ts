/**
 * What a run found, as text, as JSON and as the generated part of docs/oracle.md.
 */
import { table } from '../bench/statistics.ts';
import type { Asked } from './ask.ts';
import { show } from './answers.ts';
import type { Explanation, Tally, Verdict } from './compare.ts';

interface Sum {
  asked: number;
  agreeing: number;
  explained: number;
  unexplained: number;
}

const count = (n: number): string => n.toLocaleString('en-US');

function add(sum: Sum, tally: Tally): void {
  sum.asked += tally.asked;
  sum.agreeing += tally.agreeing;
  for (const n of tally.explained.values()) sum.explained += n;
  sum.unexplained += tally.unexplained.length;
}

function sumBy(asked: readonly Asked[], keyOf: (tally: Tally) => string): ReadonlyMap<string, Sum> {
  const sums = new Map<string, Sum>();
  for (const { tallies } of asked)
    for (const tally of tallies) {
      const key = keyOf(tally);
      const sum = sums.get(key) ?? { asked: 0, agreeing: 0, explained: 0, unexplained: 0 };
      sums.set(key, sum);
      add(sum, tally);
    }
  return sums;
}

/** Differences that nothing explains. */
export function unexplainedOf(asked: readonly Asked[]): number {
  let sum = 0;
  for (const { tallies } of asked) for (const { unexplained } of tallies) sum += unexplained.length;
  return sum;
}

export function summaryTable(asked: readonly Asked[]): string {
  const rows = [...sumBy(asked, ({ oracle, group }) => `${oracle}\0${group}`)].map(([key, sum]) => [
    ...key.split('\0'),
    ...[sum.asked, sum.agreeing, sum.explained, sum.unexplained].map(count),
  ]);
  const total = [...sumBy(asked, () => 'all').values()].map((sum) =>
    ['all', '', sum.asked, sum.agreeing, sum.explained, sum.unexplained].map((cell) =>
      typeof cell === 'number' ? count(cell) : cell,
    ),
  );
  return table(['oracle', 'about', 'questions', 'agreeing', 'explained', 'unexplained'], [...rows, ...total]);
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  oracle: 'Where an oracle is wrong, or says less than there is',
  both: 'Where both are right',
  later: 'Where the machine went on after it was recorded',
};

/** How often each explanation of a verdict was used. */
function explainedTable(asked: readonly Asked[], explanations: readonly Explanation[], verdict: Verdict): string {
  const used = new Map<string, number>();
  for (const { tallies } of asked)
    for (const { oracle, group, explained } of tallies)
      for (const [name, n] of explained) {
        const key = `${oracle}\0${group}\0${name}`;
        used.set(key, (used.get(key) ?? 0) + n);
      }
  const rows = [...used].flatMap(([key, n]) => {
    const [oracle = '', group = '', name = ''] = key.split('\0');
    const why = explanations.find(
      (each) => each.oracle === oracle && each.name === name && (each.group === group || each.group === '*'),
    );
    return why?.verdict === verdict ? [[oracle, group, name, count(n), why.argument]] : [];
  });
  return table(['oracle', 'about', 'difference', 'times', 'argument'], rows);
}

const VERDICT_ORDER: readonly Verdict[] = ['oracle', 'both', 'later'];

/** Explanations that no difference needed: of kernels or formats that were not among the dumps, or of no use any more. */
function unusedLine(asked: readonly Asked[], explanations: readonly Explanation[]): string {
  const used = new Set(
    asked.flatMap(({ tallies }) =>
      tallies.flatMap(({ oracle, explained }) => [...explained.keys()].map((name) => `${oracle}: ${name}`)),
    ),
  );
  const unused = new Set(
    explanations.map(({ oracle, name }) => `${oracle}: ${name}`).filter((each) => !used.has(each)),
  );
  return unused.size === 0 ? '' : `not needed: ${[...unused].join('; ')}`;
}

function differences(asked: readonly Asked[], most: number): string[] {
  const lines: string[] = [];
  for (const { dump, tallies } of asked)
    for (const { oracle, group, unexplained } of tallies) {
      for (const { key, ours, theirs } of unexplained.slice(0, most))
        lines.push(`${dump.name}: ${oracle}, ${group}, ${key}: we say ${show(ours)}; ${oracle} says ${show(theirs)}`);
      if (unexplained.length > most) lines.push(`${dump.name}: ${oracle}, ${group}: ${unexplained.length - most} more`);
    }
  return lines;
}

function missingLines(asked: readonly Asked[]): string[] {
  const dumps = new Map<string, number>();
  for (const { missing } of asked) for (const line of missing) dumps.set(line, (dumps.get(line) ?? 0) + 1);
  return [...dumps].map(([line, n]) => `not asked of ${n} ${n === 1 ? 'dump' : 'dumps'}: ${line}`);
}

/** What stands in docs/oracle.md between the markers. */
export function markdown(
  asked: readonly Asked[],
  explanations: readonly Explanation[],
  versions: ReadonlyMap<string, string>,
): string {
  const kernels = [...new Set(asked.map(({ subject }) => subject.release))].sort();
  const facts = [
    `- ${asked.length} dumps of ${kernels.join(', ')}`,
    `- ${[...versions].map(([name, version]) => `${name} ${version}`).join(', ')}`,
    ...missingLines(asked).map((line) => `- ${line}`),
  ];
  const open = differences(asked, 20).map((line) => `- ${line}`);
  return [
    facts.join('\n'),
    summaryTable(asked),
    ...VERDICT_ORDER.flatMap((verdict) => [`### ${VERDICTS[verdict]}`, explainedTable(asked, explanations, verdict)]),
    '### Unexplained differences',
    open.length === 0 ? 'None.' : open.join('\n'),
  ].join('\n\n');
}

/** For the terminal. */
export function text(asked: readonly Asked[], explanations: readonly Explanation[]): string {
  return [
    summaryTable(asked),
    ...VERDICT_ORDER.map((verdict) => `${VERDICTS[verdict]}:\n${explainedTable(asked, explanations, verdict)}`),
    unusedLine(asked, explanations),
    missingLines(asked).join('\n'),
    differences(asked, 20).join('\n'),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

export function json(asked: readonly Asked[], versions: ReadonlyMap<string, string>): string {
  const dumps = asked.map(({ dump, subject, tallies, missing }) => ({
    dump: dump.name,
    release: subject.release,
    missing,
    groups: tallies.map(({ oracle, group, asked: questions, agreeing, explained, unexplained }) => ({
      oracle,
      group,
      questions,
      agreeing,
      explained: Object.fromEntries(explained),
      unexplained: unexplained.map(({ key, ours, theirs }) => ({ key, ours: show(ours), theirs: show(theirs) })),
    })),
  }));
  return `${JSON.stringify({ versions: Object.fromEntries(versions), dumps }, undefined, 2)}\n`;
}
