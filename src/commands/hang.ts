/**
 * `hang`: who waits for whom. Chains of waits are followed to those at their ends, which are shown with what waits behind
 * them, most first; then whatever else sleeps without reacting to signals, by what it waits for.
 */
import { UsageError } from '../base/errors.ts';
import type { Nanoseconds } from '../base/units.ts';
import { clockFact } from '../diagnosis/facts/clock.ts';
import { locksFact } from '../diagnosis/facts/locks.ts';
import { taskWaitsFact } from '../diagnosis/facts/task-waits.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import type { WaitGraph, WaitRoot } from '../diagnosis/facts/wait-graph.ts';
import type { Task } from '../kernel/sched.ts';
import type { TaskWait } from '../kernel/wait-kinds.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Growth } from '../model/growth.ts';
import type { Shape, Table } from '../model/shape.ts';
import { count, duration, name, plural, type Prose, prose } from '../model/value.ts';
import { crowdLines, crowdOf, dotLines, rootData, rootLines, waitView } from '../shell/wait-views.ts';

export default defineCommand({
  name: 'hang',
  summary: 'who waits for whom, and why the one at the end does not go on',
  description: [
    'Each numbered part is the end of a chain of waits: a task that waits for no other, a circle, or a lock whose owner is ' +
      'not known. What waits behind it stands below as a tree. How sure an owner is stands beside it: what a structure ' +
      'names is exact; the last known reader of a lock may have let go; what is inferred says from what.',
    'Chains in which nobody is in uninterruptible sleep or waits for a lock (a shell that waits for its child) are left out; -a has them.',
  ],
  options: [
    { flag: 'a', summary: 'also chains in which all sleep as they may for days' },
    { flag: '-dot', summary: 'the graph for Graphviz' },
  ],
  arguments: [],
  examples: [
    { line: 'hang', what: 'the ends of all chains, with what waits behind them' },
    { line: 'hang --dot | dot -Tsvg > hang.svg', what: 'as a drawing' },
  ],
  run(context, args) {
    const [extra] = args.positionals;
    if (extra !== undefined) throw new UsageError(`'${extra}': hang takes no arguments; why PID is about one task`);
    const view = waitView(context);
    if (args.has('-dot')) {
      const lines = [...dotLines(view)];
      return { shape: 'lines', lines, data: () => lines };
    }
    const roots = view.graph.roots.filter((root) => args.has('a') || isHang(view.graph, root));
    const lines: (Prose | Growth)[] = [summary(context, view.graph, roots)];
    roots.forEach((root, i) =>
      lines.push([''], ...rootLines(view, root, i + 1), ...crowdLines(context, crowdOf(root))),
    );
    const text: Shape = { shape: 'text', lines, data: () => roots.map((root) => rootData(view, root)) };
    return { shape: 'list', items: [text, others(context, view.graph)] };
  },
});

function isHang(graph: WaitGraph, { behind, further, cycle }: WaitRoot): boolean {
  return [...cycle, ...behind, ...further].some(
    (task) => task.state.uninterruptible || graph.targetOf(task)?.lock !== undefined,
  );
}

function blocked(context: CommandContext): readonly Task[] {
  return context.use(tasksFact).tasks.filter(({ state, running, idle }) => state.uninterruptible && !running && !idle);
}

function summary(context: CommandContext, { targetOf }: WaitGraph, roots: readonly WaitRoot[]): Prose {
  const all = blocked(context);
  const [first] = all;
  if (first === undefined && roots.length === 0)
    return ['No task is in uninterruptible sleep, and none waits for a lock.'];
  const linked = all.filter((task) => targetOf(task) !== undefined).length;
  const which: Prose = linked === all.length ? ['all'] : [count(linked)];
  return prose`${plural(all.length, 'task')} in uninterruptible sleep, ${which} for a lock or another task; chains end at ${plural(roots.length, 'place')}:`;
}

function whatText({ what, name: of, channel }: TaskWait): string {
  const where = channel === undefined || what.includes(channel) ? '' : `, in ${channel}`;
  return `${what}${of === undefined ? '' : ` ${of}`}${where}`;
}

/** The age of the oldest request of a disk that some waits are for. */
function oldestRequest(waits: readonly (TaskWait | undefined)[]): Nanoseconds | undefined {
  const ages = waits.map((wait) => wait?.block?.request?.age).filter((age) => age !== undefined);
  return ages.length === 0 ? undefined : ages.reduce((a, b) => (a > b ? a : b));
}

/** Those in uninterruptible sleep that wait for no lock and no task that is known. */
function others(context: CommandContext, { targetOf }: WaitGraph): Table {
  const waits = context.use(taskWaitsFact);
  const clock = context.use(clockFact);
  const { waitOf } = context.use(locksFact);
  const rest = blocked(context).filter((task) => targetOf(task) === undefined && waitOf(task) === undefined);
  const groups = Map.groupBy(rest, (task) => {
    const wait = waits.of(task);
    return wait === undefined ? 'unknown' : `${wait.kind} ${wait.what} ${wait.name ?? ''} ${wait.channel ?? ''}`;
  });
  const rows = [...groups.values()].map((tasks) => {
    const [first] = tasks;
    const wait = first === undefined ? undefined : waits.of(first);
    const longest = tasks.map((task) => clock.offCpu(task) ?? -1n).reduce((a, b) => (a > b ? a : b), -1n);
    const what = wait === undefined ? 'unknown' : whatText(wait);
    const age = oldestRequest(tasks.map((task) => waits.of(task)));
    const comms = [...new Set(tasks.map(({ comm }) => comm))];
    const pids = tasks.slice(0, 3).map(({ pid }) => pid);
    return {
      n: tasks.length,
      age,
      cells: [
        count(tasks.length),
        wait?.kind ?? 'unknown',
        longest < 0n ? undefined : duration(longest),
        wait?.proof === 'structure' ? 'structure' : 'functions',
        name(what),
        name(
          `${comms.slice(0, 3).join(', ')}${comms.length > 3 ? ', ...' : ''} (pid ${pids.join(', ')}${tasks.length > 3 ? ', ...' : ''})`,
        ),
      ],
    };
  });
  rows.sort((a, b) => b.n - a.n);
  // Only where there is block I/O.
  const io = rows.some(({ age }) => age !== undefined);
  return {
    shape: 'table',
    title: rows.length === 0 ? '' : 'Others in uninterruptible sleep, by what they wait for',
    header: rows.length > 0,
    columns: [
      { key: 'tasks', label: 'TASKS', align: 'right' },
      { key: 'kind', label: 'WAIT', align: 'left' },
      { key: 'longest', label: 'LONGEST', align: 'right' },
      { key: 'proof', label: 'SHOWN BY', align: 'left' },
      { key: 'what', label: 'WHAT', align: 'left' },
      { key: 'who', label: 'WHO', align: 'left' },
      ...(io ? [{ key: 'request', label: 'OLDEST REQUEST', align: 'right' } as const] : []),
    ],
    rows: rows.map(({ cells, age }) => (io ? [...cells, age === undefined ? undefined : duration(age)] : cells)),
  };
}
