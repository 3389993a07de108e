/**
 * `npm run bench -- [OPTIONS] DUMP...`: builds the bundle and measures it as whole processes: the report beside drgn and
 * crash (peers.ts says how they are named), and the start. Prints what it measured and puts it into
 * docs/performance.md. See --help for the options.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseVmcoreinfo } from '../src/debuginfo/vmcoreinfo.ts';
import { openDump } from '../src/dump/open.ts';
import { replaceGenerated } from './document.ts';
import { commitLine, loadNow, machineLine } from './machine.ts';
import { type Meter, openMeter } from './measure.ts';
import { findPeers, type Peer, type Peers } from './peers.ts';
import { profileSection } from './profile.ts';
import { size, table } from './statistics.ts';
import {
  type Contender,
  HEAD,
  type Measured,
  measureInTurn,
  RATIO_HEAD,
  ratioRow,
  rowOf,
  unlessStatus,
} from './workloads.ts';

const HELP = `npm run bench -- [OPTIONS] DUMP...
  --rounds N   counted runs of each command (7)
  --profile    instead of comparing: where the time of the report on the first dump goes
  --print      do not write docs/performance.md
  --json FILE  also write every run to FILE
Peers: KWHY_BENCH_DRGN, KWHY_BENCH_CRASH (commands with {dump} {vmlinux} {script}), KWHY_BENCH_VMLINUX (a path with
{release}), see bench/peers.ts.`;

const root = join(import.meta.dirname, '..');
const bundle = join(root, 'dist', 'kwhy.js');

interface Dump {
  readonly path: string;
  readonly release: string | undefined;
  readonly title: string;
}

function describeDump(path: string): Dump {
  const dump = openDump(path);
  try {
    const release = dump.vmcoreinfo === undefined ? undefined : parseVmcoreinfo(dump.vmcoreinfo).osRelease;
    const title = `${basename(path)} (${dump.description}, ${size(dump.fileSize)}, ${dump.counts.inFile} pages, kernel ${release ?? 'unknown'})`;
    return { path, release, title };
  } finally {
    dump.close();
  }
}

function kwhy(work: string, ...args: readonly string[]): Contender {
  return { name: 'kwhy', work, command: [process.execPath, bundle, ...args], failure: unlessStatus(0, 1) };
}

interface Section {
  readonly title: string;
  readonly measured: readonly Measured[];
}

function versionOf(meter: Meter, peer: Peer, dump: string, vmlinux: string): string {
  const version = peer.version.exec(meter.run(peer.versionCommand(dump, vmlinux)).stdout)?.[1] ?? 'of unknown version';
  return version.startsWith(peer.name) ? version : `${peer.name} ${version}`;
}

/** @param versions - of the peers by name; what is not known yet is added */
function reportSection(meter: Meter, dump: Dump, peers: Peers, rounds: number, versions: Map<string, string>): Section {
  const contenders = [kwhy('the report, without debuginfo', dump.path)];
  const vmlinux = peers.found.length === 0 ? undefined : peers.vmlinuxOf(dump.release);
  for (const peer of peers.found) {
    if (vmlinux === undefined) break;
    if (!versions.has(peer.name)) versions.set(peer.name, versionOf(meter, peer, dump.path, vmlinux));
    contenders.push({
      name: peer.name,
      work: peer.work,
      command: peer.command(dump.path, vmlinux),
      failure: (run) =>
        unlessStatus(0)(run) ?? (peer.sign.test(run.stdout) ? undefined : 'its output is not as expected'),
    });
  }
  return { title: dump.title, measured: measureInTurn(meter, contenders, rounds) };
}

function startSection(meter: Meter, rounds: number): Section {
  const node: Contender = {
    name: 'node',
    work: 'an empty script: the floor',
    command: [process.execPath, '-e', '0'],
    failure: unlessStatus(0),
  };
  return {
    title: 'Start',
    measured: measureInTurn(meter, [node, kwhy('--version', '--version'), kwhy('--help', '--help')], rounds * 3),
  };
}

function markdownOf({ title, measured }: Section): string {
  const [own, ...others] = measured;
  const ratios =
    own?.contender.name !== 'kwhy' || own.failed !== undefined
      ? []
      : others.filter((other) => other.failed === undefined).map((other) => ratioRow(own, other));
  const parts = [`### ${title}`, table(HEAD, measured.map(rowOf))];
  if (ratios.length > 0) parts.push(table(RATIO_HEAD, ratios));
  return parts.join('\n\n');
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

function compare(meter: Meter, dumps: readonly Dump[], rounds: number, json: string | undefined): string {
  const peers = findPeers(process.env);
  const before = loadNow();
  const versions = new Map<string, string>();
  const sections = dumps.map((dump) => reportSection(meter, dump, peers, rounds, versions));
  sections.push(startSection(meter, rounds));
  if (json !== undefined) writeFileSync(json, jsonOf(sections));
  const facts = [
    `- ${machineLine()}; load ${before} before, ${loadNow()} after (these runs included)`,
    `- kwhy at ${commitLine(root)}${[...versions.values()].map((version) => `; ${version}`).join('')}`,
    `- medians of ${rounds} rounds (start: ${rounds * 3}), the processes in turn after one round that is not counted; files in the page cache`,
    `- ${meter.description}`,
    ...peers.missing.map((line) => `- not measured: ${line}`),
  ];
  return [facts.join('\n'), ...sections.map(markdownOf)].join('\n\n');
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '7' },
      profile: { type: 'boolean', default: false },
      print: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const [first] = positionals;
  if (values.help || first === undefined || !Number.isInteger(rounds) || rounds < 1 || rounds > 1000) {
    console.log(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const dumps = (values.profile ? [first] : positionals).map(describeDump);
  const built = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
  if (built.status !== 0) throw new Error('the bundle could not be built');
  const meter = openMeter();
  try {
    const [name, text] = values.profile
      ? ['profile', dumps.map((dump) => profileSection(meter, bundle, dump.path, dump.title, rounds)).join('\n\n')]
      : ['comparison', compare(meter, dumps, rounds, values.json)];
    console.log(text);
    if (values.print) return;
    const document = join(root, 'docs', 'performance.md');
    writeFileSync(document, replaceGenerated(readFileSync(document, 'utf8'), name, text));
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
