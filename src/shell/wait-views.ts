/** The graph of who waits for whom as sentences, as data and as a drawing for Graphviz. */
import type { Task } from '../kernel/sched.ts';
import { clockFact } from '../diagnosis/facts/clock.ts';
import { arrivalsText, growthFact } from '../diagnosis/facts/growth.ts';
import { cgroupData, cgroupText, taskCgroupsFact } from '../diagnosis/facts/task-cgroups.ts';
import { type Leaf, leavesFact } from '../diagnosis/facts/wait-leaves.ts';
import {
  type WaitGraph,
  waitGraphFact,
  type WaitOwner,
  type WaitRoot,
  type WaitTarget,
} from '../diagnosis/facts/wait-graph.ts';
import { requestData } from '../diagnosis/facts/task-waits.ts';
import type { FactContext } from '../model/diagnosis.ts';
import { type Growth, growthData } from '../model/growth.ts';
import {
  address,
  count,
  type Data,
  duration,
  name,
  plural,
  type Prose,
  prose,
  task as taskValue,
} from '../model/value.ts';

/** Chains are shown no deeper; what lies deeper is counted. */
const MAX_DEPTH = 12;
/** Tasks of one name are one line from so many on. */
const GROUP = 3;

/** What a view needs of the dump. */
export interface WaitView {
  readonly context: FactContext;
  readonly graph: WaitGraph;
}

export function waitView(context: FactContext): WaitView {
  return { context, graph: context.use(waitGraphFact) };
}

export const certaintyText = ({ certainty, why }: WaitOwner): Prose =>
  certainty === 'exact' ? [why] : [`${certainty}: ${why}`];

/** Those who are stuck in or behind a root. */
export const crowdOf = ({ cycle, behind }: WaitRoot): readonly Task[] => [...new Set([...cycle, ...behind])];

/** The lines of one root: who it is, why it does not go on, and what waits behind it as a tree. */
export function rootLines(view: WaitView, root: WaitRoot, number: number): readonly Prose[] {
  const leaf = view.context.use(leavesFact).of(root);
  const shown = new Set<Task>(root.cycle);
  const lines = [prose`${String(number)}. ${headline(root, leaf)}`, prose`   ${behindText(root)}`];
  if (root.cycle.length > 0) {
    for (const task of root.cycle) {
      const target = view.graph.targetOf(task);
      if (target !== undefined)
        lines.push(prose`   ${taskValue(task)} waits ${targetText(target)}; ${ownersText(target)}`);
    }
    for (const task of root.cycle) lines.push(...heldLines(view, task, 1, shown));
    return lines;
  }
  if (root.task !== undefined) {
    shown.add(root.task);
    lines.push(...heldLines(view, root.task, 1, shown));
  } else if (root.target !== undefined) lines.push(...targetLines(view, root.target, 1, shown, false));
  return lines;
}

function headline({ task, cycle, target }: WaitRoot, leaf: Leaf): Prose {
  if (cycle.length > 0) return prose`A circle of ${plural(cycle.length, 'task')}: ${leaf.text}`;
  if (task !== undefined) return prose`${taskValue(task)} ${leaf.text}`;
  return target === undefined ? leaf.text : prose`Tasks wait ${target.text}: ${leaf.text}`;
}

function behindText({ behind, further, cycle, target }: WaitRoot): Prose {
  const where =
    target === undefined ? (cycle.length > 0 ? 'stuck behind it' : 'behind it') : 'in its queue and behind it';
  const more = further.length === 0 ? [] : prose`, and ${count(further.length)} more that wait for one of these`;
  return prose`${plural(behind.length, 'task')} ${where}${more}`;
}

export function targetText({ text, ctype, address: at }: WaitTarget): Prose {
  return prose`${text} (${ctype} at ${address(at)})`;
}

/** 'which ps (pid 96) has (the lock names it)'. */
export function ownersText({ owners, ownerless, lock, anyOf }: WaitTarget): Prose {
  if (ownerless === 'dead') return ['its owner is no task any more'];
  if (ownerless === 'nobody') return [lock === undefined ? 'it has come' : 'nobody holds it'];
  if (ownerless === 'obstacle') return ['no task has it'];
  if (owners.length === 0) return ['who holds it is not recorded'];
  const [first] = owners;
  if (first === undefined) return [];
  const who =
    owners.length === 1
      ? [taskValue(first.task)]
      : prose`${taskValue(first.task)} and ${count(owners.length - 1)} more`;
  if (anyOf && owners.length > 1) return prose`one of ${who} has to act (${certaintyText(first)})`;
  const verb = lock === undefined ? 'has to act' : first.certainty === 'last known' ? 'took it last' : 'has it';
  return prose`${who} ${verb} (${certaintyText(first)})`;
}

function heldLines(view: WaitView, task: Task, depth: number, shown: Set<Task>): readonly Prose[] {
  return view.graph.heldBy(task).flatMap((target) => targetLines(view, target, depth, shown, true));
}

const indent = (depth: number): string => '   '.repeat(depth);

function targetLines(
  view: WaitView,
  target: WaitTarget,
  depth: number,
  shown: Set<Task>,
  owned: boolean,
): readonly Prose[] {
  const waiters = target.waiters.filter((task) => !shown.has(task));
  if (waiters.length === 0) return [];
  for (const task of waiters) shown.add(task);
  const lines: Prose[] = [];
  if (owned) {
    const owner = target.owners[0];
    const how = owner === undefined ? [] : prose`; ${certaintyText(owner)}`;
    lines.push(prose`${indent(depth)}${plural(waiters.length, 'waits', 'wait')} ${targetText(target)}${how}`);
  } else lines.push(prose`${indent(depth)}${ownersText(target)} (${target.ctype} at ${address(target.address)})`);
  const leading = waiters.filter((task) =>
    view.graph.heldBy(task).some(({ waiters: next }) => next.some((each) => !shown.has(each))),
  );
  const alone = waiters.filter((task) => !leading.includes(task));
  for (const group of Map.groupBy(alone, ({ comm }) => comm).values())
    lines.push(...groupLines(view, group, depth + 1));
  for (const task of leading) {
    lines.push(prose`${indent(depth + 1)}${oneTask(view, task)}`);
    if (depth < MAX_DEPTH) lines.push(...heldLines(view, task, depth + 2, shown));
    else lines.push(prose`${indent(depth + 2)}and more behind it, which is not shown`);
  }
  return lines;
}

function groupLines(view: WaitView, group: readonly Task[], depth: number): readonly Prose[] {
  const [first] = group;
  if (first === undefined) return [];
  if (group.length < GROUP) return group.map((task) => prose`${indent(depth)}${oneTask(view, task)}`);
  const waits = group.map((task) => view.context.use(clockFact).offCpu(task)).filter((wait) => wait !== undefined);
  waits.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const [least] = waits;
  const most = waits.at(-1);
  const since =
    least === undefined || most === undefined ? [] : prose`, off the CPU for ${duration(least)} to ${duration(most)}`;
  const pids = group.slice(0, 5).map(({ pid }) => pid);
  const rest = group.length > pids.length ? ', ...' : '';
  return [prose`${indent(depth)}${count(group.length)} ${name(first.comm)}${since} (pid ${pids.join(', ')}${rest})`];
}

export function oneTask(view: WaitView, task: Task): Prose {
  const since = view.context.use(clockFact).offCpu(task);
  const state = `, ${task.state.letter}`;
  return prose`${taskValue(task)}${state}${since === undefined ? [] : prose`, off the CPU for ${duration(since)}`}`;
}

/** When the tasks of a crowd came, drawn where they came one after the other, and the cgroup that most of them are in. */
export function crowdLines({ use }: FactContext, tasks: readonly Task[]): readonly (Prose | Growth)[] {
  if (tasks.length < GROUP) return [];
  const arrivals = use(growthFact).of(tasks);
  const cgroups = use(taskCgroupsFact).among(tasks);
  return [
    ...(cgroups.common === undefined ? [] : [prose`   ${cgroupText(cgroups)}`]),
    arrivals.growth ?? prose`   since when they wait: ${arrivalsText(arrivals, true)}`,
  ];
}

/** The same for JSON. */
export function crowdData({ use }: FactContext, tasks: readonly Task[]): Data {
  const { growth, first, last, unknown } = use(growthFact).of(tasks);
  return {
    first: first === undefined ? undefined : duration(first),
    last: last === undefined ? undefined : duration(last),
    unknown: unknown === 0 ? undefined : count(unknown),
    growth: growth === undefined ? undefined : growthData(growth),
    cgroups: cgroupData(use(taskCgroupsFact).among(tasks)),
  };
}

/** A root with all that is behind it, for JSON. */
export function rootData(view: WaitView, root: WaitRoot): Data {
  const leaf = view.context.use(leavesFact).of(root);
  return {
    leaf: leaf.kind,
    task: root.task === undefined ? undefined : taskValue(root.task),
    cycle: root.cycle.map((task) => ({ task: taskValue(task), waitsFor: targetData(view.graph.targetOf(task)) })),
    target: targetData(root.target),
    behind: root.behind.map(taskValue),
    further: root.further.map(taskValue),
    crowd: crowdData(view.context, crowdOf(root)),
  };
}

/** @param crowd - of its waiters */
export function targetData(target: WaitTarget | undefined, crowd?: Data): Data {
  if (target === undefined) return undefined;
  const { address: at, ctype, owners, anyOf, ownerless, waiters } = target;
  return {
    address: address(at),
    type: ctype,
    owners: owners.map(({ task, certainty, why }) => ({ task: taskValue(task), certainty, why })),
    anyOf: anyOf && owners.length > 1 ? true : undefined,
    ownerless,
    oldestRequest: target.obstacle?.kind === 'disk' ? requestData(target.obstacle.disk.oldest) : undefined,
    waiters: waiters.map(taskValue),
    crowd,
  };
}

/** The graph in the language of Graphviz: tasks are ellipses, what they wait for are boxes. */
export function* dotLines({ graph }: WaitView): Generator<string> {
  yield 'digraph waits {';
  yield '  rankdir=LR; node [fontname="monospace"];';
  for (const { address: at, ctype, owners, waiters } of graph.targets) {
    const box = `"${ctype} 0x${at.toString(16)}"`;
    yield `  ${box} [shape=box];`;
    for (const task of waiters) yield `  ${dotTask(task)} -> ${box};`;
    for (const { task, certainty } of owners)
      yield `  ${box} -> ${dotTask(task)}${certainty === 'exact' ? '' : ` [style=dashed,label="${certainty}"]`};`;
  }
  yield '}';
}

const dotTask = ({ pid, comm }: Task): string => `"${comm.replace(/[^\x20-\x7e]|["\\]/g, '?')} ${pid}"`;
