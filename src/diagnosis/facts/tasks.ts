/** The task table: every process, thread and idle task, by address and by parent. */
import type { VirtAddr } from '../../base/address.ts';
import { readTasks, type Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { groupReasons } from './reasons.ts';

export interface TaskTable {
  readonly tasks: readonly Task[];
  readonly byAddress: ReadonlyMap<VirtAddr, Task>;
  /** True when an address is a `struct task_struct *` of this dump. */
  readonly isTask: (address: VirtAddr) => boolean;
  /** The process (thread group leader) that started a task's process; undefined when it is not in the table. */
  readonly parentOf: (task: Task) => Task | undefined;
}

export const tasksFact = defineFact<TaskTable>({
  id: 'tasks',
  derive({ program, cover }) {
    const { tasks, expected, problems } = readTasks(program);
    const byAddress = new Map(tasks.map((task) => [task.address, task]));
    const read = tasks.filter((task) => !task.idle).length;
    const missing = [...groupReasons(problems)];
    if (expected !== undefined && read < expected)
      missing.push(`${expected - read} of nr_threads are on no list that could be read`);
    cover({ what: 'tasks', read, total: expected ?? (problems.length > 0 ? undefined : read), missing });
    const leaderOf = (task: Task): Task =>
      task.groupLeader === undefined ? task : (byAddress.get(task.groupLeader) ?? task);
    return {
      tasks,
      byAddress,
      isTask: (address) => byAddress.has(address),
      parentOf(task) {
        const parent = task.realParent === undefined ? undefined : byAddress.get(task.realParent);
        return parent === undefined ? undefined : leaderOf(parent);
      },
    };
  },
});
