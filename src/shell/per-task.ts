/** What commands show of one task after the other: crash's line that names it, what is known, an empty line between. */
import { isDataError } from '../base/errors.ts';
import type { Task } from '../kernel/sched.ts';
import type { CommandArguments, CommandContext } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import { currentTask, taskArguments, taskData, taskHeader } from './tasks.ts';

export interface TaskView {
  /** Below the line that names the task. */
  readonly lines: Iterable<TextLine>;
  /** The same facts, beside those of the task. */
  readonly data: { readonly [key: string]: Data };
}

/**
 * A view of each task that the arguments name, or of the current one. What cannot be read of one is told, and the
 * others are shown.
 * @param view - undefined leaves the task out
 * @throws UsageError when there is no current task
 */
export function perTask(
  context: CommandContext,
  args: Pick<CommandArguments, 'positionals' | 'raws'>,
  view: (task: Task) => TaskView | undefined,
): Shape {
  const tasks = taskArguments(context, args.positionals, args.raws) ?? [currentTask(context)];
  return viewsOf(context, tasks, view);
}

/** As `perTask`, for tasks that are chosen already. */
export function viewsOf(
  context: CommandContext,
  tasks: readonly Task[],
  view: (task: Task) => TaskView | undefined,
): Shape {
  const seen = (task: Task): TaskView | undefined => {
    context.budget.check();
    try {
      return view(task);
    } catch (error) {
      if (!isDataError(error)) throw error;
      context.problem(`${task.comm} (pid ${task.pid}): ${error.message}`);
      return { lines: [], data: {} };
    }
  };
  return {
    shape: 'lines',
    lines: lines(tasks, seen),
    data: () =>
      tasks.flatMap((task) => {
        const found = seen(task);
        return found === undefined ? [] : [{ ...taskData(task), ...found.data }];
      }),
  };
}

function* lines(tasks: readonly Task[], view: (task: Task) => TaskView | undefined): Generator<TextLine> {
  let first = true;
  for (const task of tasks) {
    const found = view(task);
    if (found === undefined) continue;
    if (!first) yield '';
    first = false;
    yield taskHeader(task);
    yield* found.lines;
  }
}
