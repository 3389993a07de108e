/** `set`: chooses the task that other commands are about, or how numbers are shown; alone it shows the choice. */
import { UsageError } from '../base/errors.ts';
import type { Task } from '../kernel/sched.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { name } from '../model/value.ts';
import { parseCount } from '../shell/arguments.ts';
import { taskShape } from '../shell/task-context.ts';
import { activeTask, currentTask, oneTask, panicTask } from '../shell/tasks.ts';

export default defineCommand({
  name: 'set',
  summary: 'choose a task, or how numbers are shown',
  options: [
    { flag: 'p', summary: 'the task that crashed' },
    { flag: 'c', value: 'cpu', kind: 'cpus', summary: 'the task that this CPU was running' },
    { flag: 'v', summary: 'the settings' },
  ],
  arguments: [{ name: 'pid | task | radix 10|16', kinds: ['task'], words: ['radix'], optional: true, repeated: true }],
  examples: [
    { line: 'set', what: 'the chosen task' },
    { line: 'set 96', what: 'choose a task by its pid' },
    { line: 'set -c 1', what: 'choose the task that CPU 1 was running' },
    { line: 'set radix 16', what: 'numbers of struct and p in hex; hex and dec are the same' },
  ],
  run(context, args) {
    const { session } = context;
    const [first, second] = args.positionals;
    if (args.has('v')) return settings(context);
    if (first === 'radix') {
      if (second !== undefined) {
        const radix = { '10': 10, '16': 16, dec: 10, hex: 16 } as const;
        const chosen = Object.entries(radix).find(([word]) => word === second)?.[1];
        if (chosen === undefined) throw new UsageError(`radix ${second}: must be 10 or 16`);
        session.radix = chosen;
      }
      return {
        shape: 'text',
        lines: [[`output radix: ${session.radix} (${session.radix === 10 ? 'decimal' : 'hex'})`]],
      };
    }
    if (second !== undefined) throw new UsageError('one task can be chosen; usage: set pid');
    const cpu = args.value('c');
    let task: Task | undefined;
    if (args.has('p')) {
      task = panicTask(context);
      if (task === undefined) throw new UsageError('the dump does not tell which CPU crashed');
    } else if (cpu !== undefined) {
      task = activeTask(context, parseCount(cpu, 'CPU', 0, 8191));
      if (task === undefined) throw new UsageError(`there is no CPU ${cpu}, or its task is not known`);
    } else if (first !== undefined) task = oneTask(context, first, args.raws[0] ?? first);
    if (task !== undefined) session.currentTask = task.address;
    return taskShape(context, task ?? currentTask(context));
  },
});

function settings({ session }: CommandContext): Shape {
  return {
    shape: 'key-values',
    labels: 'right',
    rows: [
      { key: 'radix', label: 'radix', value: `${session.radix} (${session.radix === 10 ? 'decimal' : 'hex'})` },
      { key: 'dump', label: 'dumpfile', value: name(session.dumpPaths.join(' ')) },
    ],
  };
}
