/** `runq -g`: the tasks that wait for each CPU, below the groups that share it. */
import type { VirtAddr } from '../base/address.ts';
import { isDataError } from '../base/errors.ts';
import type { RunQueue } from '../kernel/run-queue.ts';
import {
  fairQueue,
  type GroupQueue,
  hasRealtimeGroups,
  type Queued,
  realtimeQueue,
  type ThrottledGroup,
  throttledGroups,
} from '../kernel/task-groups.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data, name } from '../model/value.ts';
import { hex16 } from './format.ts';

/** How a command shows a task. */
export interface TaskWords {
  /** `PID: 1      TASK: ffff8889811ea0c0  COMMAND: "init"` */
  readonly text: (task: VirtAddr) => string;
  /** `[120]`, right-aligned. */
  readonly priority: (task: VirtAddr) => string;
  readonly data: (task: VirtAddr) => Data;
}

interface View {
  readonly queue: RunQueue;
  readonly realtime: GroupQueue | undefined;
  readonly fair: GroupQueue | undefined;
}

export function groupView(context: CommandContext, queues: readonly RunQueue[], words: TaskWords): Shape {
  const { program, problem } = context;
  const attempted = <T>(what: string, read: () => T): T | undefined => {
    context.budget.check();
    try {
      return read();
    } catch (error) {
      if (!isDataError(error)) throw error;
      problem(`${what}: ${error.message}`);
      return undefined;
    }
  };
  const root = program.symbols.kernel.lookup('root_task_group')?.address;
  const groupsOfRealtime = hasRealtimeGroups(program);
  const views = queues.map((queue): View => {
    const what = `run queue of CPU ${queue.cpu}`;
    const held: readonly ThrottledGroup[] =
      attempted(`groups of CPU ${queue.cpu} that are held back`, () => throttledGroups(program, queue.cpu)) ?? [];
    const realtime = attempted(what, () => realtimeQueue(program, queue));
    return {
      queue,
      // Where real-time tasks have no groups there is a queue of them only when somebody stands in it.
      realtime: groupsOfRealtime || (realtime?.entries.length ?? 0) > 0 ? realtime : undefined,
      fair: attempted(what, () => fairQueue(program, queue, held)),
    };
  });
  const head = (queue: GroupQueue | undefined, kind: string): TextLine[] =>
    queue === undefined
      ? []
      : [
          `  ROOT_TASK_GROUP: ${hex16(queue.group ?? root ?? 0n)}  ${kind}: ${hex16(queue.queue)}${mark(queue)}`,
          ...(queue.entries.length === 0 ? ['     [no tasks queued]'] : entryLines(queue.entries, kind, 5, words)),
        ];
  return {
    shape: 'lines',
    lines: views.flatMap(({ queue, realtime, fair }, i): TextLine[] => [
      ...(i === 0 ? [] : ['']),
      [{ text: `CPU ${queue.cpu}`, style: 'heading' }],
      `  CURRENT: ${words.text(queue.current)}`,
      ...head(realtime, 'RT_RQ'),
      ...head(fair, 'CFS_RQ'),
    ]),
    data: () =>
      views.map(({ queue, realtime, fair }) => ({
        cpu: queue.cpu,
        run_queue: address(queue.rq),
        current: words.data(queue.current),
        realtime: realtime === undefined ? undefined : queueData(realtime, words),
        fair: fair === undefined ? undefined : queueData(fair, words),
      })),
  };
}

function mark({ name: called, throttled }: GroupQueue): string {
  return `${called === undefined ? '' : `  <${called}>`}${throttled ? ' (THROTTLED)' : ''}`;
}

function entryLines(entries: readonly Queued[], kind: string, indent: number, words: TaskWords): readonly TextLine[] {
  const before = ' '.repeat(indent);
  return entries.flatMap((entry): readonly TextLine[] => {
    if (entry.kind === 'task')
      return [`${before}${words.priority(entry.task)} ${words.text(entry.task)}${entry.running ? ' [CURRENT]' : ''}`];
    const { queue, priority } = entry;
    const label = priority === undefined ? '' : `[${String(priority).padStart(3)}] `;
    return [
      `${before}${label}TASK_GROUP: ${hex16(queue.group ?? 0n)}  ${kind}: ${hex16(queue.queue)}${mark(queue)}`,
      ...entryLines(queue.entries, kind, indent + (priority === undefined ? 3 : 6), words),
    ];
  });
}

function queueData({ group, queue, name: called, throttled, entries }: GroupQueue, words: TaskWords): Data {
  return {
    task_group: group === undefined ? undefined : address(group),
    queue: address(queue),
    name: called === undefined ? undefined : name(called),
    throttled,
    entries: entries.map(
      (entry): Data =>
        entry.kind === 'task'
          ? { task: words.data(entry.task), running: entry.running }
          : { priority: entry.priority, group: queueData(entry.queue, words) },
    ),
  };
}
