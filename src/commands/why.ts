/**
 * `why`: what keeps one task from going on. What it waits for, who has that, what that one waits for, and so on to the end;
 * then what waits for the task itself.
 */
import { UsageError } from '../base/errors.ts';
import { locksFact } from '../diagnosis/facts/locks.ts';
import { detailProse, requestData, taskWaitsFact, waitProse } from '../diagnosis/facts/task-waits.ts';
import { leavesFact } from '../diagnosis/facts/wait-leaves.ts';
import { followed, type WaitTarget } from '../diagnosis/facts/wait-graph.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import type { Task } from '../kernel/sched.ts';
import type { TaskWait } from '../kernel/wait-kinds.ts';
import { defineCommand } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { address, type Data, name, plural, type Prose, prose, task as taskValue } from '../model/value.ts';
import { currentTask, taskArguments } from '../shell/tasks.ts';
import { oneTask, ownersText, targetData, targetText, type WaitView, waitView } from '../shell/wait-views.ts';

export default defineCommand({
  name: 'why',
  summary: 'what a task waits for, who has that, and why that one does not go on',
  options: [],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'why 101', what: 'from pid 101 to the end of its chain' },
    { line: 'why', what: 'of the chosen task' },
  ],
  run(context, args) {
    const tasks = taskArguments(context, args.positionals, args.raws) ?? [currentTask(context)];
    if (tasks.length === 0) throw new UsageError('no such task');
    const view = waitView(context);
    const items = tasks.map((task): Shape => {
      const lines = [...chainLines(view, task)];
      return { shape: 'text', lines, data: () => chainData(view, task) };
    });
    return { shape: 'list', items };
  },
});

/** The tasks from one to the end of its chain; the first that comes again closes a circle. */
function chainOf({ graph }: WaitView, start: Task): { readonly tasks: readonly Task[]; readonly closed: boolean } {
  const tasks: Task[] = [start];
  for (;;) {
    const target = graph.targetOf(tasks.at(-1) ?? start);
    const next = target === undefined ? undefined : followed(target)[0]?.task;
    if (next === undefined) return { tasks, closed: false };
    if (tasks.includes(next)) return { tasks: [...tasks, next], closed: true };
    tasks.push(next);
  }
}

function* chainLines(view: WaitView, start: Task): Generator<Prose> {
  const { tasks, closed } = chainOf(view, start);
  const { graph } = view;
  const links = closed ? tasks.slice(0, -1) : tasks;
  yield oneTask(view, start);
  for (const [i, task] of links.entries()) {
    const who = i === 0 ? [] : prose`${taskValue(task)} `;
    const target = graph.targetOf(task);
    if (target !== undefined)
      yield prose`   ${who}waits ${targetText(target)}${detailText(view, task)}; ${ownersText(target)}`;
    else yield prose`   ${i === 0 ? prose`${taskValue(task)} ` : who}${endText(view, task)}`;
  }
  const last = tasks.at(-1);
  if (closed && last !== undefined) yield prose`   ${taskValue(last)}: there the circle closes`;
  const held = graph.heldBy(start);
  for (const target of held)
    yield prose`   ${plural(target.waiters.length, 'task waits for it', 'tasks wait for it')}: ${targetText(target)}`;
}

function detailText({ context }: WaitView, task: Task): Prose {
  const wait = context.use(taskWaitsFact).of(task);
  return wait === undefined ? [] : detailProse(wait);
}

/** Why a task that waits for no other does not go on. */
function endText(view: WaitView, task: Task): Prose {
  const { context } = view;
  const root = { task, cycle: [], target: undefined, behind: [], further: [] };
  const { text } = context.use(leavesFact).of(root);
  const wait = context.use(locksFact).waitOf(task) === undefined ? context.use(taskWaitsFact).of(task) : undefined;
  const object = wait?.object === undefined ? [] : prose` (${wait.object.ctype} at ${address(wait.object.address)})`;
  const proof = wait === undefined || wait.proof === 'structure' ? [] : ['; the functions on its stack alone say so'];
  return prose`${text}${object}${proof}`;
}

function chainData(view: WaitView, start: Task): Data {
  const { tasks, closed } = chainOf(view, start);
  const waits = view.context.use(taskWaitsFact);
  return {
    chain: (closed ? tasks.slice(0, -1) : tasks).map((task) => {
      const target: WaitTarget | undefined = view.graph.targetOf(task);
      const wait = waits.of(task);
      return {
        task: taskValue(task),
        waitsFor: targetData(target),
        wait: wait === undefined || target?.lock !== undefined ? undefined : waitData(view, wait),
      };
    }),
    closed,
    waitedFor: view.graph.heldBy(start).map(targetData),
  };
}

function waitData({ context }: WaitView, wait: TaskWait): Data {
  const { byAddress } = context.use(tasksFact);
  return {
    kind: wait.kind,
    edge: wait.edge,
    what: [...waitProse(wait)],
    detail: wait.detail,
    disk: wait.block === undefined ? undefined : name(wait.block.queue.disk.name),
    request: wait.block?.request === undefined ? undefined : requestData(wait.block.request),
    proof: wait.proof,
    object: wait.object === undefined ? undefined : { address: address(wait.object.address), ctype: wait.object.ctype },
    awaited: wait.awaited.flatMap(({ task, certainty, why }) => {
      const of = byAddress.get(task);
      return of === undefined ? [] : [{ task: taskValue(of), certainty, why }];
    }),
  };
}
