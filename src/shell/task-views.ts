/** The views of `ps` that show a block for each task: parents, children, times, arguments, threads, limits. */
import { distance, type VirtAddr } from '../base/address.ts';
import { textString } from '../base/bytes.ts';
import { attempt, isDataError, ValidationError } from '../base/errors.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import type { Task } from '../kernel/sched.ts';
import { timekeeping } from '../kernel/timekeeping.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { type Data, duration, name } from '../model/value.ts';
import { clockTime, integer } from './format.ts';
import { inOrder, taskData, taskHeader } from './tasks.ts';
import { userMemory } from './user-memory.ts';

interface Block {
  /** Below the task's header line, or with lines of headers of their own. */
  readonly lines: readonly TextLine[];
  readonly data: { readonly [key: string]: Data };
}

/** Blocks with an empty line behind each, made while they are shown. */
function blocks(tasks: readonly Task[], block: (task: Task) => Block): Shape {
  const lines = function* (): Generator<TextLine> {
    for (const task of tasks) {
      yield* block(task).lines;
      yield '';
    }
  };
  return {
    shape: 'lines',
    lines: lines(),
    data: () => tasks.map((task) => ({ ...taskData(task), ...block(task).data })),
  };
}

function indented(task: Task, by: number): TextLine {
  return [' '.repeat(by), ...[taskHeader(task)].flat()];
}

/** A chain of parents is as long as the tree is deep. */
const MAX_PARENTS = 1000;

/** Parents from the first down to the task, or the task and its children. */
export function relativesOf(context: CommandContext, tasks: readonly Task[], view: 'p' | 'c'): Shape {
  const { parentOf, tasks: all } = context.use(tasksFact);
  return blocks(tasks, (task) => {
    if (view === 'c') {
      const children = inOrder(all.filter((each) => !each.idle && each.pid === each.tgid && parentOf(each) === task));
      const none: readonly TextLine[] = ['  (no children)'];
      return {
        lines: [taskHeader(task), ...(children.length === 0 ? none : children.map((child) => indented(child, 2)))],
        data: { children: children.map(taskData) },
      };
    }
    const chain = [task];
    for (
      let parent = task.idle ? undefined : parentOf(task);
      parent !== undefined && !chain.includes(parent);
      parent = parentOf(parent)
    ) {
      chain.unshift(parent);
      if (chain.length > MAX_PARENTS) break;
    }
    return { lines: chain.map((each, i) => indented(each, i)), data: { parents: chain.slice(0, -1).map(taskData) } };
  });
}

/** Run time and CPU time; start and CPU times in nanoseconds, as crash has them. */
export function timesOf(context: CommandContext, tasks: readonly Task[]): Shape {
  const now = timekeeping(context.program).uptime.monotonic;
  if (now.value === undefined) context.problem(`RUN TIME: ${now.problem}`);
  return blocks(tasks, (task) => {
    const start = task.startTime;
    const run = now.value === undefined || start === undefined || start > now.value ? undefined : now.value - start;
    const row = (label: string, text: string | undefined): string => `${label.padStart(12)}: ${text ?? '(unknown)'}`;
    return {
      lines: [
        taskHeader(task),
        row('RUN TIME', run === undefined ? undefined : clockTime(run)),
        row('START TIME', start?.toString()),
        row('UTIME', task.cpuTime?.user.toString()),
        row('STIME', task.cpuTime?.system.toString()),
      ],
      data: {
        runTime: run === undefined ? undefined : duration(run),
        startTime: start === undefined ? undefined : duration(start),
        user: task.cpuTime === undefined ? undefined : duration(task.cpuTime.user),
        system: task.cpuTime === undefined ? undefined : duration(task.cpuTime.system),
      },
    };
  });
}

/** ARG_MAX is 2 MiB by default; a quarter of the stack at most. */
const MAX_ARGUMENTS = 1 << 21;

/** Command line and environment, from the process' own memory: dumps mostly leave that out, and say so. */
export function argumentsOf(context: CommandContext, tasks: readonly Task[]): Shape {
  return blocks(tasks, (task) => {
    const { mm } = task;
    if (mm === undefined || task.kthread) {
      return { lines: [taskHeader(task), '(no user stack)'], data: {} };
    }
    try {
      const args = strings(context, mm, 'arg');
      const environ = strings(context, mm, 'env');
      return {
        lines: [
          taskHeader(task),
          `ARG: ${args.join(' ')}`,
          ...environ.map((each, i) => `${i === 0 ? 'ENV: ' : '     '}${each}`),
        ],
        data: { arguments: args.map(name), environment: environ.map(name) },
      };
    } catch (error) {
      if (!isDataError(error)) throw error;
      context.problem(`arguments of pid ${task.pid}: ${error.message}`);
      return { lines: [taskHeader(task), '(its memory is not in the dump)'], data: {} };
    }
  });
}

function strings({ program }: CommandContext, mm: VirtAddr, which: 'arg' | 'env'): string[] {
  const start = program.field('struct mm_struct', `${which}_start`).pointer(mm);
  const end = program.field('struct mm_struct', `${which}_end`).pointer(mm);
  const length = distance(end, start);
  if (length < 0 || length > MAX_ARGUMENTS)
    throw new ValidationError('struct mm_struct', mm, `${which}_end - ${which}_start is ${length}`);
  const bytes = userMemory(program, mm).readBytes(start, length);
  const out: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    const stop = end < 0 ? bytes.length : end;
    out.push(textString(bytes.subarray(at, stop)));
    at = stop + 1;
  }
  return out;
}

/** Each process once, with its other threads below it. */
export function threadsOf(context: CommandContext, tasks: readonly Task[]): Shape {
  const { tasks: all } = context.use(tasksFact);
  const byGroup = new Map<number, Task[]>();
  for (const task of inOrder(all)) {
    const group = byGroup.get(task.tgid);
    if (group === undefined) byGroup.set(task.tgid, [task]);
    else group.push(task);
  }
  const leaders = new Set(tasks.map((task) => byGroup.get(task.tgid)?.find((each) => each.pid === each.tgid) ?? task));
  return blocks([...leaders], (leader) => {
    const threads = (byGroup.get(leader.tgid) ?? []).filter((each) => each !== leader);
    const none: readonly TextLine[] = ['  (no threads)'];
    return {
      lines: [taskHeader(leader), ...(threads.length === 0 ? none : threads.map((thread) => indented(thread, 2)))],
      data: { threads: threads.map(taskData) },
    };
  });
}

/** RLIMIT_* of include/uapi/asm-generic/resource.h: macros, the same on x86 and arm64 since 2.6.12 (RTTIME 2.6.25). */
const LIMITS = [
  'CPU',
  'FSIZE',
  'DATA',
  'STACK',
  'CORE',
  'RSS',
  'NPROC',
  'NOFILE',
  'MEMLOCK',
  'AS',
  'LOCKS',
  'SIGPENDING',
  'MSGQUEUE',
  'NICE',
  'RTPRIO',
  'RTTIME',
];
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

/** `signal_struct.rlim[]` of each task. */
export function limitsOf({ program, problem }: CommandContext, tasks: readonly Task[]): Shape {
  return blocks(tasks, (task) => {
    const rows = attempt(() => {
      const signal = program.field('struct task_struct', 'signal').pointer(task.address);
      return LIMITS.map((limit, i) => ({
        limit,
        current: program.field('struct signal_struct', `rlim[${i}].rlim_cur`).u64(signal),
        maximum: program.field('struct signal_struct', `rlim[${i}].rlim_max`).u64(signal),
      }));
    });
    if (rows === undefined) problem(`limits of pid ${task.pid} cannot be read`);
    const text = (value: bigint): string => centred(value === RLIM_INFINITY ? '(unlimited)' : value.toString(), 11);
    return {
      lines: [
        taskHeader(task),
        '      RLIMIT     CURRENT       MAXIMUM',
        ...(rows ?? []).map(
          ({ limit, current, maximum }) => `${limit.padStart(12)}   ${text(current)}   ${text(maximum)}`,
        ),
      ],
      data: {
        limits: rows?.map(({ limit, current, maximum }) => ({
          limit,
          current: current === RLIM_INFINITY ? undefined : integer(current),
          maximum: maximum === RLIM_INFINITY ? undefined : integer(maximum),
        })),
      },
    };
  });
}

/** As crash centres: the odd blank stands behind. */
function centred(text: string, width: number): string {
  const room = Math.max(0, width - text.length);
  return text.padStart(text.length + Math.floor(room / 2)).padEnd(width);
}
