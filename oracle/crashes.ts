/**
 * `npm run oracle -- --crashes`: group 'crash' alone, of every dump in whose log the kernel stopped or fell: the instruction,
 * its function, address and access, task and CPU, as drgn, objdump and the log have them, beside what the report says.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { table } from '../bench/statistics.ts';
import { openProgram } from '../src/program/open.ts';
import { Answers, answersOf, show } from './answers.ts';
import { fileHash, remembered } from './cache.ts';
import { compare, type Difference } from './compare.ts';
import { withReadable } from './drgn/twin.ts';
import type { DumpToAsk } from './dumps.ts';
import { EXPLANATIONS } from './explained.ts';
import { type CrashQuestion, sayCrash } from './ours/crash.ts';
import { oracleRoot } from './paths.ts';
import { PeerError, type Peers } from './peers.ts';

const SCRIPT = 'drgn/crash.py';

/** What drgn, objdump and the log say of a crash. @throws PeerError */
export function drgnOfCrash(
  peers: Peers,
  dump: DumpToAsk,
  kernel: { readonly release: string; readonly vmlinux: string; readonly buildId: string | undefined },
  question: CrashQuestion,
): Answers {
  const { release, vmlinux } = kernel;
  const words = [String(question.pid), ...(question.log ? ['oops'] : [])];
  const image = `${release} ${statSync(vmlinux).size} ${kernel.buildId ?? ''}`;
  const drgn = `python3-drgn ${peers.versions().get('python3-drgn') ?? ''}`;
  const parts = [fileHash(dump.path), image, drgn, fileHash(join(oracleRoot, SCRIPT)), ...words];
  const ask = (path: string): string =>
    peers.run(['python3', peers.script(SCRIPT), peers.dump(path), peers.inside(vmlinux), ...words], path);
  return answersOf(JSON.parse(remembered('drgn', parts, () => withReadable(dump.path, release, ask))));
}

/** Of one dump. */
export interface CrashTally {
  readonly dump: string;
  readonly release: string;
  /** Of the finding that says where the kernel fell; undefined where it was stopped and nothing fell. */
  readonly detector: string | undefined;
  readonly agreeing: number;
  /** Differences by the name of what explains them. */
  readonly explained: ReadonlyMap<string, number>;
  readonly unexplained: readonly Difference[];
  /** Why it could not be asked. */
  readonly missing: string | undefined;
}

/** Asks about one dump. @returns undefined when the log tells of no crash */
export function askCrash(dump: DumpToAsk, peers: Peers): CrashTally | undefined {
  const program = openProgram(dump.path);
  try {
    const ours = new Answers();
    const question = sayCrash(program, ours);
    if (question === undefined) return undefined;
    const { vmcoreinfo } = program;
    const release = vmcoreinfo.osRelease ?? 'unknown';
    const { detector } = question;
    const tally = { dump: dump.name, release, detector };
    const none = { ...tally, agreeing: 0, explained: new Map<string, number>(), unexplained: [] };
    const vmlinux = peers.vmlinux(release);
    if (vmlinux === undefined) return { ...none, missing: `no debug information of ${release}` };
    try {
      const theirs = drgnOfCrash(peers, dump, { release, vmlinux, buildId: vmcoreinfo.buildId }, question);
      const subject = {
        dump: dump.name,
        release,
        format: program.dump.format,
        level: program.dump.dumpLevel ?? 0,
        live: vmcoreinfo.crashTime === undefined,
      };
      const compared = compare(subject, ours, { oracle: 'drgn', theirs, complete: () => true }, EXPLANATIONS);
      const crash = compared.find(({ group }) => group === 'crash');
      if (crash === undefined) return { ...none, missing: undefined };
      return { ...tally, ...crash, missing: undefined };
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      return { ...none, missing: error.message };
    }
  } finally {
    program.close();
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const count = (n: number): string => n.toLocaleString('en-US');

/** The generated part of docs/oracle.md: what was asked by who says where, and each difference. */
export function crashesReport(tallies: readonly CrashTally[]): string {
  const asked = tallies.filter(({ missing }) => missing === undefined);
  const kinds = [...new Set(asked.map(({ detector }) => detector ?? ''))].sort();
  const row = (name: string, those: readonly CrashTally[]): string[] => {
    const agreeing = sum(those.map((each) => each.agreeing));
    const explained = sum(those.flatMap((each) => [...each.explained.values()]));
    const unexplained = sum(those.map((each) => each.unexplained.length));
    return [name, ...[those.length, agreeing + explained + unexplained, agreeing, explained, unexplained].map(count)];
  };
  const rows = kinds.map((kind) =>
    row(
      kind === '' ? 'none: stopped on purpose' : kind,
      asked.filter(({ detector }) => (detector ?? '') === kind),
    ),
  );
  const lines = asked.flatMap(({ dump, unexplained }) =>
    unexplained.map(({ key, ours, theirs }) => `- ${dump}, ${key}: we say ${show(ours)}; drgn says ${show(theirs)}`),
  );
  const missing = tallies.flatMap((each) => (each.missing === undefined ? [] : [`- ${each.dump}: ${each.missing}`]));
  const kernels = [...new Set(asked.map(({ release }) => release))].sort();
  return [
    `${count(asked.length)} dumps of ${kernels.join(', ')}.`,
    table(
      ['finding that says where', 'dumps', 'questions', 'agreeing', 'explained', 'unexplained'],
      [...rows, row('all', asked)],
    ),
    ...(lines.length === 0 ? [] : [lines.join('\n')]),
    ...(missing.length === 0 ? [] : [`Not asked:\n\n${missing.join('\n')}`]),
  ].join('\n\n');
}
