/** `foreach`: another command for many tasks: chosen by pid, name, pattern, state, or kind. */
import { isDataError, UsageError } from '../base/errors.ts';
import type { Task } from '../kernel/sched.ts';
import { type Command, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { crashState, orderedTasks, taskHeader, tasksNamed } from '../shell/tasks.ts';
import { hex16 } from '../shell/format.ts';

const STATES = ['RU', 'IN', 'UN', 'ST', 'ZO', 'TR', 'SW', 'DE', 'WA', 'PA', 'ID', 'NE'];
const KINDS: { readonly [word: string]: (task: Task) => boolean } = {
  kernel: (task) => task.kthread || task.idle,
  user: (task) => !task.kthread && !task.idle,
  gleader: (task) => task.pid === task.tgid && !task.kthread && !task.idle,
  active: (task) => task.running,
};

export default defineCommand({
  name: 'foreach',
  aliases: ['for'],
  summary: 'a command for many tasks',
  description: [
    `Tasks: pids, addresses, names of commands, 'patterns' in quotes, the words ${Object.keys(KINDS).join(', ')}, or one of the states ${STATES.join(' ')}. ` +
      'Kinds and states narrow down what the others name; without any, all tasks. What follows the command are its options.',
  ],
  options: [],
  arguments: [
    {
      name: "pid | task | name | 'pattern' | kind | state",
      kinds: ['task'],
      words: [...Object.keys(KINDS), ...STATES],
      optional: true,
      repeated: true,
    },
    { name: 'command', kinds: ['command'] },
    { name: 'options', kinds: ['text'], optional: true },
  ],
  optionsFirst: true,
  examples: [
    { line: 'foreach UN bt', what: 'the stacks of all tasks in uninterruptible sleep' },
    { line: "foreach 'kworker.*' task -R sched_info", what: 'of tasks whose names match' },
    { line: 'foreach user gleader ps', what: 'the processes' },
  ],
  run(context, args) {
    const { commands } = context.session;
    const accepts = (name: string): Command | undefined =>
      commands.find(
        (command) =>
          command.name === name &&
          command.name !== 'foreach' &&
          (command.arguments.some(({ kinds }) => kinds.includes('task')) || taskOption(command) !== undefined),
      );
    const at = args.positionals.findIndex(
      (word, i) => args.raws[i] === word && accepts(word) !== undefined && isCommandHere(args.positionals, i, accepts),
    );
    const command = at < 0 ? undefined : accepts(args.positionals[at] ?? '');
    if (command === undefined) {
      const names = commands.filter(({ name }) => accepts(name) !== undefined).map(({ name }) => name);
      throw new UsageError(`which command? those for tasks are ${names.join(' ')}`);
    }
    const tasks = select(context, args.positionals.slice(0, at), args.raws.slice(0, at));
    return runFor(context, command, tasks, args.positionals.slice(at + 1));
  },
});

/** The option by which a command takes its task, where its arguments are something else: `vtop -c`. */
function taskOption(command: Command): string | undefined {
  if (command.name !== 'vtop') return undefined;
  return command.options.find(({ kind }) => kind === 'task')?.flag;
}

/** `foreach ps bt`: ps is a task's name here, as another command follows. */
function isCommandHere(words: readonly string[], at: number, accepts: (name: string) => Command | undefined): boolean {
  const next = words[at + 1];
  return next === undefined || next.startsWith('-') || accepts(next) === undefined;
}

function select(context: CommandContext, words: readonly string[], raws: readonly string[]): readonly Task[] {
  const filters: ((task: Task) => boolean)[] = [];
  const named = new Set<Task>();
  let anyNamed = false;
  for (const [i, word] of words.entries()) {
    const raw = raws[i] ?? word;
    const kind = raw === word && Object.hasOwn(KINDS, word) ? KINDS[word] : undefined;
    if (kind !== undefined) filters.push(kind);
    else if (raw === word && STATES.includes(word)) filters.push((task) => crashState(task) === word);
    else {
      anyNamed = true;
      try {
        for (const task of tasksNamed(context, word, raw)) named.add(task);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        context.failure(error.message);
      }
    }
  }
  const tasks = anyNamed ? [...named] : orderedTasks(context);
  return tasks.filter((task) => filters.every((filter) => filter(task)));
}

/** Commands that take several tasks get all at once: they have their own layout for that. */
function runFor(context: CommandContext, command: Command, tasks: readonly Task[], rest: readonly string[]): Shape {
  if (tasks.length === 0) return { shape: 'text', lines: [] };
  const many = command.arguments.some(({ kinds, repeated }) => kinds.includes('task') && repeated === true);
  // `set` takes a word before its task; it is no command for many.
  if (many && command.name !== 'set')
    return context.call(command.name, [...rest, ...tasks.map((task) => hex16(task.address))]);
  const chosen = context.session.currentTask;
  const items = function* (): Generator<Shape> {
    for (const task of tasks) {
      context.budget.check();
      yield {
        shape: 'list',
        spaced: false,
        items: [
          { shape: 'lines', lines: [taskHeader(task)], data: () => task.pid },
          ...calledFor(context, command, task, rest),
        ],
      };
    }
    context.session.currentTask = chosen;
  };
  return { shape: 'list', items: items() };
}

/** What cannot be answered of one task is told, and the others are shown. */
function calledFor(context: CommandContext, command: Command, task: Task, rest: readonly string[]): readonly Shape[] {
  const option = taskOption(command);
  const at = hex16(task.address);
  try {
    return [context.call(command.name, option === undefined ? [...rest, at] : [`-${option}`, at, ...rest])];
  } catch (error) {
    if (error instanceof UsageError) context.failure(error.message);
    else if (isDataError(error)) context.problem(`${task.comm} (pid ${task.pid}): ${error.message}`);
    else throw error;
    return [];
  }
}
