/** `runq`: what runs on each CPU, and which tasks wait for it. */
import type { VirtAddr } from '../base/address.ts';
import { attempt, isDataError } from '../base/errors.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { cpus } from '../kernel/cpus.ts';
import { fairTasks, readRunQueue, realtimeTasks, type RunQueue } from '../kernel/run-queue.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data, task as taskValue } from '../model/value.ts';
import { parseCpus } from '../shell/arguments.ts';
import { hex16, integer } from '../shell/format.ts';
import { groupView } from '../shell/task-group-view.ts';
import { inOrder } from '../shell/tasks.ts';

export default defineCommand({
  name: 'runq',
  summary: 'run queues: what runs, what waits for a CPU',
  options: [
    { flag: 't', summary: "each queue's clock, and when its task got the CPU" },
    { flag: 'm', summary: 'how long the tasks have been running' },
    { flag: 'T', summary: 'how far each clock lags behind the latest' },
    { flag: 'g', summary: 'by groups of tasks, and which of them are held back because their quota is used up' },
    { flag: 'd', summary: 'all tasks that the scheduler has on a queue, by pid' },
    { flag: 'c', value: 'cpus', kind: 'cpus', summary: 'these CPUs only' },
  ],
  arguments: [],
  examples: [
    { line: 'runq', what: 'all queues' },
    { line: 'runq -m', what: 'who keeps a CPU to itself' },
    { line: 'runq -g', what: 'which groups want a CPU' },
    { line: 'runq -c 0,2-3', what: 'some CPUs' },
  ],
  run(context, args) {
    const { program } = context;
    const all = cpus(program, 'online');
    const wanted = args.value('c');
    const queues = (wanted === undefined ? all : parseCpus(wanted, all)).flatMap((cpu) =>
      told(context, `run queue of CPU ${cpu}`, () => [readRunQueue(program, cpu)]),
    );
    if (args.has('t')) return times(context, queues);
    if (args.has('m')) return running(context, queues);
    if (args.has('T')) return lags(queues);
    if (args.has('d')) return onQueues(context, queues);
    if (args.has('g')) {
      const priority = program.field('struct task_struct', 'prio');
      return groupView(context, queues, {
        text: (task) => taskText(context, task),
        priority: (task) => `[${(attempt(() => String(priority.number(task))) ?? '?').padStart(3)}]`,
        data: (task) => dataOf(context, task),
      });
    }
    const views = queues.map((queue) => {
      const what = `run queue of CPU ${queue.cpu}`;
      return {
        queue,
        // The current task is on the list of its priority, too.
        realtime: told(context, what, () => [...realtimeTasks(program, queue)]),
        fair: told(context, what, () => [...fairTasks(program, queue)]),
      };
    });
    return {
      shape: 'lines',
      lines: views.flatMap(({ queue, realtime, fair }, i): TextLine[] => [
        ...(i === 0 ? [] : ['']),
        [{ text: `CPU ${queue.cpu} RUNQUEUE: ${hex16(queue.rq)}`, style: 'heading' }],
        `  CURRENT: ${taskText(context, queue.current)}`,
        `  RT PRIO_ARRAY: ${hex16(queue.realtime)}`,
        ...queued(context, realtime),
        `  CFS RB_ROOT: ${hex16(queue.fair)}`,
        ...queued(context, fair),
      ]),
      data: () =>
        views.map(({ queue, realtime, fair }) => ({
          cpu: queue.cpu,
          run_queue: address(queue.rq),
          current: dataOf(context, queue.current),
          realtime: realtime.map((each) => dataOf(context, each)),
          fair: fair.map((each) => dataOf(context, each)),
        })),
    };
  },
});

function told<T>({ problem }: CommandContext, what: string, read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`${what}: ${error.message}`);
    return [];
  }
}

/** `PID: 1      TASK: ffff8889811ea0c0  COMMAND: "init"` */
function taskText(context: CommandContext, at: VirtAddr): string {
  const task = context.use(tasksFact).byAddress.get(at);
  return `PID: ${String(task?.pid ?? '?').padEnd(6)} TASK: ${hex16(at)}  COMMAND: "${task?.comm ?? '?'}"`;
}

function dataOf(context: CommandContext, at: VirtAddr): Data {
  const task = context.use(tasksFact).byAddress.get(at);
  return task === undefined ? address(at) : taskValue(task);
}

function queued(context: CommandContext, tasks: readonly VirtAddr[]): readonly TextLine[] {
  if (tasks.length === 0) return ['     [no tasks queued]'];
  const priority = context.program.field('struct task_struct', 'prio');
  return tasks.flatMap((at) =>
    told(context, 'a task that waits', () => [
      `     [${String(priority.number(at)).padStart(3)}] ${taskText(context, at)}`,
    ]),
  );
}

/** Tasks whose `on_rq` says so, those among them whose group is held back as well; the idle ones always are. */
function onQueues(context: CommandContext, queues: readonly RunQueue[]): Shape {
  const flag = context.program.field('struct task_struct', 'on_rq');
  const tasks = inOrder(context.use(tasksFact).tasks);
  const views = queues.map(({ cpu }) => ({
    cpu,
    on: tasks.filter((task) => task.cpu === cpu && (attempt(() => flag.number(task.address)) ?? 0) !== 0),
  }));
  return {
    shape: 'lines',
    lines: views.flatMap(({ cpu, on }, i): TextLine[] => [
      ...(i === 0 ? [] : ['']),
      [{ text: `CPU ${cpu}`, style: 'heading' }],
      ...(on.length === 0
        ? ['     [no tasks queued]']
        : queued(
            context,
            on.map((task) => task.address),
          )),
    ]),
    data: () => views.map(({ cpu, on }) => ({ cpu, tasks: on.map((task) => taskValue(task)) })),
  };
}

function arrival(context: CommandContext, { current }: RunQueue): bigint | undefined {
  return context.use(tasksFact).byAddress.get(current)?.schedInfo?.lastArrival;
}

function times(context: CommandContext, queues: readonly RunQueue[]): Shape {
  const width = Math.max(11, ...queues.map(({ clock }) => String(clock).length));
  return {
    shape: 'lines',
    lines: queues.flatMap((queue) => [
      `${`CPU ${queue.cpu}:`.padStart(7)} ${String(queue.clock).padStart(width, '0')}`,
      `        ${(arrival(context, queue)?.toString() ?? '?').padStart(width, '0')}  ${taskText(context, queue.current)}`,
    ]),
    data: () =>
      queues.map((queue) => {
        const at = arrival(context, queue);
        return {
          cpu: queue.cpu,
          clock: integer(queue.clock),
          arrival: at === undefined ? undefined : integer(at),
          current: dataOf(context, queue.current),
        };
      }),
  };
}

/** `[d hh:mm:ss.mmm]` */
function age(ns: bigint): string {
  const ms = ns / 1_000_000n;
  const two = (value: bigint): string => String(value).padStart(2, '0');
  const [hours, minutes, seconds] = [(ms / 3_600_000n) % 24n, (ms / 60_000n) % 60n, (ms / 1000n) % 60n];
  return `[${ms / 86_400_000n} ${two(hours)}:${two(minutes)}:${two(seconds)}.${String(ms % 1000n).padStart(3, '0')}]`;
}

/** On the clock of each queue, which stands still while its CPU is idle. */
function running(context: CommandContext, queues: readonly RunQueue[]): Shape {
  const ages = queues.map((queue) => {
    const since = arrival(context, queue);
    const { clock } = queue;
    return { queue, ns: since === undefined ? undefined : clock > since ? clock - since : 0n };
  });
  return {
    shape: 'lines',
    lines: ages.map(
      ({ queue, ns }) =>
        `${`CPU ${queue.cpu}:`.padStart(7)} ${ns === undefined ? '[?]' : age(ns)}  ${taskText(context, queue.current)}`,
    ),
    data: () =>
      ages.map(({ queue, ns }) => ({
        cpu: queue.cpu,
        running: ns === undefined ? undefined : { kind: 'duration', ns },
        current: dataOf(context, queue.current),
      })),
  };
}

function lags(queues: readonly RunQueue[]): Shape {
  const latest = queues.reduce((most, { clock }) => (clock > most ? clock : most), 0n);
  const sorted = [...queues].sort((a, b) => (a.clock > b.clock ? -1 : a.clock < b.clock ? 1 : 0));
  return {
    shape: 'lines',
    lines: sorted.map(({ cpu, clock }) => {
      const hundredths = (latest - clock) / 10_000_000n;
      return `${`CPU ${cpu}:`.padStart(8)} ${hundredths / 100n}.${String(hundredths % 100n).padStart(2, '0')} secs`;
    }),
    data: () => sorted.map(({ cpu, clock }) => ({ cpu, lag: { kind: 'duration', ns: latest - clock } })),
  };
}
