/**
 * Finds out what `kwhy check` tells, within a time: each part has a share of it and is left out when that is over. Only
 * the headers and indexes are read without a limit, as without them nothing is known.
 */
import { type Budget, Checkpoint, limitedBudget } from '../base/budget.ts';
import { attempt, CancelledError, isDataError, UsageError } from '../base/errors.ts';
import type { DumpFile, PageCounts } from '../dump/dump-file.ts';
import { openDump, type OpenedFile } from '../dump/open.ts';
import { cpus } from '../kernel/cpus.ts';
import { readLog } from '../kernel/printk.ts';
import { readTasks, type Task, threadCount } from '../kernel/sched.ts';
import { cpuStates, taskStack } from '../kernel/stack.ts';
import type { ProgramDescriptor } from '../program/descriptor.ts';
import { programOf } from '../program/open.ts';
import type { Program } from '../program/program.ts';
import { type PageSample, samplePages } from './sample.ts';

/** Milliseconds, all in all and of each part. Together with the start of the process it stays below two seconds. */
const TIME = {
  all: 1400,
  kernel: 1000,
  counts: 250,
  sample: 400,
  leastSample: 150,
  log: 200,
  tasks: 600,
  stacks: 300,
} as const;

const NT_PRSTATUS = 1;

/** The value, or why there is none; undefined when the time was over. */
export type Part<T> = { readonly value: T } | { readonly problem: string } | undefined;

export function valueOf<T>(part: Part<T>): T | undefined {
  return part !== undefined && 'value' in part ? part.value : undefined;
}

export interface KernelParts {
  readonly release: string | undefined;
  readonly buildId: string | undefined;
  /** `linux_banner`. */
  readonly banner: string | undefined;
  /** Seconds since 1970; only a crash writes it. */
  readonly crashTime: number | undefined;
  readonly pagingLevels: 4 | 5;
  /** How it was found where no VMCOREINFO note tells. */
  readonly foundBy: string | undefined;
  /** Where its tables are. */
  readonly tables: Pick<ProgramDescriptor, 'kallsyms' | 'btf' | 'orc'>;
  readonly problems: readonly string[];
}

export interface TaskParts {
  /** Without idle tasks. */
  readonly tasks: number;
  /** The kernel's own count. */
  readonly expected: number | undefined;
  readonly problems: readonly string[];
}

/** Stacks of tasks in uninterruptible sleep: what most hangs are told by. */
export interface StackParts {
  readonly blocked: number;
  /** So many were looked at in the time there was, and so many of these are whole. */
  readonly looked: number;
  readonly whole: number;
}

/** How much was there, and why not all. */
export interface ListParts {
  readonly number: number;
  readonly problem: string | undefined;
}

export interface Contents {
  readonly tasks: Part<TaskParts>;
  readonly stacks: Part<StackParts>;
  readonly log: Part<ListParts>;
  readonly modules: Part<ListParts>;
  readonly onlineCpus: Part<number>;
  /** The kernel's own count of tasks. */
  readonly threads: number | undefined;
}

/** Reads one part within so many milliseconds. */
type ReadPart = <T>(milliseconds: number, read: () => T) => Part<T>;

export interface Examination {
  readonly files: readonly OpenedFile[];
  readonly dump: Pick<
    DumpFile,
    'description' | 'format' | 'machine' | 'pageSize' | 'dumpLevel' | 'maxPfn' | 'fileSize' | 'vmcoreinfo'
  >;
  /** How many of each kind, by owner and type: 'CORE/1'. */
  readonly notes: ReadonlyMap<string, number>;
  /** NT_PRSTATUS: one for each CPU whose registers are in the file. */
  readonly registerNotes: number;
  readonly counts: Part<PageCounts>;
  readonly sample: PageSample;
  readonly kernel: Part<KernelParts>;
  /** Undefined without a kernel. */
  readonly contents: Contents | undefined;
  /** Of the file; reading the sample may have added some. */
  readonly problems: readonly string[];
}

/**
 * @param now - milliseconds on a steady clock
 * @param start - when the work began, on the same clock
 * @param budget - of whoever asks; its CancelledError passes
 * @throws UsageError when it is no dump, FormatError when it is too damaged to start with, CancelledError
 */
export function examine(
  paths: readonly string[],
  { now, start, budget }: { readonly now: () => number; readonly start: number; readonly budget: Budget },
): Examination {
  const checkpoint = new Checkpoint(budget);
  const files: OpenedFile[] = [];
  const dump = openDump(paths, { checkpoint, onFile: (file) => void files.push(file) });
  const share = (milliseconds: number): Budget => limitedBudget(now, Math.min(start + TIME.all, now() + milliseconds));
  const part: ReadPart = (milliseconds, read) => {
    try {
      return { value: checkpoint.within(share(milliseconds), read) };
    } catch (error) {
      budget.check();
      if (error instanceof CancelledError) return undefined;
      if (isDataError(error) || error instanceof UsageError) return { problem: error.message };
      throw error;
    }
  };
  try {
    const opened = part(TIME.kernel, () => programOf(dump, { checkpoint, files }));
    const program = opened !== undefined && 'value' in opened ? opened.value : undefined;
    // Raw memory may have been put into its place.
    const placed = program?.dump ?? dump;
    const kernel =
      opened === undefined || 'problem' in opened ? opened : part(TIME.kernel, () => kernelOf(opened.value));
    if (program === undefined && placed.format === 'raw') throw new UsageError(notRaw(opened));
    const counts = part(TIME.counts, () => placed.counts);
    const least = limitedBudget(now, now() + TIME.leastSample);
    const sample = samplePages(placed, start + TIME.all - now() < TIME.leastSample ? least : share(TIME.sample));
    const contents = program === undefined ? undefined : contentsOf(program, part);
    const notes = new Map<string, number>();
    for (const { name, type } of dump.notes) notes.set(`${name}/${type}`, (notes.get(`${name}/${type}`) ?? 0) + 1);
    const { description, format, machine, pageSize, dumpLevel, maxPfn, fileSize, vmcoreinfo } = placed;
    return {
      files,
      dump: { description, format, machine, pageSize, dumpLevel, maxPfn, fileSize, vmcoreinfo },
      notes,
      registerNotes: dump.notes.filter(({ name, type }) => name === 'CORE' && type === NT_PRSTATUS).length,
      counts,
      sample,
      kernel,
      contents,
      problems: [...placed.problems],
    };
  } finally {
    dump.close();
  }
}

/** Any file may be raw memory: only a kernel in it tells. */
function notRaw(opened: Part<Program>): string {
  if (opened !== undefined && 'problem' in opened) return opened.problem;
  return 'no dump of a known format; if it is raw memory, the report searches it for a kernel, which takes longer';
}

function kernelOf(program: Program): KernelParts {
  const { vmcoreinfo } = program;
  const banner = program.symbols.kernel.lookup('linux_banner')?.address;
  const { kallsyms, btf, orc } = program.descriptor();
  return {
    release: vmcoreinfo.osRelease,
    buildId: vmcoreinfo.buildId,
    banner:
      banner === undefined
        ? undefined
        : attempt(() => Buffer.from(program.memory.readCString(banner, 512)).toString('latin1').trim()),
    crashTime: vmcoreinfo.crashTime === undefined ? undefined : Number(vmcoreinfo.crashTime),
    pagingLevels: vmcoreinfo.number('pgtable_l5_enabled') === 1n ? 5 : 4,
    foundBy: program.foundBy,
    tables: {
      ...(kallsyms === undefined ? {} : { kallsyms }),
      ...(btf === undefined ? {} : { btf }),
      ...(orc === undefined ? {} : { orc }),
    },
    problems: program.problems,
  };
}

function contentsOf(program: Program, part: ReadPart): Contents {
  const threads = valueOf(part(TIME.log, () => threadCount(program)));
  const onlineCpus = part(TIME.log, () => cpus(program, 'online').length);
  const modules = part(TIME.log, () => {
    const { modules: list, problem } = program.modules;
    return { number: list.length, problem };
  });
  const log = part(TIME.log, () => {
    const { records, problem } = readLog(program);
    return { number: records.length, problem };
  });
  const list = part(TIME.tasks, () => readTasks(program));
  if (list === undefined || 'problem' in list)
    return { tasks: list, stacks: undefined, log, modules, onlineCpus, threads };
  const { tasks, expected, problems } = list.value;
  const blocked = tasks.filter((task) => task.state.uninterruptible && !task.idle);
  return {
    tasks: { value: { tasks: tasks.filter((task) => !task.idle).length, expected, problems } },
    stacks: { value: stacksOf(program, blocked, part) },
    log,
    modules,
    onlineCpus,
    threads,
  };
}

function stacksOf(program: Program, blocked: readonly Task[], part: ReadPart): StackParts {
  let looked = 0;
  let whole = 0;
  part(TIME.stacks, () => {
    const states = cpuStates(program);
    for (const task of blocked) {
      const { problem } = taskStack(program, task, states);
      looked++;
      if (problem === undefined) whole++;
    }
  });
  return { blocked: blocked.length, looked, whole };
}
