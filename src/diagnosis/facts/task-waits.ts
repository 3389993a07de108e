/** What each sleeping task waits for beside the locks of `locks`: found when it is asked for, once. */
import type { Task } from '../../kernel/sched.ts';
import { taskWait, waitSearch } from '../../kernel/task-wait.ts';
import type { TaskWait } from '../../kernel/wait-kinds.ts';
import type { Worker } from '../../kernel/wait-work.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { name, prose, type Prose } from '../../model/value.ts';
import { descriptorsFact } from './descriptors.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';

export interface TaskWaits {
  /** Undefined for a task that does not sleep. */
  of(task: Task): TaskWait | undefined;
  /** What a kernel worker does; undefined for any other task. */
  workerOf(task: Task): Worker | undefined;
}

export const taskWaitsFact = defineFact<TaskWaits>({
  id: 'task-waits',
  derive({ program, use, budget }) {
    const stacks = use(stacksFact);
    const search = waitSearch(program, use(tasksFact).tasks, () => use(descriptorsFact));
    const known = new Map<Task, TaskWait | undefined>();
    return {
      of(task) {
        if (!known.has(task)) {
          budget.check();
          known.set(task, taskWait(search, task, stacks.of(task).frames));
        }
        return known.get(task);
      },
      workerOf: (task) => search.workers.byTask.get(task.address),
    };
  },
});

/** 'for a lock of the file /run/queue.lock': fits after 'waits'. */
export function waitProse({ what, name: of }: TaskWait): Prose {
  return of === undefined ? [what] : prose`${what} ${name(of)}`;
}
