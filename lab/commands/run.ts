/**
 * `npm run lab -- commands [INCIDENT[/KERNEL]...]`: every command with every option on the lab's dumps, one of each incident and kernel,
 * and on fifty damaged ones; writes its part of docs/commands.md. Ends with 1 when something was found. What was found is kept in the
 * cache, so that a run on some incidents replaces only theirs; `--print` shows what is kept.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaceGenerated } from '../../bench/document.ts';
import { table } from '../../bench/statistics.ts';
import { type DumpToAsk, labDumps } from '../../oracle/dumps.ts';
import { PAGE_DAMAGES } from '../damage/damaged-dump.ts';
import { cacheFolder, labRoot } from '../paths.ts';
import type { Told } from './child.ts';
import type { Finding, Tried } from './try-lines.ts';

const page = join(labRoot, '../docs/commands.md');
/** Those that are damaged as well, each in five ways. */
const DAMAGED = [
  '01-userfault-getdents',
  '05-deleted-tmpfs',
  '08-null-deref-module',
  '10-sysrq-healthy',
  'shell-views',
];
const DAMAGED_KERNELS = ['6.1', '6.12'];
/** Percent of the pages that the commands touch and the opening of a dump does not. */
const PERCENTS = [2, 5, 10, 20, 50];
/** The dump on which options are tried with every argument and in pairs: it has something in every table. */
const THOROUGH = 'shell-views/6.1';
const SECONDS = 3600;
const MB_OF_HEAP = 3000;

export interface DumpResult {
  /** 'abba-mutex/6.1/1/zstd.vmcore'. */
  readonly name: string;
  readonly kernel: string;
  readonly thorough: boolean;
  readonly told: readonly Told[];
  /** The process did not end as it should: at which line. */
  readonly died?: Finding;
}

interface Chosen extends DumpToAsk {
  readonly incident: string;
  readonly kernel: string;
}

/** One of each incident and kernel. */
function chosen(wanted: readonly string[]): readonly Chosen[] {
  const found = new Map<string, Chosen>();
  for (const dump of labDumps(false)) {
    const [incident = '', kernel = ''] = dump.name.split('/');
    const key = `${incident}/${kernel}`;
    const isWanted = (word: string): boolean => word === incident || word === key || incident.startsWith(`${word}-`);
    if (wanted.length > 0 && !wanted.some(isWanted)) continue;
    if (!found.has(key)) found.set(key, { ...dump, incident, kernel });
  }
  // Those that tell most first.
  const rank = ({ incident }: Chosen): number => {
    const at = DAMAGED.indexOf(incident);
    return at < 0 ? 99 : at;
  };
  return [...found.values()].sort((a, b) => rank(a) - rank(b));
}

const keptPath = (): string => join(cacheFolder('commands'), 'results.json');

function kept(): readonly DumpResult[] {
  return existsSync(keptPath()) ? (JSON.parse(readFileSync(keptPath(), 'utf8')) as DumpResult[]) : [];
}

/** The page, of what was found before. */
export function printCommands(): string {
  return render(kept());
}

export function commands(wanted: readonly string[]): string {
  const results = new Map(kept().map((result) => [result.name, result]));
  for (const dump of chosen(wanted)) {
    const thorough = `${dump.incident}/${dump.kernel}` === THOROUGH;
    const isDamaged = DAMAGED.includes(dump.incident) && DAMAGED_KERNELS.includes(dump.kernel);
    const result = runChild(dump, thorough, isDamaged ? damagesOf(numberOf(dump)) : []);
    results.set(result.name, result);
    console.error(lineOf(result));
    // What is known so far is kept, whatever comes.
    writeFileSync(keptPath(), JSON.stringify([...results.values()]));
  }
  const all = [...results.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const report = render(all);
  writeFileSync(page, replaceGenerated(readFileSync(page, 'utf8'), 'every-option', report));
  if (all.some((result) => findingsOf(result).length > 0)) process.exitCode = 1;
  return report;
}

/** From 0: the same damage for the same dump, whichever are run. */
function numberOf({ incident, kernel }: Chosen): number {
  return DAMAGED.indexOf(incident) * DAMAGED_KERNELS.length + DAMAGED_KERNELS.indexOf(kernel);
}

function damagesOf(number: number): readonly string[] {
  return PAGE_DAMAGES.flatMap((kind, i) => [
    kind,
    String(PERCENTS[(number + i) % PERCENTS.length]),
    String(number + 1),
  ]);
}

function runChild(dump: Chosen, thorough: boolean, damages: readonly string[]): DumpResult {
  const place = join(tmpdir(), `kwhy-commands-${process.pid}.line`);
  const script = join(labRoot, 'commands/child.ts');
  const words = [dump.path, place, thorough ? 'thorough' : 'brief', ...damages];
  const done = spawnSync(process.execPath, [`--max-old-space-size=${MB_OF_HEAP}`, script, ...words], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: SECONDS * 1000,
  });
  const told = done.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Told);
  const line = existsSync(place) ? readFileSync(place, 'utf8') : '';
  rmSync(place, { force: true });
  const result = { name: dump.name, kernel: dump.kernel, thorough, told };
  if (done.status === 0) return result;
  const detail = `${done.signal ?? `status ${done.status}`}: ${done.stderr.slice(-2000)}`;
  return { ...result, died: { kind: 'died', line, detail } };
}

const triedOf = (told: Told): Tried | undefined => ('tried' in told ? told.tried : undefined);

/** Of a dump and its damaged copies, each with the damage. */
export function findingsOf({ told, died }: DumpResult): readonly (Finding & { readonly damage: string })[] {
  return [
    ...told.flatMap((each) => triedOf(each)?.findings.map((finding) => ({ ...finding, damage: each.damage })) ?? []),
    ...told.flatMap((each) =>
      'refused' in each && each.internal
        ? [{ kind: 'internal' as const, line: 'opening', detail: each.refused, damage: each.damage }]
        : [],
    ),
    ...(died === undefined ? [] : [{ ...died, damage: '' }]),
  ];
}

function lineOf(result: DumpResult): string {
  const tried = result.told.flatMap((each) => triedOf(each) ?? []);
  const lines = tried.reduce((sum, each) => sum + each.lines, 0);
  const seconds = tried.reduce((sum, each) => sum + each.seconds, 0);
  const findings = findingsOf(result);
  const head = `${result.name}: ${tried.length} of ${result.told.length}, ${lines} lines, ${seconds.toFixed(0)} s, ${findings.length} findings`;
  return [
    head,
    ...findings.map(({ kind, damage, line, detail }) => `  ${kind} ${damage} ${line}: ${detail.slice(0, 600)}`),
  ].join('\n');
}

/** The generated part of docs/commands.md. */
export function render(results: readonly DumpResult[]): string {
  const sound = results.map((result) => ({
    kernel: result.kernel,
    told: result.told.filter(({ damage }) => damage === ''),
  }));
  const damaged = results.flatMap(({ told }) => told.filter(({ damage }) => damage !== ''));
  const kernels = [...new Set(results.map(({ kernel }) => kernel))].sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  const rows = [
    ...kernels.map((kernel) =>
      row(
        kernel,
        sound.filter((each) => each.kernel === kernel).flatMap(({ told }) => told),
      ),
    ),
    ...PAGE_DAMAGES.map((kind) =>
      row(
        `damaged: ${kind}`,
        damaged.filter(({ damage }) => damage.startsWith(kind)),
      ),
    ),
  ];
  const findings = results.flatMap((result) => findingsOf(result).map((each) => ({ ...each, name: result.name })));
  return [
    table(
      [
        'dumps',
        'number',
        'lines',
        'answered',
        'in part',
        'failed',
        'longest line, s',
        'internal errors',
        'no end',
        'bytes',
        'status',
      ],
      rows,
    ),
    '',
    findings.length === 0
      ? 'No process died.'
      : findings
          .map(({ name, kind, damage, line }) => `- ${name} ${damage}: ${kind}: \`${line.replaceAll('`', "'")}\``)
          .join('\n'),
  ].join('\n');
}

function row(label: string, told: readonly Told[]): readonly string[] {
  const tried = told.flatMap((each) => triedOf(each) ?? []);
  const sum = (of: (each: Tried) => number): string =>
    tried.reduce((total, each) => total + of(each), 0).toLocaleString('en-US');
  const found = (kind: Finding['kind']): string =>
    sum(({ findings }) => findings.filter((finding) => finding.kind === kind).length);
  return [
    label,
    String(told.length),
    sum(({ lines }) => lines),
    sum(({ complete }) => complete),
    sum(({ partial }) => partial),
    sum(({ failed }) => failed),
    Math.max(0, ...tried.map(({ slowest }) => slowest.seconds)).toFixed(1),
    found('internal'),
    found('hang'),
    found('bytes'),
    found('status'),
  ];
}
