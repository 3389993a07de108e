/**
 * Tasks as commands name and show them: by pid, by the address of their `task_struct`, by name, by a pattern in quotes;
 * the task that a session has chosen; crash's two letters of a state, and its line above what is shown of a task.
 */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { type TaskTable, tasksFact } from '../diagnosis/facts/tasks.ts';
import type { Task } from '../kernel/sched.ts';
import type { CommandContext } from '../model/command.ts';
import type { Piece, TextLine } from '../model/shape.ts';
import { type Data, task as taskValue } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { hex16 } from './format.ts';

/** All tasks in crash's order: idle tasks by CPU, then the rest by pid. */
export function orderedTasks(context: CommandContext): readonly Task[] {
  return inOrder(context.use(tasksFact).tasks);
}

export function inOrder(tasks: readonly Task[]): readonly Task[] {
  const key = (task: Task): number => (task.idle ? (task.cpu ?? 0) - 1e9 : task.pid);
  return [...tasks].sort((a, b) => key(a) - key(b));
}

const STATES: { readonly [letter: string]: string } = {
  R: 'RU',
  S: 'IN',
  D: 'UN',
  I: 'ID',
  T: 'ST',
  t: 'TR',
  X: 'DE',
  Z: 'ZO',
  P: 'PA',
};

/** crash's two letters: RU, IN, UN, ID, ST, TR, DE, ZO, PA. */
export function crashState(task: Task): string {
  return STATES[task.state.letter] ?? '??';
}

/** `PID: 96       TASK: ffff88899fc4a0c0  CPU: 1    COMMAND: "ps"` */
export function taskHeader(task: Task): TextLine {
  const parts: Piece[] = [
    `PID: ${String(task.pid).padEnd(7)}  TASK: `,
    { text: hex16(task.address), style: 'address' },
    `  CPU: ${String(task.cpu ?? '?').padEnd(3)}  COMMAND: "`,
    { text: task.comm, style: 'name' },
    '"',
  ];
  return parts;
}

/** A task as data, beside what is shown of it. */
export function taskData(task: Task): { readonly [key: string]: Data } {
  return { task: taskValue(task), cpu: task.cpu, state: crashState(task) };
}

/** The CPU that crashed: `crashing_cpu` (x86, since 2.6), else `panic_cpu` (since 4.5). */
export function panicCpu(program: Program): number | undefined {
  for (const symbol of ['crashing_cpu', 'panic_cpu']) {
    const at = program.symbols.kernel.lookup(symbol)?.address;
    const cpu = at === undefined ? undefined : attempt(() => program.memory.readS32(at));
    if (cpu !== undefined && cpu >= 0 && cpu < 8192) return cpu;
  }
  return undefined;
}

/** The task that ran on the CPU that crashed; undefined where the dump does not tell. */
export function panicTask(context: CommandContext): Task | undefined {
  const cpu = panicCpu(context.program);
  return cpu === undefined ? undefined : runningTask(context, cpu);
}

/** The task that ran on a CPU, or that `set -a` took for it. */
export function activeTask(context: CommandContext, cpu: number): Task | undefined {
  const chosen = context.session.active.get(cpu);
  const task = chosen === undefined ? undefined : context.use(tasksFact).byAddress.get(chosen);
  return task ?? runningTask(context, cpu);
}

function runningTask(context: CommandContext, cpu: number): Task | undefined {
  return context.use(tasksFact).tasks.find((task) => task.running && task.cpu === cpu);
}

/**
 * The task that commands without an argument are about: the one chosen by `set`, else the one that crashed, else the
 * first that ran.
 * @throws UsageError when there is none
 */
export function currentTask(context: CommandContext): Task {
  const { tasks, byAddress } = context.use(tasksFact);
  const chosen = context.session.currentTask;
  const task =
    (chosen === undefined ? undefined : byAddress.get(chosen)) ??
    panicTask(context) ??
    tasks.find(({ running, idle }) => running && !idle) ??
    tasks.find(({ running }) => running);
  if (task === undefined) throw new UsageError('no task is chosen; choose one with set PID');
  return task;
}

/**
 * The tasks that an argument names: a pid (decimal), the address of a task_struct (hex), a command's name, or a pattern
 * for names in quotes. `pid 0` is all idle tasks.
 * @param raw - with its quotes
 * @throws UsageError when there is none; it names the nearest command
 */
export function tasksNamed(context: CommandContext, text: string, raw: string): readonly Task[] {
  const table = context.use(tasksFact);
  // By address first, as `foreach` names thousands of them: sorting can wait.
  const at = /^(?:0x)?[0-9a-f]{9,16}$/i.test(text) && raw === text ? parseAddress(text) : undefined;
  const byAddress = at === undefined ? undefined : table.byAddress.get(at);
  if (byAddress !== undefined) return [byAddress];
  const tasks = inOrder(table.tasks);
  if (raw !== text) {
    const pattern = patternOf(text);
    return tasks.filter((task) => pattern.test(task.comm));
  }
  if (/^\d+$/.test(text)) {
    const byPid = tasks.filter((task) => task.pid === Number(text));
    if (byPid.length > 0) return byPid;
  }
  const byName = tasks.filter((task) => task.comm === text);
  if (byName.length > 0) return byName;
  throw noSuchTask(table, tasks, text, at);
}

/** One task. @throws UsageError when the argument names none or several */
export function oneTask(context: CommandContext, text: string, raw: string): Task {
  const [first, ...others] = tasksNamed(context, text, raw);
  if (first === undefined) throw new UsageError(`no task's name matches ${raw}`);
  if (others.length > 0) throw new UsageError(`'${text}' names ${others.length + 1} tasks; give a pid or an address`);
  return first;
}

/** @throws UsageError for a pattern that is none */
export function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u');
  } catch (error) {
    throw new UsageError(`'${text}' is no pattern`, { cause: error });
  }
}

function noSuchTask(table: TaskTable, tasks: readonly Task[], text: string, at: VirtAddr | undefined): UsageError {
  const missing = table.complete ? '' : ' among those that could be read';
  if (/^\d+$/.test(text)) return new UsageError(`no task has the pid ${text}${missing}`);
  if (at !== undefined && text.length > 8) return new UsageError(`no task is at ${text}${missing}`);
  const guess = nearest(text, [...new Set(tasks.map((task) => task.comm))]);
  return new UsageError(`no task is named '${text}'${missing}${guess === undefined ? '' : `; did you mean ${guess}?`}`);
}

/**
 * The tasks of all arguments in order; a wrong one is noted as a failure and the others are answered.
 * @returns undefined when there is no argument
 */
export function taskArguments(
  context: CommandContext,
  texts: readonly string[],
  raws: readonly string[],
): readonly Task[] | undefined {
  if (texts.length === 0) return undefined;
  return texts.flatMap((text, i) => {
    try {
      return tasksNamed(context, text, raws[i] ?? text);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      context.failure(error.message);
      return [];
    }
  });
}
