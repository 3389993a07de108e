/** `waitq`: who sleeps on a wait queue: tasks, also those in poll(2) or epoll_wait(2). */
import { add, type VirtAddr } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { waitQueueEntries } from '../kernel/wait-queue.ts';
import { defineCommand } from '../model/command.ts';
import type { TextLine } from '../model/shape.ts';
import { address, task as taskValue } from '../model/value.ts';
import { addressArgument } from '../shell/expression.ts';
import { hex16 } from '../shell/format.ts';
import { offsetArgument } from '../shell/struct-view.ts';
import { taskHeader } from '../shell/tasks.ts';

export default defineCommand({
  name: 'waitq',
  summary: 'the tasks on a wait queue',
  description: ['For locks and completions, which have lists of their own: hang.'],
  options: [],
  arguments: [
    { name: 'symbol | address | struct.member', kinds: ['symbol', 'address', 'member'] },
    { name: 'address', kinds: ['address'], optional: true },
  ],
  examples: [
    { line: 'waitq log_wait', what: 'a queue that is a variable' },
    { line: 'waitq signal_struct.wait_chldexit ffff88898192ed00', what: 'one inside of a struct' },
  ],
  run(context, args) {
    const { program } = context;
    const [what, at, more] = args.positionals;
    if (what === undefined || more !== undefined)
      throw new UsageError('usage: waitq symbol | address | struct.member address');
    const queue: VirtAddr =
      at === undefined
        ? addressArgument(program, what)
        : add(addressArgument(program, at), offsetArgument(program, what));
    const symbol = program.symbols.at(queue);
    const title =
      at === undefined && symbol?.offset === 0
        ? `wait queue "${symbol.name}" (${hex16(queue)})`
        : `wait queue ${hex16(queue)}`;
    const { byAddress } = context.use(tasksFact);
    const entries = [...waitQueueEntries(program, queue)];
    const others = entries.filter(({ tasks }) => tasks.length === 0).length;
    const lines: TextLine[] = entries.flatMap(({ tasks, func, entry }): TextLine[] => {
      if (tasks.length === 0)
        return [`(no task: entry ${hex16(entry)}, woken by ${func ?? 'a function without a name'})`];
      return tasks.map((each) => {
        const task = byAddress.get(each);
        return task === undefined ? `TASK: ${hex16(each)} (not in the list of tasks)` : taskHeader(task);
      });
    });
    return {
      shape: 'lines',
      lines: entries.length === 0 ? [`${title} is empty`] : lines,
      data: () => ({
        queue: address(queue),
        without_task: others,
        entries: entries.map(({ entry, func, kind, tasks }) => ({
          entry: address(entry),
          kind,
          function: func,
          tasks: tasks.map((each) => {
            const task = byAddress.get(each);
            return task === undefined ? address(each) : taskValue(task);
          }),
        })),
      }),
    };
  },
});
