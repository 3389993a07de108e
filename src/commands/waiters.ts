/** `waiters`: who waits for an object, a lock or whatever else has a queue, in the order in which they get it. */
import type { VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { clockFact } from '../diagnosis/facts/clock.ts';
import { taskWaitsFact } from '../diagnosis/facts/task-waits.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { waitGraphFact, type WaitTarget } from '../diagnosis/facts/wait-graph.ts';
import type { Task } from '../kernel/sched.ts';
import { waitQueueEntries } from '../kernel/wait-queue.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, Table } from '../model/shape.ts';
import { duration, name, type Prose, prose } from '../model/value.ts';
import { addressArgument } from '../shell/expression.ts';
import { ownersText, targetText } from '../shell/wait-views.ts';

export default defineCommand({
  name: 'waiters',
  summary: 'who waits for a lock, a completion or a wait queue, in the order of the queue',
  options: [],
  arguments: [{ name: 'address', kinds: ['address', 'symbol'] }],
  examples: [
    { line: 'waiters rtnl_mutex', what: 'a lock by its name' },
    { line: 'waiters ff356c571fd0f540', what: 'by its address, as hang and locks show it' },
  ],
  run(context, args) {
    const [text, extra] = args.positionals;
    if (text === undefined) throw new UsageError('of what? waiters takes an address or a symbol');
    if (extra !== undefined) throw new UsageError(`'${extra}': waiters takes one address`);
    const at = addressArgument(context.program, text);
    const { targets, roots } = context.use(waitGraphFact);
    // A frozen file system has its waiters at several gates: together they are the end of chains.
    const ends = roots.flatMap(({ target: end }) => (end === undefined ? [] : [end]));
    const target = [...targets, ...ends].find(({ address }) => address === at);
    if (target !== undefined) return ofTarget(context, target);
    const asleep = onObject(context, at);
    if (asleep.length > 0)
      return ofTasks(
        context,
        [asleep.length === 1 ? '1 task sleeps on it:' : `${asleep.length} tasks sleep on it:`],
        asleep,
        undefined,
      );
    const queued = onQueue(context, at);
    if (queued === undefined || queued.length === 0) {
      const none: Prose = [
        'No task waits for it: it is no lock, no completion and no wait queue that anybody sleeps on.',
      ];
      return { shape: 'text', lines: [none], data: () => [] };
    }
    return ofTasks(context, ['On the wait queue:'], queued, undefined);
  },
});

/** Tasks whose own stack names the object. */
function onObject(context: CommandContext, at: VirtAddr): readonly Task[] {
  const waits = context.use(taskWaitsFact);
  return context.use(tasksFact).tasks.filter((task) => waits.of(task)?.object?.address === at);
}

function onQueue(context: CommandContext, at: VirtAddr): readonly Task[] | undefined {
  const { byAddress } = context.use(tasksFact);
  return attempt(() =>
    waitQueueEntries(context.program, at)
      .flatMap(({ tasks }) => tasks)
      .map((task) => byAddress.get(task))
      .filter((task) => task !== undefined)
      .toArray(),
  );
}

function ofTarget(context: CommandContext, target: WaitTarget): Shape {
  const { lock } = target;
  for (const problem of lock?.problems ?? []) context.problem(problem);
  const modes = new Map(lock?.waiters.map(({ task, mode }) => [task, mode]));
  return ofTasks(context, prose`${targetText(target)}; ${ownersText(target)}`, target.waiters, (task) =>
    modes.get(task),
  );
}

function ofTasks(
  context: CommandContext,
  heading: Prose,
  tasks: readonly Task[],
  modeOf: ((task: Task) => string | undefined) | undefined,
): Shape {
  const clock = context.use(clockFact);
  const rows = tasks.map((task, i) => {
    const wait = clock.offCpu(task);
    return [
      i + 1,
      task.pid,
      task.state.letter,
      modeOf?.(task),
      wait === undefined ? undefined : duration(wait),
      name(task.comm),
    ];
  });
  const table: Table = {
    shape: 'table',
    columns: [
      { key: 'place', label: '#', align: 'right' },
      { key: 'pid', label: 'PID', align: 'right' },
      { key: 'state', label: 'ST', align: 'left' },
      { key: 'mode', label: 'MODE', align: 'left' },
      { key: 'offCpu', label: 'OFF CPU', align: 'right' },
      { key: 'comm', label: 'COMM', align: 'left' },
    ],
    rows,
  };
  return { shape: 'list', items: [{ shape: 'text', lines: [heading] }, table], spaced: false };
}
