/**
 * The scoreboard: one entry per dump, and the page that shows them. The page and the JSON are written by
 * `npm run lab -- score` and by nobody else.
 */
import { type Verdict, VERDICTS, worst } from './judge.ts';

/** One judged dump. */
export interface Entry {
  readonly incident: string;
  readonly kernel: string;
  readonly release: string;
  readonly variant: number;
  readonly file: string;
  readonly verdict: Verdict;
  readonly why: string;
  /** Wall time of the report. */
  readonly seconds: number;
  /** Peak resident memory of the report. */
  readonly megabytes: number;
  /** Lines of the first screen at 100 columns; undefined where it was not counted. */
  readonly screen?: number;
  /** Commit that it was scored at; `+` when the sources had changed since. */
  readonly commit: string;
  /** Hash of the dump's inputs, of what is right, and of the sources that were scored. */
  readonly key: string;
}

/** What the first screen may have: somebody who is woken at night reads one. */
export const SCREEN_LINES = 24;

/** `lab/scoreboard.json`. */
export interface Scoreboard {
  readonly entries: readonly Entry[];
}

/** How entries are told apart. */
export function entryName(entry: Pick<Entry, 'incident' | 'kernel' | 'variant' | 'file'>): string {
  return `${entry.incident}/${entry.kernel}/${entry.variant}/${entry.file}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): [string, T[]][] {
  return [...Map.groupBy(items, key)].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
}

/** The longest first screen of some dumps. */
function screens(entries: readonly Entry[]): string {
  const known = entries.flatMap(({ screen }) => screen ?? []);
  return known.length === 0 ? '' : String(Math.max(...known));
}

/** Dumps whose first screen is too long. */
export function tooLong(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter(({ screen }) => screen !== undefined && screen > SCREEN_LINES);
}

/** The page, from all entries. */
export function renderScoreboard(entries: readonly Entry[]): string {
  const incidents = groupBy(entries, (entry) => entry.incident);
  const overall = incidents.map(([, group]) => worst(group.map(({ verdict }) => verdict)));
  const totals = VERDICTS.map((verdict) => `${overall.filter((one) => one === verdict).length} ${verdict}`).join(', ');
  const cells = groupBy(entries, ({ incident, kernel, file }) => `${incident} ${kernel} ${file}`);
  const rows = cells.map(([, group]) => {
    const [first] = group;
    const verdict = worst(group.map((entry) => entry.verdict));
    const bad = group.find((entry) => entry.verdict === verdict && entry.why !== '');
    return [
      first?.incident ?? '',
      first?.kernel ?? '',
      (first?.file ?? '').replace('.vmcore', ''),
      group
        .map(({ variant }) => variant)
        .sort((a, b) => a - b)
        .join(' '),
      verdict ?? '',
      (bad?.why ?? '').replaceAll('|', '\\|'),
      screens(group),
      Math.max(...group.map(({ seconds }) => seconds)).toFixed(2),
      Math.max(...group.map(({ megabytes }) => megabytes)).toFixed(0),
      [...new Set(group.map(({ commit }) => commit))].join(' '),
    ];
  });
  return [
    '# Scoreboard',
    '',
    'Written by `npm run lab -- score`; not edited by hand. Each dump was made by bringing an incident about in a guest, which',
    'told what happened itself. The first finding of the report counts, and the worst variant of an incident; see',
    '[lab/README.md](../lab/README.md).',
    '',
    `**${incidents.length} incidents: ${totals}.** The longest first screen has ${screens(entries)} lines of 100 columns; ${SCREEN_LINES} are allowed.`,
    '',
    ...table(
      ['incident', 'its worst', 'dumps'],
      incidents.map(([name, group]) => [name, worst(group.map(({ verdict }) => verdict)) ?? '', String(group.length)]),
    ),
    '',
    ...table(['incident', 'kernel', 'dump', 'variants', 'worst', 'why', 'screen', 'seconds', 'MB', 'commit'], rows),
    '',
  ].join('\n');
}
