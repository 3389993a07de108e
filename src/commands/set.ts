/** `set`: chooses the task that other commands are about, or how numbers are shown; alone it shows the choice. */
import { UsageError } from '../base/errors.ts';
import type { Task } from '../kernel/sched.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { parseCount } from '../shell/arguments.ts';
import { hex16 } from '../shell/format.ts';
import { setting, SETTING_NAMES, settingRows } from '../shell/settings.ts';
import { taskShape } from '../shell/task-context.ts';
import { activeTask, currentTask, oneTask, panicTask } from '../shell/tasks.ts';

export default defineCommand({
  name: 'set',
  summary: 'choose a task, or how numbers are shown',
  options: [
    { flag: 'p', summary: 'the task that crashed' },
    { flag: 'c', value: 'cpu', kind: 'cpus', summary: 'the task that this CPU was running' },
    { flag: 'a', value: 'pid | task', kind: 'task', summary: 'take this task for the one that its CPU was running' },
    { flag: 'v', summary: 'the settings' },
  ],
  arguments: [
    { name: 'pid | task | setting [value]', kinds: ['task'], words: SETTING_NAMES, optional: true, repeated: true },
  ],
  examples: [
    { line: 'set', what: 'the chosen task' },
    { line: 'set 96', what: 'choose a task by its pid' },
    { line: 'set -c 1', what: 'choose the task that CPU 1 was running' },
    { line: 'set print_max 1000', what: 'show more elements of arrays; set -v lists what can be set' },
    { line: 'set radix 16', what: 'numbers of struct and p in hex; hex and dec are the same' },
  ],
  run(context, args) {
    const { session } = context;
    const [first, second, third] = args.positionals;
    if (args.has('v')) return { shape: 'key-values', labels: 'right', rows: settingRows(context) };
    const active = args.value('a');
    if (active !== undefined) return markActive(context, oneTask(context, active, active));
    if (first !== undefined && SETTING_NAMES.includes(first)) {
      if (third !== undefined) throw new UsageError(`one value can be set; usage: set ${first} VALUE`);
      const line = setting(context, first, second);
      return { shape: 'lines', lines: [line], data: () => ({ [first]: line.slice(line.indexOf(': ') + 2) }) };
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

/** Takes a task for the one that its CPU was running: `set -a`. */
function markActive({ session }: CommandContext, { address, cpu, comm, pid }: Task): Shape {
  if (cpu === undefined) throw new UsageError(`it is not known on which CPU pid ${pid} ran last`);
  session.active.set(cpu, address);
  const line = `"${comm}" task ${hex16(address)} has been marked as the active task on cpu ${cpu}`;
  return { shape: 'lines', lines: [line], data: () => ({ cpu, pid, task: hex16(address) }) };
}
