/**
 * `npm run bench -- [OPTIONS] DUMP...`: builds the bundle and measures it as whole processes beside drgn and crash
 * (peers.ts says how they are named, works.ts what is asked). Prints what it measured and puts it into
 * docs/performance.md. See --help for the options.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseVmcoreinfo } from '../src/debuginfo/vmcoreinfo.ts';
import { openDump } from '../src/dump/open.ts';
import { replaceGenerated } from './document.ts';
import { loadingSection } from './loading.ts';
import { commitLine, loadNow, machineLine } from './machine.ts';
import { type Meter, openMeter } from './measure.ts';
import { pagesSection } from './pages-section.ts';
import { findPeers, type Peer, type Peers } from './peers.ts';
import { profileSection } from './profile.ts';
import { scalingSection } from './scaling.ts';
import { size, table } from './statistics.ts';
import {
  afterStartRow,
  type Contender,
  HEAD,
  type Measured,
  measureInTurn,
  RATIO_HEAD,
  ratioRow,
  rowOf,
  unlessStatus,
} from './workloads.ts';
import { STARTS, type Work, WORKS } from './works.ts';

const HELP = `npm run bench -- [OPTIONS] DUMP...      the report beside its peers, and the start
  --work NAMES    other works instead, of: ${WORKS.map(({ name }) => name).join(', ')} (separated by commas)
  --profile       where the time of the report on the first dump goes
  --loading       what symbols, types and unwind rules cost, kernel by kernel
  --pages         reading every page, format by format
  --scaling       how the report (with --work another) grows with the tasks of the dumps
  --by pages      with --scaling: with their page frames instead
  --rounds N      counted runs of each command (7)
  --part NAME     the part of docs/performance.md to write, where it is not the one that belongs to the option
  --print         do not write docs/performance.md
  --json FILE     also write every run of a comparison to FILE
Peers: KWHY_BENCH_DRGN, KWHY_BENCH_CRASH (commands with {dump} {vmlinux} {script}), KWHY_BENCH_VMLINUX (a path with
{release}), see bench/peers.ts.`;

const root = join(import.meta.dirname, '..');
const bundle = join(root, 'dist', 'kwhy.js');

interface Dump {
  readonly path: string;
  readonly release: string | undefined;
  /** Page frames up to the last. */
  readonly frames: number;
  readonly title: string;
}

function describeDump(path: string): Dump {
  const dump = openDump(path);
  try {
    const release = dump.vmcoreinfo === undefined ? undefined : parseVmcoreinfo(dump.vmcoreinfo).osRelease;
    const title = `${basename(path)} (${dump.description}, ${size(dump.fileSize)}, ${dump.counts.inFile} pages, kernel ${release ?? 'unknown'})`;
    return { path, release, frames: dump.maxPfn, title };
  } finally {
    dump.close();
  }
}

function kwhy(work: string, args: readonly string[]): Contender {
  return { name: 'kwhy', work, command: [process.execPath, bundle, ...args], failure: unlessStatus(0, 1) };
}

interface Section {
  readonly title: string;
  readonly measured: readonly Measured[];
  /** What only starting kwhy and crash takes. */
  readonly starts?: readonly Measured[];
}

function versionOf(meter: Meter, peer: Peer, dump: string, vmlinux: string): string {
  const output = meter.run(peer.command(peer.versionScript, dump, vmlinux)).stdout;
  const version = peer.version.exec(output)?.[1] ?? 'of unknown version';
  return version.startsWith(peer.name) ? version : `${peer.name} ${version}`;
}

/** @param versions - of the peers by name; what is not known yet is added */
function workSection(
  meter: Meter,
  work: Work,
  dump: Dump,
  peers: Peers,
  rounds: number,
  versions: Map<string, string>,
): Section {
  const vmlinux = peers.found.length === 0 ? undefined : peers.vmlinuxOf(dump.release);
  const ours = work.kwhy(dump.path, vmlinux);
  const contenders = ours === undefined ? [] : [kwhy(work.work, ours)];
  for (const asked of vmlinux === undefined ? [] : work.peers) {
    const peer = peers.found.find(({ name }) => name === asked.peer);
    if (peer === undefined || vmlinux === undefined) continue;
    if (!versions.has(peer.name)) versions.set(peer.name, versionOf(meter, peer, dump.path, vmlinux));
    contenders.push({
      name: peer.name,
      work: asked.work,
      command: peer.command(asked.script, dump.path, vmlinux),
      failure: (run) =>
        unlessStatus(0)(run) ?? (asked.sign.test(run.stdout) ? undefined : 'its output is not as expected'),
      bar: asked.bar,
    });
  }
  const title = work.name === 'report' ? dump.title : `${work.name}: ${dump.title}`;
  const crash = peers.found.find(({ name }) => name === 'crash');
  const wanted = contenders.some(({ bar }) => bar?.afterStart !== undefined);
  if (!wanted || crash === undefined || vmlinux === undefined)
    return { title, measured: measureInTurn(meter, contenders, rounds) };
  const starts: readonly Contender[] = [
    kwhy('its start', STARTS.kwhy(dump.path)),
    {
      name: 'crash',
      work: 'its start',
      command: crash.command(STARTS.crash, dump.path, vmlinux),
      failure: unlessStatus(0),
    },
  ];
  const all = measureInTurn(meter, [...contenders, ...starts], rounds);
  return { title, measured: all.slice(0, contenders.length), starts: all.slice(contenders.length) };
}

function startSection(meter: Meter, rounds: number): Section {
  const node: Contender = {
    name: 'node',
    work: 'an empty script: the floor',
    command: [process.execPath, '-e', '0'],
    failure: unlessStatus(0),
  };
  const own = [kwhy('--version', ['--version']), kwhy('--help', ['--help'])];
  return { title: 'Start', measured: measureInTurn(meter, [node, ...own], rounds * 3) };
}

function markdownOf({ title, measured, starts = [] }: Section): string {
  const [own, ...others] = measured;
  const ratios =
    own?.contender.name !== 'kwhy' || own.failed !== undefined
      ? []
      : others
          .filter((other) => other.failed === undefined && other.contender.name !== 'kwhy')
          .flatMap((other) => [ratioRow(own, other), ...afterStart(own, other, starts)]);
  const parts = [`### ${title}`, table(HEAD, [...measured, ...starts].map(rowOf))];
  if (ratios.length > 0) parts.push(table(RATIO_HEAD, ratios));
  return parts.join('\n\n');
}

function afterStart(own: Measured, other: Measured, starts: readonly Measured[]): readonly (readonly string[])[] {
  const [ownStart, otherStart] = starts;
  const wanted = other.contender.bar?.afterStart !== undefined;
  return wanted && ownStart !== undefined && otherStart !== undefined
    ? [afterStartRow(own, other, [ownStart, otherStart])]
    : [];
}

function jsonOf(sections: readonly Section[]): string {
  const data = sections.map(({ title, measured }) => ({
    title,
    processes: measured.map(({ contender, runs, failed }) => ({
      name: contender.name,
      work: contender.work,
      failed,
      runs: runs.map(({ wall, cpu, peak }) => ({ wall, cpu, peak })),
    })),
  }));
  return `${JSON.stringify(data, undefined, 2)}\n`;
}

interface Comparison {
  readonly dumps: readonly Dump[];
  readonly works: readonly Work[];
  readonly rounds: number;
  readonly json: string | undefined;
}

function compare(meter: Meter, { dumps, works, rounds, json }: Comparison): string {
  const peers = findPeers(process.env);
  const before = loadNow();
  const versions = new Map<string, string>();
  const sections = dumps.flatMap((dump) =>
    works.map((work) => workSection(meter, work, dump, peers, rounds, versions)),
  );
  const withStart = works.some(({ name }) => name === 'report');
  if (withStart) sections.push(startSection(meter, rounds));
  if (json !== undefined) writeFileSync(json, jsonOf(sections));
  const counted = `medians of ${rounds} rounds${withStart ? ` (start: ${rounds * 3})` : ''}`;
  const facts = [
    `- ${machineLine()}; load ${before} before, ${loadNow()} after (these runs included)`,
    `- kwhy at ${commitLine(root)}${[...versions.values()].map((version) => `; ${version}`).join('')}`,
    `- ${counted}, the processes in turn after one round that is not counted; files in the page cache`,
    `- ${meter.description}`,
    ...peers.missing.map((line) => `- not measured: ${line}`),
  ];
  return [facts.join('\n'), ...sections.map(markdownOf)].join('\n\n');
}

/** How many tasks the report says that the dump has. */
function tasksOf(path: string): number {
  const { stdout } = spawnSync(process.execPath, [bundle, path, '--json'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const { system } = JSON.parse(stdout) as { readonly system: { readonly tasks?: { readonly total: number } } };
  return system.tasks?.total ?? Number.NaN;
}

const OPTIONS = {
  work: { type: 'string' },
  profile: { type: 'boolean', default: false },
  loading: { type: 'boolean', default: false },
  pages: { type: 'boolean', default: false },
  scaling: { type: 'boolean', default: false },
  by: { type: 'string' },
  rounds: { type: 'string', default: '7' },
  part: { type: 'string' },
  print: { type: 'boolean', default: false },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>['values'];

/** The name of the part of the document, and its text. */
function measurePart(
  meter: Meter,
  values: Values,
  paths: readonly string[],
  rounds: number,
): readonly [string, string] {
  const dumps = (values.profile ? paths.slice(0, 1) : paths).map(describeDump);
  const [first] = dumps;
  if (values.profile && first !== undefined) {
    return ['profile', profileSection(meter, bundle, first.path, first.title, rounds)];
  }
  const machine = `- ${machineLine()}; load ${loadNow()} before; kwhy at ${commitLine(root)}; medians of ${rounds} rounds`;
  if (values.loading) return ['loading', loadingSection(bundle, dumps, rounds)];
  if (values.pages) return ['pages', `${machine}\n\n${pagesSection(dumps, rounds)}`];
  if (values.scaling) {
    const work = worksNamed(values.work ?? 'report')[0];
    if (work === undefined) throw new Error('which work?');
    const scaled = dumps.map((dump) => ({
      title: dump.title,
      tasks: tasksOf(dump.path),
      pages: dump.frames,
      contender: kwhy(work.work, work.kwhy(dump.path, undefined) ?? []),
    }));
    const by = values.by === 'pages' ? 'pages' : 'tasks';
    const part = values.work === undefined ? 'scaling' : `scaling-${work.name}${by === 'pages' ? '-pages' : ''}`;
    return [part, `${machine}; ${work.work}\n\n${scalingSection(meter, scaled, rounds, by)}`];
  }
  const works = worksNamed(values.work ?? 'report');
  const part = values.work === undefined ? 'comparison' : works.map(({ name }) => name).join('-');
  return [part, compare(meter, { dumps, works, rounds, json: values.json })];
}

function worksNamed(names: string): readonly Work[] {
  return names.split(',').map((name) => {
    const work = WORKS.find((known) => known.name === name);
    if (work === undefined) throw new Error(`there is no work '${name}'`);
    return work;
  });
}

function main(): void {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const rounds = Number(values.rounds);
  if (values.help || positionals.length === 0 || !Number.isInteger(rounds) || rounds < 1 || rounds > 1000) {
    console.log(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const built = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
  if (built.status !== 0) throw new Error('the bundle could not be built');
  const meter = openMeter();
  try {
    const [name, text] = measurePart(meter, values, positionals, rounds);
    console.log(text);
    if (values.print) return;
    const document = join(root, 'docs', 'performance.md');
    writeFileSync(document, replaceGenerated(readFileSync(document, 'utf8'), values.part ?? name, text));
  } finally {
    meter.close();
  }
}

try {
  main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
