/** The task table: every process, thread and idle task, by address and by parent. */
import type { VirtAddr } from '../../base/address.ts';
import { readTasks, type Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { groupReasons } from './reasons.ts';

export interface TaskTable {
  readonly tasks: readonly Task[];
  /** Without idle tasks. */
  readonly read: number;
  /** How many there are, without idle tasks; undefined when that is not known. */
  readonly total: number | undefined;
  /** True when none is missing: only then a task that is not here does not exist. */
  readonly complete: boolean;
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
    const total = totalOf(read, expected, problems.length > 0);
    if (total !== undefined && read < total) missing.push(`${total - read} that nr_threads counts were not found`);
    if (total === undefined && expected !== undefined) missing.push(`nr_threads says that there are ${expected}`);
    cover({ what: 'tasks', read, total, missing });
    const leaderOf = (task: Task): Task =>
      task.groupLeader === undefined ? task : (byAddress.get(task.groupLeader) ?? task);
    return {
      tasks,
      read,
      total,
      complete: read === total,
      byAddress,
      isTask: (address) => byAddress.has(address),
      parentOf(task) {
        const parent = task.realParent === undefined ? undefined : byAddress.get(task.realParent);
        return parent === undefined ? undefined : leaderOf(parent);
      },
    };
  },
});

/** A CPU that was stopped while it made or removed a task may leave the count one off; more contradicts what was found. */
const MAX_RACING = 64;

function totalOf(read: number, expected: number | undefined, broken: boolean): number | undefined {
  if (expected === undefined) return broken ? undefined : read;
  if (read <= expected) return expected;
  return read - expected <= MAX_RACING && !broken ? read : undefined;
}
