/** `sig`: the signals of tasks: handlers, what is blocked, what is pending. */
import { attempt, UsageError } from '../base/errors.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { type PendingSignals, type SignalAction, SIGNALS, type TaskSignals, taskSignals } from '../kernel/signals.ts';
import type { Task } from '../kernel/sched.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { parseNumber } from '../shell/arguments.ts';
import { hex16 } from '../shell/format.ts';
import { perTask, type TaskView, viewsOf } from '../shell/per-task.ts';
import { currentTask, inOrder, taskArguments, taskData, taskHeader } from '../shell/tasks.ts';

/** Signals 1 to 31 of x86-64 and arm64, with their other names. */
const NAMES =
  'HUP INT QUIT ILL TRAP ABRT/IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD/CLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO/POLL PWR SYS/UNUSED'
    .split(' ')
    .map((names) => names.split('/').map((name) => `SIG${name}`));

const FLAGS: readonly (readonly [bit: bigint, name: string])[] = [
  [0x1n, 'SA_NOCLDSTOP'],
  [0x2n, 'SA_NOCLDWAIT'],
  [0x4000000n, 'SA_RESTORER'],
  [0x4n, 'SA_SIGINFO'],
  [0x8000000n, 'SA_ONSTACK'],
  [0x10000000n, 'SA_RESTART'],
  [0x40000000n, 'SA_NODEFER'],
  [0x80000000n, 'SA_RESETHAND'],
];

export default defineCommand({
  name: 'sig',
  summary: 'signals: handlers, blocked, pending',
  options: [
    { flag: 'g', summary: 'of a process: what its threads share, then what is blocked and pending of each' },
    { flag: 'l', summary: 'the signals and their numbers' },
    { flag: 's', value: 'set', kind: 'number', summary: 'the signals of a set, in hex' },
  ],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'sig 96', what: 'of one task' },
    { line: 'sig -g 96', what: 'of all threads of its process' },
    { line: 'sig -s 4002', what: 'which signals these are' },
  ],
  run(context, args) {
    if (args.has('l')) return allNames();
    const set = args.value('s');
    if (set !== undefined) {
      const value = parseNumber(/^0x/i.test(set) ? set : `0x${set}`);
      if (value === undefined || value < 0n) throw new UsageError(`-s '${set}': must be a set of signals, in hex`);
      const names = namesOf(value);
      return { shape: 'lines', lines: [names.join(' ')], data: () => names };
    }
    if (args.has('g')) {
      const tasks = taskArguments(context, args.positionals, args.raws) ?? [currentTask(context)];
      const leaders = tasks.map((task) => threadsOf(context, task)[0] ?? task);
      return viewsOf(context, leaders, (task) => groupView(context, task));
    }
    return perTask(context, args, (task) => view(context, task));
  },
});

function nameOf(signal: number): string {
  if (signal <= NAMES.length) return (NAMES[signal - 1] ?? []).join('/');
  if (signal === 32) return 'SIGRTMIN';
  if (signal < 49) return `SIGRTMIN+${signal - 32}`;
  return signal === SIGNALS ? 'SIGRTMAX' : `SIGRTMAX-${SIGNALS - signal}`;
}

/** Their first names. */
function namesOf(set: bigint): readonly string[] {
  return Array.from({ length: SIGNALS }, (_, i) => i)
    .filter((i) => ((set >> BigInt(i)) & 1n) === 1n)
    .map((i) => nameOf(i + 1).split('/')[0] ?? '');
}

const label = (signal: number): string => `[${signal}]`.padStart(4);

function allNames(): Shape {
  const all = Array.from({ length: SIGNALS }, (_, i) => i + 1);
  return {
    shape: 'lines',
    lines: all.map((signal) => `${label(signal)} ${nameOf(signal)}`),
    data: () => all.map((signal) => ({ signal, name: nameOf(signal) })),
  };
}

/** All threads of a task's process, the first one first. */
function threadsOf(context: CommandContext, { tgid }: Task): readonly Task[] {
  const threads = context.use(tasksFact).tasks.filter((task) => task.tgid === tgid && !task.idle);
  return inOrder(threads).toSorted((a, b) => Number(b.pid === tgid) - Number(a.pid === tgid));
}

function groupView(context: CommandContext, leader: Task): TaskView {
  const { program, problem } = context;
  const threads = threadsOf(context, leader).flatMap((task) => {
    context.budget.check();
    const signals = attempt(() => taskSignals(program, task.address));
    if (signals === undefined) problem(`${task.comm} (pid ${task.pid}) has exited and has no handlers`);
    return signals === undefined ? [] : [{ task, signals }];
  });
  // What they share can be read through any of them: the first may have exited before the others.
  const [first] = threads;
  if (first === undefined) return { lines: [], data: {} };
  return {
    lines: groupLines(first.signals, threads),
    data: {
      ...dataOf(first.signals),
      own: undefined,
      blocked: undefined,
      pending: undefined,
      group: threads.map(({ task, signals }) => ({
        ...taskData(task),
        blocked: namesOf(signals.blocked),
        pending: signals.pending,
        own: pendingData(signals.own),
      })),
    },
  };
}

function* groupLines(
  shared: TaskSignals,
  threads: readonly { readonly task: Task; readonly signals: TaskSignals }[],
): Generator<TextLine> {
  yield* handlerLines(shared);
  yield 'SHARED_PENDING';
  yield* pendingLines(shared.shared);
  for (const { task, signals } of threads) {
    yield '';
    yield ['  ', taskHeader(task)].flat();
    yield* stateLines(signals, '  ');
  }
}

function view({ program, problem }: CommandContext, task: Task): TaskView {
  const signals = taskSignals(program, task.address);
  if (signals === undefined) {
    problem(`${task.comm} (pid ${task.pid}) has exited and has no handlers`);
    return { lines: [], data: {} };
  }
  return { lines: lines(signals), data: dataOf(signals) };
}

function* lines(signals: TaskSignals): Generator<TextLine> {
  yield* handlerLines(signals);
  yield* stateLines(signals);
  yield 'SHARED_PENDING';
  yield* pendingLines(signals.shared);
}

function* handlerLines({ signal, threads, actions }: TaskSignals): Generator<TextLine> {
  yield `SIGNAL_STRUCT: ${hex16(signal)}  NR_THREADS: ${threads}`;
  yield [{ text: ' SIG    SIGACTION        HANDLER       MASK       FLAGS', style: 'heading' }];
  for (const action of actions) yield actionLine(action);
}

function* stateLines({ pending, blocked, own }: TaskSignals, before = ''): Generator<TextLine> {
  yield `${before}SIGPENDING: ${pending ? 'yes' : 'no'}`;
  yield `${before}   BLOCKED: ${hex16(blocked)}`;
  yield `${before}PRIVATE_PENDING`;
  yield* pendingLines(own, before);
}

function handlerText(handler: bigint): string {
  return handler === 0n ? 'SIG_DFL' : handler === 1n ? 'SIG_IGN' : handler.toString(16);
}

function actionLine({ signal, action, handler, mask, flags }: SignalAction): TextLine {
  const names = FLAGS.flatMap(([bit, name]) => ((flags & bit) === 0n ? [] : [name]));
  const text = names.length === 0 ? '' : ` (${names.join('|')})`;
  return `${label(signal)} ${hex16(action)} ${handlerText(handler).padStart(10)} ${hex16(mask)} ${flags.toString(16)}${text}`;
}

/** The rows of the queue stand where they are, however far the rest is indented. */
function* pendingLines({ set, queue }: PendingSignals, before = ''): Generator<TextLine> {
  yield `${before}    SIGNAL: ${hex16(set)}`;
  if (queue.length === 0) yield `${before}  SIGQUEUE: (empty)`;
  else yield `${before}  SIGQUEUE:  SIG      SIGINFO`;
  for (const { signal, info } of queue) yield `${String(signal).padStart(16)}  ${hex16(info)}`;
}

function pendingData({ set, queue }: PendingSignals): Data {
  return {
    signals: namesOf(set),
    queue: queue.map(({ signal: number, info }) => ({ signal: number, info: address(info) })),
  };
}

function dataOf({ signal, threads, actions, blocked, own, shared, pending }: TaskSignals): {
  readonly [key: string]: Data;
} {
  return {
    signal_struct: address(signal),
    threads,
    // Those that are not as they were at the start of the program.
    handlers: actions
      .filter(({ handler, flags }) => handler !== 0n || flags !== 0n)
      .map(({ signal: number, handler, mask, flags }) => ({
        signal: nameOf(number),
        handler: handlerText(handler),
        mask: namesOf(mask),
        flags: `0x${flags.toString(16)}`,
      })),
    blocked: namesOf(blocked),
    pending,
    own: pendingData(own),
    shared: pendingData(shared),
  };
}
