/**
 * `npm run oracle -- --session`: lines of the shell typed into crash and into ours, and the answers compared line by line.
 * Blanks at the ends of lines, how far tabs lead and the `$1 = ` of gdb count for nothing; the order of the lines does not
 * either where crash takes it from a hash.
 */
import { unlimited } from '../src/base/budget.ts';
import { loadCommands } from '../src/cli/commands.ts';
import { openProgram } from '../src/program/open.ts';
import { shapeChunks } from '../src/render/shape-text.ts';
import { Console } from '../src/shell/execute.ts';
import { parseLine } from '../src/shell/line.ts';
import { makeSession } from '../src/shell/session.ts';
import { table } from '../bench/statistics.ts';
import { fileHash, remembered } from './cache.ts';
import { cut } from './crash/answers.ts';
import type { DumpToAsk } from './dumps.ts';
import { LINES } from './session-lines.ts';
import { reasonOf } from './session-reasons.ts';
import type { Peers } from './peers.ts';

const MARK = '@@@ kwhy ';

export interface LineResult {
  readonly line: string;
  /** Lines that crash answers, and how many of them we answer too. */
  readonly theirs: number;
  readonly shared: number;
  /** All lines equal, in their order, and none more. */
  readonly equal: boolean;
  /** Of crash's lines those that we do not answer. */
  readonly missing: readonly string[];
}

export interface SessionTally {
  readonly release: string;
  readonly results: readonly LineResult[];
}

export async function askSession(dumps: readonly DumpToAsk[], peers: Peers): Promise<SessionTally[]> {
  const commands = await loadCommands();
  return dumps.flatMap(({ path, name }): SessionTally[] => {
    const release = releaseOf(path) ?? name;
    const vmlinux = peers.vmlinux(release);
    if (vmlinux === undefined) {
      console.error(`${name}: crash needs the debug information of ${release}`);
      return [];
    }
    // The same to both, so that files and lines are compared too.
    const program = openProgram(path, { debuginfo: vmlinux });
    try {
      const script = ['set scroll off', ...LINES.flatMap((line) => [`!echo "${MARK}${line}"`, line]), 'quit', ''].join(
        '\n',
      );
      const parts = [fileHash(path), release, peers.versions().get('crash') ?? '', script];
      const session = remembered('crash-session', parts, () =>
        peers.run(['crash', '-s', peers.inside(vmlinux), peers.dump(path)], path, script),
      );
      const answers = cut(session);
      const shell = new Console(program, makeSession(commands, [path]));
      const results = LINES.map((line) => compareLine(line, lines(answers.get(line) ?? ''), ourLines(shell, line)));
      return [{ release, results }];
    } finally {
      program.close();
    }
  });
}

function releaseOf(path: string): string | undefined {
  const program = openProgram(path);
  try {
    return program.vmcoreinfo.osRelease;
  } finally {
    program.close();
  }
}

/** What we answer; `| head` is done here. */
function ourLines(shell: Console, line: string): readonly string[] {
  const [command = '', pipe] = line.split(/ \| (?=head)/);
  const answer = shell.run(parseLine(command)?.words ?? [], unlimited);
  let text = '';
  try {
    if (answer.shape !== undefined) for (const chunk of shapeChunks(answer.shape, { colour: false })) text += chunk;
  } catch (error) {
    answer.failed(error);
  }
  const all = lines(text);
  const most = pipe === undefined ? all.length : Number(/-(\d+)/.exec(pipe)?.[1] ?? 10);
  return all.slice(0, most);
}

/** Without what counts for nothing, and without empty lines at the end. */
export function lines(text: string): readonly string[] {
  const all = text.split('\n').map((line) =>
    line
      .replaceAll('\t', ' ')
      .replace(/^\$\d+ = /, '')
      .replace(/ = \$\d+ = /, ' = ')
      // Where Debian built the kernel; we show paths as of the source tree.
      .replaceAll(/\bdebian\/build\/[^/ ]+\//g, '')
      .replaceAll(/(?<= )\.\.\/(?=\w)/g, '')
      .replaceAll(/ +/g, ' ')
      .trimEnd(),
  );
  while (all.at(-1) === '') all.pop();
  return all;
}

export function compareLine(line: string, theirs: readonly string[], ours: readonly string[]): LineResult {
  const left = new Map<string, number>();
  for (const each of ours) left.set(each, (left.get(each) ?? 0) + 1);
  const lines = [...left.keys()].toSorted();
  const take = (each: string): boolean => {
    const n = left.get(each) ?? 0;
    if (n > 0) left.set(each, n - 1);
    return n > 0;
  };
  const missing = theirs.filter((each) => !take(each) && !(each !== '' && take(longer(lines, left, each) ?? each)));
  const equal = theirs.length === ours.length && theirs.every((each, i) => each === ours[i]);
  return { line, theirs: theirs.length, shared: theirs.length - missing.length, equal, missing };
}

/** A line of ours that says the same, and more behind it: columns that only we have. */
function longer(sorted: readonly string[], left: ReadonlyMap<string, number>, line: string): string | undefined {
  const start = `${line} `;
  let low = 0;
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? '') < start) low = middle + 1;
    else high = middle;
  }
  for (; sorted[low]?.startsWith(start) === true; low++) if ((left.get(sorted[low] ?? '') ?? 0) > 0) return sorted[low];
  return undefined;
}

const isSame = ({ theirs, shared }: LineResult): boolean => theirs === shared;

/** For the terminal, and for docs/crash-differences.md. */
export function sessionReport(tallies: readonly SessionTally[]): string {
  const rows = tallies.map((tally) => {
    const { release, results } = tally;
    const missing = results.reduce((sum, each) => sum + each.missing.length, 0);
    const without = unexplained(tally).length;
    const equal = results.filter((each) => each.equal).length;
    const same = results.filter((each) => !each.equal && isSame(each)).length;
    const near = results.filter((each) => !isSame(each) && each.shared >= each.theirs * 0.9).length;
    const theirs = results.reduce((sum, each) => sum + each.theirs, 0);
    const shared = results.reduce((sum, each) => sum + each.shared, 0);
    const rest = results.length - equal - same - near;
    return [
      release,
      ...[results.length, equal, same, near, rest, theirs, shared, missing - without, without].map((n) =>
        n.toLocaleString('en-US'),
      ),
    ];
  });
  return table(
    [
      'kernel',
      'lines asked',
      'equal',
      "all of crash's, in another order or with more",
      '90 % and more',
      'less',
      "crash's lines",
      'of them ours too',
      'explained',
      'unexplained',
    ],
    rows,
  );
}

/** Lines of crash that we do not answer, and nothing explains. */
export function unexplained({ results }: SessionTally): readonly string[] {
  return results.flatMap(({ line, missing }) =>
    missing.flatMap((each) => (reasonOf(line, each) === undefined ? [`${line}: ${each}`] : [])),
  );
}

/** What differs, for whoever looks into it: a line for each reason of each command, with an example. */
export function differences(tallies: readonly SessionTally[]): string {
  return tallies
    .flatMap(({ release, results }) =>
      results.flatMap(({ line, theirs, missing }) => {
        const reasons = new Map<string, string[]>();
        for (const each of missing) {
          const why = reasonOf(line, each) ?? 'UNEXPLAINED';
          reasons.set(why, [...(reasons.get(why) ?? []), each]);
        }
        return [...reasons].map(
          ([why, lines]) =>
            `${release}: ${line}: ${lines.length} of ${theirs}: ${why}; crash: ${lines[0]?.slice(0, 110) ?? ''}`,
        );
      }),
    )
    .join('\n');
}
