/**
 * `ps`: the tasks, in crash's columns: `>` marks the task that a CPU was running. Memory is in KiB; each task of a process
 * shows that of its whole address space. Times since a task last ran are measured on the latest of all run queues' clocks.
 */
import { UsageError } from '../base/errors.ts';
import { clockFact } from '../diagnosis/facts/clock.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { cpus } from '../kernel/cpus.ts';
import type { Task } from '../kernel/sched.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import { type Cell, type Shape, shown, type TextLine } from '../model/shape.ts';
import { address, byteCount, type Data, duration, name, ratio } from '../model/value.ts';
import { parseCpus } from '../shell/arguments.ts';
import { hex16, kib } from '../shell/format.ts';
import { switchedOutStack, taskPolicy } from '../shell/task-details.ts';
import { taskMemoryFact } from '../shell/task-memory.ts';
import { argumentsOf, limitsOf, relativesOf, threadsOf, timesOf } from '../shell/task-views.ts';
import { crashState, inOrder, orderedTasks, taskArguments, taskData, taskHeader } from '../shell/tasks.ts';

/** Options that show something else than the table. */
const VIEWS = ['p', 'c', 't', 'l', 'm', 'a', 'g', 'r', 'S'] as const;

export default defineCommand({
  name: 'ps',
  aliases: [['last', 'ps -l']],
  summary: 'the tasks: state, memory, parents, times',
  description: [
    'States: RU running or runnable, IN interruptible sleep, UN uninterruptible sleep, ID idle kernel thread, ST stopped, ' +
      'TR traced, ZO zombie, DE dead, PA parked. VSZ and RSS are in KiB; %MEM is the share of all physical memory.',
  ],
  options: [
    { flag: 'k', summary: 'kernel threads only' },
    { flag: 'u', summary: 'tasks of user space only' },
    { flag: 'G', summary: 'one line for each process: thread group leaders only' },
    { flag: 'I', summary: 'without idle tasks' },
    { flag: 'A', summary: 'only tasks that a CPU was running' },
    {
      flag: 'y',
      value: 'policy[,policy]',
      summary: 'tasks of these scheduling policies: NORMAL FIFO RR BATCH IDLE DEADLINE, or their numbers',
    },
    { flag: 's', summary: 'the kernel stack pointer instead of the task address' },
    { flag: 'Y', summary: 'with policy and priority' },
    { flag: 'H', summary: 'without the header line' },
    { flag: 'p', summary: 'its parents, up to the first' },
    { flag: 'c', summary: 'its children' },
    { flag: 't', summary: 'run time, start time, and CPU time in user mode and in the kernel' },
    { flag: 'l', summary: 'when it last got a CPU, latest first' },
    { flag: 'm', summary: 'how long ago it last got a CPU, shortest first' },
    { flag: 'C', value: 'cpus', kind: 'cpus', summary: 'with -l or -m: by CPU, such as 0,2-4 or a' },
    { flag: 'a', summary: 'its arguments and environment' },
    { flag: 'g', summary: 'by thread group' },
    { flag: 'r', summary: 'its resource limits' },
    { flag: 'S', summary: 'how many tasks are in each state' },
  ],
  arguments: [{ name: "pid | task | command | 'pattern'", kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'ps -G', what: 'one line for each process' },
    { line: 'ps -S', what: 'how many tasks are in each state' },
    { line: "ps -m 'crond.*'", what: 'how long the tasks whose names match have not run' },
    { line: 'ps -p 110', what: 'who started it' },
  ],
  run(context, args) {
    const views = VIEWS.filter((flag) => args.has(flag));
    if (views.length > 1) throw new UsageError(`-${views.join(' and -')} are different views; give one of them`);
    const [view] = views;
    if (args.has('C') && view !== 'l' && view !== 'm') throw new UsageError('-C belongs to -l or -m');
    const named = taskArguments(context, args.positionals, args.raws);
    const tasks = select(context, args, named ?? orderedTasks(context));
    switch (view) {
      case undefined:
        return table(context, args, tasks);
      case 'S':
        return stateCounts(tasks);
      case 'l':
      case 'm':
        return lastRun(context, args, tasks, view);
      case 'p':
      case 'c':
        return relativesOf(context, tasks, view);
      case 't':
        return timesOf(context, tasks);
      case 'a':
        return argumentsOf(context, tasks);
      case 'g':
        return threadsOf(context, tasks);
      case 'r':
        return limitsOf(context, tasks);
    }
  },
});

const POLICIES: readonly string[] = ['NORMAL', 'FIFO', 'RR', 'BATCH', 'ISO', 'IDLE', 'DEADLINE', 'EXT'];

function select(context: CommandContext, args: CommandArguments, tasks: readonly Task[]): readonly Task[] {
  if (args.has('k') && args.has('u')) throw new UsageError('-k and -u exclude each other');
  const policies = args.value('y')?.split(',').map(policyNamed);
  return tasks.filter(
    (task) =>
      (!args.has('k') || task.kthread || task.idle) &&
      (!args.has('u') || !(task.kthread || task.idle)) &&
      (!args.has('G') || task.pid === task.tgid) &&
      (!args.has('I') || !task.idle) &&
      (!args.has('A') || task.running) &&
      (policies === undefined || policies.includes(POLICIES[taskPolicy(context.program, task)?.policy ?? -1] ?? '')),
  );
}

/** @throws UsageError */
function policyNamed(text: string): string {
  const wanted = text.trim().toUpperCase();
  const policy = (/^\d+$/.test(wanted) ? POLICIES[Number(wanted)] : undefined) ?? wanted;
  if (!POLICIES.includes(policy)) throw new UsageError(`-y ${text}: the policies are ${POLICIES.join(' ')}`);
  return policy;
}

function table(context: CommandContext, args: CommandArguments, tasks: readonly Task[]): Shape {
  const { program } = context;
  const memory = context.use(taskMemoryFact);
  const { parentOf } = context.use(tasksFact);
  const stack = args.has('s');
  const policy = args.has('Y');
  const rows = tasks.map((task): Cell[] => {
    const { virtual, resident } = memory.of(task);
    const share = resident === undefined || memory.physical === undefined ? undefined : resident / memory.physical;
    const sp = !stack ? task.address : task.running ? undefined : switchedOutStack(program, task);
    const priority = policy ? taskPolicy(program, task) : undefined;
    const comm = task.kthread || task.idle ? `[${task.comm}]` : task.comm;
    return [
      shown(task.running ? '>' : '', task.running),
      task.pid,
      task.idle ? 0 : (parentOf(task)?.pid ?? 0),
      task.cpu,
      sp === undefined ? shown('--       ', undefined) : shown(hex16(sp), address(sp)),
      crashState(task),
      ...(policy
        ? [
            shown(POLICIES[priority?.policy ?? -1] ?? '?', priority?.policy),
            shown(String(priority?.priority ?? '?'), priority?.priority),
          ]
        : []),
      share === undefined ? undefined : shown((Math.floor(share * 1000 + 0.5) / 10).toFixed(1), ratio(share)),
      virtual === undefined ? undefined : shown(String(kib(virtual)), byteCount(virtual)),
      resident === undefined ? undefined : shown(String(kib(resident)), byteCount(resident)),
      shown(comm, name(task.comm)),
    ];
  });
  return {
    shape: 'table',
    header: args.has('H') ? false : headerLine(stack, policy),
    columns: [
      { key: 'running', label: '', align: 'left', width: 1 },
      { key: 'pid', label: 'PID', align: 'right', width: 7, gap: 1 },
      { key: 'ppid', label: 'PPID', align: 'right', width: 7, gap: 1 },
      { key: 'cpu', label: 'CPU', align: 'right', width: 3, gap: 1 },
      {
        key: stack ? 'sp' : 'task',
        label: stack ? 'KSTACKP' : 'TASK',
        align: 'right',
        width: 16,
        labelAlign: 'center',
      },
      { key: 'state', label: 'ST', align: 'left', width: 2 },
      ...(policy
        ? ([
            { key: 'policy', label: 'POLICY', align: 'left', width: 8 },
            { key: 'priority', label: 'PRIO', align: 'right', width: 4, gap: 1 },
          ] as const)
        : []),
      { key: 'memory', label: '%MEM', align: 'right', width: 5, gap: 1 },
      { key: 'virtual', label: 'VSZ', align: 'right', width: 8, gap: 1 },
      { key: 'resident', label: 'RSS', align: 'right', width: 8, gap: 1 },
      { key: 'comm', label: 'COMM', align: 'left', width: 1 },
    ],
    rows,
  };
}

/** As in crash, where CPU stands one column right of its numbers. */
function headerLine(stack: boolean, policy: boolean): string {
  const extra = policy ? '  POLICY    PRIO' : '';
  return `      PID    PPID  CPU     ${stack ? ' KSTACKP ' : '  TASK   '}     ST${extra}  %MEM      VSZ      RSS  COMM`;
}

function stateCounts(tasks: readonly Task[]): Shape {
  const counts = new Map<string, number>();
  for (const task of tasks) counts.set(crashState(task), (counts.get(crashState(task)) ?? 0) + 1);
  return {
    shape: 'table',
    header: false,
    columns: [
      { key: 'state', label: 'ST', align: 'right', width: 4 },
      { key: 'tasks', label: 'TASKS', align: 'left', gap: 0 },
    ],
    rows: [...counts].map(([state, count]) => [shown(`${state}`, state), shown(`: ${count}`, count)]),
  };
}

/** One line for each task, the one that ran last first. */
function lastRun(context: CommandContext, args: CommandArguments, tasks: readonly Task[], view: 'l' | 'm'): Shape {
  const all = cpus(context.program, 'online');
  const wanted = args.value('C');
  const arrival = (task: Task): bigint => task.schedInfo?.lastArrival ?? 0n;
  const sorted = inOrder(tasks).toSorted((a, b) => (arrival(b) > arrival(a) ? 1 : arrival(b) < arrival(a) ? -1 : 0));
  const { now } = context.use(clockFact);
  if (view === 'm' && now === undefined) throw new UsageError('no run queue tells the time; ps -l has the stamps');
  const width = String(
    context.use(tasksFact).tasks.reduce((most, task) => (arrival(task) > most ? arrival(task) : most), 0n),
  ).length;
  const stampOf = (task: Task): string =>
    view === 'l' ? String(arrival(task)).padStart(width) : sinceText(now ?? 0n, arrival(task));
  const linesOf = (of: readonly Task[]): TextLine[] =>
    of.map((task) => [`[${stampOf(task)}] [${crashState(task)}]  `, ...[taskHeader(task)].flat()]);
  const groups = wanted === undefined ? undefined : parseCpus(wanted, all);
  const lines =
    groups === undefined
      ? linesOf(sorted)
      : groups.flatMap((cpu, i) => [
          ...(i === 0 ? [] : ['']),
          `CPU: ${cpu}`,
          ...linesOf(sorted.filter((task) => task.cpu === cpu)),
        ]);
  const of =
    groups === undefined ? sorted : sorted.filter((task) => task.cpu !== undefined && groups.includes(task.cpu));
  return { shape: 'lines', lines, data: () => of.map((task) => lastRunData(task, arrival(task), now)) };
}

function lastRunData(task: Task, arrival: bigint, now: bigint | undefined): Data {
  const since = now === undefined || arrival > now ? undefined : duration(now - arrival);
  return { ...taskData(task), lastRun: duration(arrival), since };
}

/** Days and hh:mm:ss.mmm. */
function sinceText(now: bigint, arrival: bigint): string {
  const ms = (now > arrival ? now - arrival : 0n) / 1_000_000n;
  const two = (value: bigint): string => String(value).padStart(2, '0');
  const seconds = ms / 1000n;
  return `${seconds / 86_400n} ${two((seconds / 3600n) % 24n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${String(ms % 1000n).padStart(3, '0')}`;
}
