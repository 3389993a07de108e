/** `sig`: the signals of tasks: handlers, what is blocked, what is pending. */
import { UsageError } from '../base/errors.ts';
import { type PendingSignals, type SignalAction, SIGNALS, type TaskSignals, taskSignals } from '../kernel/signals.ts';
import type { Task } from '../kernel/sched.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { parseNumber } from '../shell/arguments.ts';
import { hex16 } from '../shell/format.ts';
import { perTask, type TaskView } from '../shell/per-task.ts';

/** Signals 1 to 31 of x86-64 and arm64, with their other names. */
const NAMES =
  'HUP INT QUIT ILL TRAP ABRT/IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD/CLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO/POLL PWR SYS/UNUSED'
    .split(' ')
    .map((names) => names.split('/').map((name) => `SIG${name}`));

const FLAGS: readonly (readonly [bit: bigint, name: string])[] = [
  [0x1n, 'SA_NOCLDSTOP'],
  [0x2n, 'SA_NOCLDWAIT'],
  [0x4n, 'SA_SIGINFO'],
  [0x4000000n, 'SA_RESTORER'],
  [0x8000000n, 'SA_ONSTACK'],
  [0x10000000n, 'SA_RESTART'],
  [0x40000000n, 'SA_NODEFER'],
  [0x80000000n, 'SA_RESETHAND'],
];

export default defineCommand({
  name: 'sig',
  summary: 'signals: handlers, blocked, pending',
  options: [
    { flag: 'l', summary: 'the signals and their numbers' },
    { flag: 's', value: 'set', kind: 'number', summary: 'the signals of a set, in hex' },
  ],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'sig 96', what: 'of one task' },
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

function view({ program, problem }: CommandContext, task: Task): TaskView {
  const signals = taskSignals(program, task.address);
  if (signals === undefined) {
    problem(`${task.comm} (pid ${task.pid}) has exited and has no handlers`);
    return { lines: [], data: {} };
  }
  return { lines: lines(signals), data: dataOf(signals) };
}

function* lines({ signal, threads, actions, pending, blocked, own, shared }: TaskSignals): Generator<TextLine> {
  yield `SIGNAL_STRUCT: ${hex16(signal)}  NR_THREADS: ${threads}`;
  yield [{ text: ' SIG    SIGACTION        HANDLER       MASK       FLAGS', style: 'heading' }];
  for (const action of actions) yield actionLine(action);
  yield `SIGPENDING: ${pending ? 'yes' : 'no'}`;
  yield `   BLOCKED: ${hex16(blocked)}`;
  yield 'PRIVATE_PENDING';
  yield* pendingLines(own);
  yield 'SHARED_PENDING';
  yield* pendingLines(shared);
}

function handlerText(handler: bigint): string {
  return handler === 0n ? 'SIG_DFL' : handler === 1n ? 'SIG_IGN' : handler.toString(16);
}

function actionLine({ signal, action, handler, mask, flags }: SignalAction): TextLine {
  const names = FLAGS.flatMap(([bit, name]) => ((flags & bit) === 0n ? [] : [name]));
  const text = names.length === 0 ? '' : ` (${names.join('|')})`;
  return `${label(signal)} ${hex16(action)} ${handlerText(handler).padStart(10)} ${hex16(mask)} ${flags.toString(16)}${text}`;
}

function* pendingLines({ set, queue }: PendingSignals): Generator<TextLine> {
  yield `    SIGNAL: ${hex16(set)}`;
  if (queue.length === 0) yield '  SIGQUEUE: (empty)';
  else yield '  SIGQUEUE:  SIG  SIGINFO';
  for (const { signal, info } of queue) yield `${String(signal).padStart(16)}  ${hex16(info)}`;
}

function dataOf({ signal, threads, actions, blocked, own, shared, pending }: TaskSignals): {
  readonly [key: string]: Data;
} {
  const pendingData = ({ set, queue }: PendingSignals): Data => ({
    signals: namesOf(set),
    queue: queue.map(({ signal: number, info }) => ({ signal: number, info: address(info) })),
  });
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
