/**
 * `npm run oracle -- --shell`: what lines of the shell show, beside what drgn reads from the same dump with the kernel's
 * debug information. For kernels that crash does not open; the others can be asked too.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { table } from '../bench/statistics.ts';
import { unlimited } from '../src/base/budget.ts';
import { loadCommands } from '../src/cli/commands.ts';
import { openProgram } from '../src/program/open.ts';
import { shapeJson } from '../src/render/shape-json.ts';
import { Console } from '../src/shell/execute.ts';
import { parseLine } from '../src/shell/line.ts';
import { makeSession } from '../src/shell/session.ts';
import { show } from './answers.ts';
import { fileHash, remembered } from './cache.ts';
import { compare, type Difference, type Subject, type Tally } from './compare.ts';
import { withReadable } from './drgn/twin.ts';
import type { DumpToAsk } from './dumps.ts';
import { SHELL } from './explained/shell.ts';
import { oracleRoot } from './paths.ts';
import type { Peers } from './peers.ts';
import { contentOf, factsOf, type Json } from './shell-facts.ts';

const SCRIPT = 'drgn/shell.py';

export interface ShellTally {
  readonly release: string;
  readonly dump: string;
  readonly tallies: readonly Tally[];
}

export async function askShell(dumps: readonly DumpToAsk[], peers: Peers): Promise<ShellTally[]> {
  const commands = await loadCommands();
  return dumps.flatMap(({ path, name }): ShellTally[] => {
    const program = openProgram(path);
    try {
      const release = program.vmcoreinfo.osRelease ?? name;
      const vmlinux = peers.vmlinux(release);
      if (vmlinux === undefined) {
        console.error(`${name}: drgn needs the debug information of ${release}`);
        return [];
      }
      const version = peers.versions().get('python3-drgn') ?? '';
      const parts = [
        fileHash(path),
        release,
        String(statSync(vmlinux).size),
        version,
        fileHash(join(oracleRoot, SCRIPT)),
      ];
      const ask = (at: string): string =>
        peers.run(['python3', peers.script(SCRIPT), peers.dump(at), peers.inside(vmlinux)], at);
      const text = remembered('drgn-shell', parts, () => withReadable(path, release, ask));
      const subject: Subject = {
        dump: name,
        release,
        format: program.dump.format,
        level: program.dump.dumpLevel ?? 0,
        live: program.vmcoreinfo.crashTime === undefined,
      };
      const shell = new Console(program, makeSession(commands, [path]));
      const tallies = Object.entries(JSON.parse(text) as Readonly<Record<string, Json>>).flatMap(([line, theirs]) => {
        const facts = factsOf(line, theirs, ourFacts(shell, line));
        return compare(subject, facts.ours, { oracle: 'drgn', theirs: facts.theirs, complete: () => false }, SHELL);
      });
      return [{ release, dump: name, tallies }];
    } finally {
      program.close();
    }
  });
}

function ourFacts(shell: Console, line: string): Json | undefined {
  const answer = shell.run(parseLine(line)?.words ?? [], unlimited);
  if (answer.shape === undefined) return undefined;
  const { result } = JSON.parse(shapeJson(answer.shape, { complete: true })) as { readonly result: Json };
  return contentOf(result);
}

const unexplained = ({ tallies }: ShellTally): readonly Difference[] => tallies.flatMap((each) => each.unexplained);

export function isShellSame(tally: ShellTally): boolean {
  return unexplained(tally).length === 0;
}

/** What differs and nothing explains, for whoever looks into it. */
export function shellDifferences(tallies: readonly ShellTally[], each = 4): string {
  return tallies
    .flatMap(({ dump, tallies: lines }) =>
      lines.flatMap(({ group, unexplained }) => [
        ...unexplained
          .slice(0, each)
          .map(({ key, ours, theirs }) => `${dump}: ${group}: ${key}: ours ${show(ours)}, drgn ${show(theirs)}`),
        ...(unexplained.length > each ? [`${dump}: ${group}: and ${unexplained.length - each} more`] : []),
      ]),
    )
    .join('\n');
}

/** The generated part of docs/crash-differences.md. */
export function shellReport(tallies: readonly ShellTally[]): string {
  const sum = (lines: readonly Tally[], of: (tally: Tally) => number): string =>
    lines.reduce((total, each) => total + of(each), 0).toLocaleString('en-US');
  return table(
    ['kernel', 'dump', 'lines', 'facts', 'equal', 'explained', 'unexplained'],
    tallies.map(({ release, dump, tallies: lines }) => [
      release,
      dump,
      String(lines.length),
      sum(lines, (each) => each.asked),
      sum(lines, (each) => each.agreeing),
      sum(lines, (each) => [...each.explained.values()].reduce((a, b) => a + b, 0)),
      sum(lines, (each) => each.unexplained.length),
    ]),
  );
}
