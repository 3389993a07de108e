/**
 * What remains of a dump whose types (BTF) and unwind tables (ORC) are left aside: the report, tasks, stacks and locks with
 * its vmlinux alone, and with a type pack made of that, compared with those that the dump's own tables give. Without any
 * file stacks are scanned: counted is how many are the same.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { table } from '../bench/statistics.ts';
import { unlimited } from '../src/base/budget.ts';
import { loadCommands } from '../src/cli/commands.ts';
import { diagnose } from '../src/diagnosis/engine.ts';
import { cpuStates, taskStack } from '../src/kernel/stack.ts';
import { readTasks } from '../src/kernel/sched.ts';
import { openDebugFile } from '../src/program/debug-file.ts';
import { openProgram } from '../src/program/open.ts';
import type { Program } from '../src/program/program.ts';
import { packTypes } from '../src/program/type-pack.ts';
import { jsonText } from '../src/render/json.ts';
import { reportJson } from '../src/render/report-json.ts';
import { encodeShape } from '../src/render/shape-json.ts';
import { Console } from '../src/shell/execute.ts';
import { parseLine } from '../src/shell/line.ts';
import { makeSession } from '../src/shell/session.ts';
import type { DumpToAsk } from './dumps.ts';
import { cacheFile } from './paths.ts';
import type { Peers } from './peers.ts';

/** What is told of one dump, by part. */
interface Told {
  readonly report: string;
  readonly tasks: string;
  readonly locks: string;
  /** Findings that are said to be certain. */
  readonly certain: number;
  /** By task. */
  readonly stacks: ReadonlyMap<string, string>;
}

export interface TablesTally {
  readonly dump: string;
  readonly release: string;
  /** Undefined when the kernel's vmlinux is not there. */
  readonly vmlinux: Difference | undefined;
  readonly pack: Difference | undefined;
  readonly scan: Difference;
}

interface Difference {
  readonly report: boolean;
  readonly tasks: boolean;
  readonly locks: boolean;
  readonly stacks: number;
  readonly sameStacks: number;
  /** Where the report first differs, for people. */
  readonly first: string | undefined;
  /** Findings that are said to be certain. */
  readonly certain: number;
}

const LOCK_COMMANDS = ['locks', 'waiters'];

export async function askTables(
  dumps: readonly DumpToAsk[],
  peers: Peers,
  said: (tally: TablesTally) => void,
): Promise<readonly TablesTally[]> {
  const commands = await loadCommands();
  const tallies: TablesTally[] = [];
  for (const { path, name } of dumps) {
    const whole = openProgram(path);
    const release = whole.vmcoreinfo.osRelease ?? '';
    const expected = tell(whole, commands);
    const without = (...more: readonly string[]): Difference | undefined => {
      const tables = more.length === 0 ? (['ORC'] as const) : (['BTF', 'ORC'] as const);
      let program: Program;
      try {
        program = openProgram([path, ...more], { without: tables });
      } catch (error) {
        // Of another build of the same release: the distribution has replaced it.
        if (error instanceof Error && error.message.includes('not of the kernel in the dump')) return undefined;
        throw error;
      }
      return difference(expected, tell(program, commands));
    };
    const vmlinux = peers.vmlinux(release);
    const byFile = vmlinux === undefined ? undefined : without(vmlinux);
    const tally = {
      dump: name,
      release,
      vmlinux: byFile,
      pack: vmlinux === undefined || byFile === undefined ? undefined : without(packOf(vmlinux, release)),
      scan: without() ?? impossible(),
    };
    said(tally);
    tallies.push(tally);
  }
  return tallies;
}

function impossible(): never {
  throw new Error('a dump without a file cannot be of another kernel than that');
}

/** Made once for each kernel. */
function packOf(vmlinux: string, release: string): string {
  const path = cacheFile(`${release}.types`);
  if (!existsSync(path)) {
    const file = openDebugFile(vmlinux);
    writeFileSync(path, packTypes(file));
    file.close();
  }
  return path;
}

function tell(program: Program, commands: Awaited<ReturnType<typeof loadCommands>>): Told {
  const { tasks } = readTasks(program);
  const states = cpuStates(program);
  const stacks = new Map<string, string>();
  for (const task of tasks) {
    const { frames, end } = taskStack(program, task, states);
    const told = frames.map(({ pc, sp, cfa, exact, registersAt }) => [pc, sp, cfa, exact, registersAt].join(' '));
    stacks.set(`${task.pid} ${task.comm} ${task.address}`, `${told.join('\n')}\n${end}`);
  }
  const console = new Console(program, makeSession(commands, ['dump']));
  const locks = LOCK_COMMANDS.map((line) => {
    const { shape } = console.run(parseLine(line)?.words ?? [], unlimited);
    return shape === undefined ? '' : jsonText(encodeShape(shape));
  });
  const report = reportOf(program);
  const told = {
    report: reportJson(report),
    certain: report.findings.filter(({ confidence }) => confidence === 'certain').length,
    tasks: tasks.map((task) => Object.values(task).map(plain).join(' ')).join('\n'),
    locks: locks.join('\n'),
    stacks,
  };
  program.close();
  return told;
}

function plain(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? `${each}` : each)) ?? '';
}

function reportOf(program: Program): Parameters<typeof reportJson>[0] {
  const steps = diagnose(program, unlimited);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function difference(expected: Told, found: Told): Difference {
  let sameStacks = 0;
  for (const [task, stack] of expected.stacks) if (found.stacks.get(task) === stack) sameStacks++;
  const theirs = found.report.split('\n');
  const line = expected.report.split('\n').findIndex((each, i) => each !== theirs[i]);
  return {
    report: expected.report === found.report,
    tasks: expected.tasks === found.tasks,
    locks: expected.locks === found.locks,
    stacks: expected.stacks.size,
    sameStacks,
    first: line < 0 ? undefined : `${expected.report.split('\n')[line]?.trim() ?? ''} <> ${theirs[line]?.trim() ?? ''}`,
    certain: found.certain,
  };
}

/** True when the vmlinux and the pack give all that the dump's own tables do, and nothing is certain that was scanned. */
export function isSame({ vmlinux, pack, scan }: TablesTally): boolean {
  const isAll = (each: Difference | undefined): boolean =>
    each === undefined || (each.report && each.tasks && each.locks && each.stacks === each.sameStacks);
  return isAll(vmlinux) && isAll(pack) && scan.certain === 0;
}

/** One dump, for people. */
export function tableLines({ vmlinux, pack, scan }: TablesTally): readonly string[] {
  const words = (name: string, each: Difference | undefined): string => {
    if (each === undefined) return `${name}: none`;
    const differ = (['report', 'tasks', 'locks'] as const).filter((part) => !each[part]);
    const parts = differ.length === 0 ? 'the same' : `${differ.join(', ')} differ (${each.first ?? ''})`;
    return `${name}: ${parts}, stacks ${each.sameStacks} of ${each.stacks}`;
  };
  return [
    words('vmlinux', vmlinux),
    words('pack', pack),
    `scan: stacks ${scan.sameStacks} of ${scan.stacks}, ${scan.certain} certain`,
  ];
}

export function tablesReport(tallies: readonly TablesTally[]): string {
  const releases = [...new Set(tallies.map(({ release }) => release))];
  const rows = releases.map((release) => {
    const of = tallies.filter((tally) => tally.release === release);
    const cells = (pick: (tally: TablesTally) => Difference | undefined): string[] => {
      const found = of.flatMap((tally) => pick(tally) ?? []);
      if (found.length === 0) return ['no vmlinux', '', '', ''];
      const share = (is: (each: Difference) => boolean): string => `${found.filter(is).length} of ${found.length}`;
      const sum = (of: (each: Difference) => number): number => found.reduce((all, each) => all + of(each), 0);
      return [
        share(({ report }) => report),
        share(({ tasks }) => tasks),
        share(({ locks }) => locks),
        `${sum(({ sameStacks }) => sameStacks)} of ${sum(({ stacks }) => stacks)}`,
      ];
    };
    const scan = cells(({ scan }) => scan);
    return [release, ...cells(({ vmlinux }) => vmlinux), cells(({ pack }) => pack)[0] ?? '', scan[3] ?? ''];
  });
  return table(
    ['kernel', 'reports', 'tasks', 'locks', 'stacks', 'reports from a pack', 'stacks by scan, no file'],
    rows,
  );
}
