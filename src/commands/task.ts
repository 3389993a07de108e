/** `task`: the `task_struct` of tasks, or single members of it, under today's or former names. */
import { attempt } from '../base/errors.ts';
import type { Task } from '../kernel/sched.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { TextLine } from '../model/shape.ts';
import type { Program } from '../program/program.ts';
import { memberLines, specMember, structData, structLines, structSpec, type StructSpec } from '../shell/struct-view.ts';
import { currentTask, taskArguments, taskData, taskHeader } from '../shell/tasks.ts';
import { UsageError } from '../base/errors.ts';

export default defineCommand({
  name: 'task',
  summary: 'the task_struct of tasks',
  options: [
    {
      flag: 'R',
      value: 'member[,member]',
      kind: 'member',
      summary: 'these members only, of task_struct or thread_info',
    },
    { flag: 'x', summary: 'numbers in hex' },
    { flag: 'd', summary: 'numbers in decimal' },
  ],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'task -R sched_info 96', what: 'when it last ran, how long it waited for a CPU' },
    { line: 'task -R state,signal 96', what: 'two members; state is __state since 5.14' },
    { line: 'task', what: 'all of the chosen task' },
  ],
  run(context, args) {
    const tasks = taskArguments(context, args.positionals, args.raws) ?? [currentTask(context)];
    const wanted = args.value('R');
    const specs = specsOf(context, wanted);
    return {
      shape: 'lines',
      lines: lines(context, args, tasks, specs, wanted === undefined),
      data: () =>
        tasks.map((task) => ({
          ...taskData(task),
          values: specs.map((spec) => structData(context.program, spec, at(context, task, spec))),
        })),
    };
  },
});

/** The whole task_struct and thread_info, or the members of either. */
function specsOf({ program }: CommandContext, wanted: string | undefined): readonly StructSpec[] {
  const task = structSpec(program, 'task_struct', ['struct']);
  const info = attempt(() => structSpec(program, 'thread_info', ['struct']));
  if (wanted === undefined) return info === undefined ? [task] : [task, info];
  return wanted.split(',').flatMap((path) => {
    const own = memberOf(program, task, path);
    // A member of both is shown of both, as crash does: `flags`.
    const other = info === undefined || path.includes('.') ? undefined : memberOf(program, info, path);
    const known = [own, other].flatMap((each) => (each === undefined || each instanceof UsageError ? [] : [each]));
    if (known.length > 0) return known;
    // The nearest name is that of task_struct.
    throw own instanceof UsageError ? own : new UsageError(`no member '${path}'`);
  });
}

function memberOf(program: Program, spec: StructSpec, path: string): StructSpec | UsageError {
  try {
    return { ...spec, members: [specMember(program, spec.type, path)] };
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

function at({ program }: CommandContext, task: Task, spec: StructSpec): Task['address'] {
  if (spec.name !== 'struct thread_info') return task.address;
  if (program.tryField('struct task_struct', 'thread_info') !== undefined) return task.address;
  return program.field('struct task_struct', 'stack').pointer(task.address);
}

function* lines(
  context: CommandContext,
  args: CommandArguments,
  tasks: readonly Task[],
  specs: readonly StructSpec[],
  whole: boolean,
): Generator<TextLine> {
  const radix = args.has('x') ? 16 : args.has('d') ? 10 : context.session.radix;
  for (const task of tasks) {
    context.budget.check();
    yield taskHeader(task);
    for (const [i, spec] of specs.entries()) {
      const options = { radix, context, what: `${spec.name} of pid ${task.pid}` } as const;
      if (whole && i > 0) yield '';
      yield* whole
        ? structLines(spec, at(context, task, spec), options)
        : memberLines(spec, at(context, task, spec), options);
    }
    yield '';
  }
}
