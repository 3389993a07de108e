/** `stacks`: kernel stacks that are alike, merged and counted, most tasks first. */
import { UsageError } from '../base/errors.ts';
import { clockFact } from '../diagnosis/facts/clock.ts';
import { stacksFact } from '../diagnosis/facts/stacks.ts';
import { cgroupData, cgroupText, taskCgroupsFact } from '../diagnosis/facts/task-cgroups.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import type { Task } from '../kernel/sched.ts';
import type { NamedFrame } from '../kernel/stack.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import {
  count,
  type Data,
  duration,
  name,
  plural,
  type Prose,
  prose,
  symbol,
  task as taskValue,
} from '../model/value.ts';
import { parseCount } from '../shell/arguments.ts';
import { crashState } from '../shell/tasks.ts';

export default defineCommand({
  name: 'stacks',
  summary: 'kernel stacks that are alike, counted',
  description: [
    'Stacks are alike when they have the same functions in the same order. Idle tasks of CPUs are left out.',
  ],
  options: [
    {
      flag: 's',
      value: 'states',
      kind: 'text',
      summary: 'only tasks in these states: UN, or RU,IN; D, R, S are taken too',
    },
    { flag: 'f', value: 'function', kind: 'symbol', summary: 'only stacks with this function' },
    { flag: 'k', summary: 'only kernel threads' },
    { flag: 'u', summary: 'only user tasks' },
    { flag: 'n', value: 'count', kind: 'number', summary: 'at most so many stacks' },
  ],
  arguments: [],
  examples: [
    { line: 'stacks -s UN', what: 'what tasks in uninterruptible sleep do' },
    { line: 'stacks -f mutex_lock', what: 'all stacks with this function' },
  ],
  run(context, args) {
    const [extra] = args.positionals;
    if (extra !== undefined) throw new UsageError(`'${extra}': stacks takes no arguments; -f is for a function`);
    const limit = args.value('n');
    const most = limit === undefined ? Infinity : parseCount(limit, 'stacks -n');
    const groups = merged(context, chosen(context, args), args.value('f'));
    const shown = groups.slice(0, most);
    const lines = shown.flatMap((group, i) => [...(i === 0 ? [] : [[''] as Prose]), ...groupLines(context, group)]);
    if (groups.length === 0) lines.push(['No such stack.']);
    if (shown.length < groups.length)
      lines.push([''], prose`${plural(groups.length - shown.length, 'more stack')} not shown`);
    return { shape: 'text', lines, data: () => shown.map((group) => groupData(context, group)) };
  },
});

interface Group {
  readonly tasks: Task[];
  readonly frames: readonly NamedFrame[];
  /** Why these stacks end before their ends. */
  readonly problem: string | undefined;
}

function chosen(context: CommandContext, args: CommandArguments): readonly Task[] {
  const states = args
    .value('s')
    ?.split(',')
    .map((state) => state.trim());
  const known = context.use(tasksFact).tasks.filter(({ idle }) => !idle);
  for (const state of states ?? []) {
    if (!/^(RU|IN|UN|ID|ST|TR|DE|ZO|PA|[RSDITtXZP])$/.test(state))
      throw new UsageError(`-s ${state}: states are RU, IN, UN, ID, ST, TR, ZO, DE, PA`);
  }
  return known.filter(
    (task) =>
      (states === undefined || states.includes(crashState(task)) || states.includes(task.state.letter)) &&
      (!args.has('k') || task.kthread) &&
      (!args.has('u') || !task.kthread),
  );
}

function merged(context: CommandContext, tasks: readonly Task[], wanted: string | undefined): readonly Group[] {
  const stacks = context.use(stacksFact);
  const groups = new Map<string, Group>();
  for (const task of tasks) {
    context.budget.check();
    const { frames, problem } = stacks.of(task);
    if (wanted !== undefined && !frames.some(({ func, symbol: at }) => func === wanted || at?.name === wanted))
      continue;
    const key = `${frames.map(({ func, pc }) => func ?? pc).join(' ')} ${problem ?? ''}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { tasks: [task], frames, problem });
    else group.tasks.push(task);
  }
  return [...groups.values()].sort((a, b) => b.tasks.length - a.tasks.length);
}

/** From so many tasks on it is told which cgroup they come from. */
const CROWD = 3;

function* groupLines(context: CommandContext, { tasks, frames, problem }: Group): Generator<Prose> {
  const clock = context.use(clockFact);
  const waits = tasks.map((task) => clock.offCpu(task)).filter((wait) => wait !== undefined);
  const longest = waits.reduce<bigint>((a, b) => (a > b ? a : b), -1n);
  const since = longest < 0n ? [] : prose`, off the CPU for up to ${duration(longest)}`;
  const cgroups = tasks.length < CROWD ? undefined : context.use(taskCgroupsFact).among(tasks);
  const from = cgroups?.common === undefined ? [] : prose`; ${cgroupText(cgroups)}`;
  yield prose`${plural(tasks.length, 'task')}${since}: ${names(tasks)}${from}`;
  for (const { func, symbol: at } of frames)
    yield prose`   ${symbol(func ?? '(unknown)')}${at?.module === undefined ? '' : ` [${at.module}]`}`;
  if (frames.length === 0 && problem === undefined) yield ['   (in user mode)'];
  if (problem !== undefined) yield [`   (ends here: ${problem})`];
}

/** '50 top, 1 ps; states UN'. */
function names(tasks: readonly Task[]): Prose {
  const groups = [...Map.groupBy(tasks, ({ comm }) => comm)].sort((a, b) => b[1].length - a[1].length);
  const parts = groups.slice(0, 4).map(([comm, group], i): Prose => {
    const [first] = group;
    const who =
      group.length === 1 && first !== undefined ? [taskValue(first)] : prose`${count(group.length)} ${name(comm)}`;
    return prose`${i === 0 ? '' : ', '}${who}`;
  });
  const rest = groups.length > 4 ? ', ...' : '';
  const states = [...new Set(tasks.map(crashState))].join(', ');
  return prose`${parts.flat()}${rest} (${states})`;
}

function groupData({ use }: CommandContext, { tasks, frames, problem }: Group): Data {
  return {
    cgroups: cgroupData(use(taskCgroupsFact).among(tasks)),
    tasks: tasks.map((task) => ({ task: taskValue(task), state: crashState(task) })),
    functions: frames.map(({ func }) => func ?? ''),
    problem,
  };
}
