/** A task as `set` shows it, and `kmem` of an address that is the task's or on its stack. */
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import type { Task } from '../kernel/sched.ts';
import type { CommandContext } from '../model/command.ts';
import { type Cell, type KeyValues, shown } from '../model/shape.ts';
import { address, name } from '../model/value.ts';
import { hex16 } from './format.ts';
import { panicTask } from './tasks.ts';

const LABEL = 'COMMAND'.length;

const STATES: { readonly [letter: string]: string } = {
  R: 'TASK_RUNNING',
  S: 'TASK_INTERRUPTIBLE',
  D: 'TASK_UNINTERRUPTIBLE',
  I: 'TASK_IDLE',
  T: 'TASK_STOPPED',
  t: 'TASK_TRACING_STOPPED',
  X: 'TASK_DEAD',
  Z: 'EXIT_ZOMBIE',
  P: 'TASK_PARKED',
};

/** What `set` shows of a task. */
export function taskShape(context: CommandContext, task: Task): KeyValues {
  const mark = task === panicTask(context) ? ' (PANIC)' : task.running ? ' (ACTIVE)' : '';
  const idle = task.idle ? context.use(tasksFact).tasks.filter((each) => each.idle).length : 0;
  const rows: { readonly key: string; readonly label: string; readonly value: Cell }[] = [
    { key: 'pid', label: 'PID', value: task.pid },
    { key: 'comm', label: 'COMMAND', value: shown(`"${task.comm}"`, name(task.comm)) },
    {
      key: 'task',
      label: 'TASK',
      value: shown(
        `${hex16(task.address)}  ${idle > 1 ? `(1 of ${idle})  ` : ''}[THREAD_INFO: ${hex16(threadInfo(context, task))}]`,
        address(task.address),
      ),
    },
    { key: 'cpu', label: 'CPU', value: task.cpu },
    {
      key: 'state',
      label: 'STATE',
      value: shown(`${STATES[task.state.letter] ?? task.state.letter}${mark}`, task.state.letter),
    },
  ];
  return { shape: 'key-values', labels: 'right', rows };
}

/** In the task itself since 4.9 on x86 (THREAD_INFO_IN_TASK), at the bottom of its stack before. */
function threadInfo({ program }: CommandContext, task: Task): bigint {
  if (program.tryField('struct task_struct', 'thread_info') !== undefined) return task.address;
  return program.field('struct task_struct', 'stack').pointer(task.address);
}

/** The same as lines, for a view that has other things, too. */
export function taskContextLines(context: CommandContext, task: Task): string[] {
  return taskShape(context, task).rows.map(({ label, value }) => {
    const text = typeof value === 'object' ? ('text' in value ? value.text : '') : String(value ?? '?');
    return `${label.padStart(LABEL)}: ${text}`;
  });
}
