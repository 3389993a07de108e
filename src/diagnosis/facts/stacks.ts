/** The kernel stack of every task, unwound once. */
import type { Task } from '../../kernel/sched.ts';
import { taskStack, type TaskStack } from '../../kernel/stack.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { tasksFact } from './tasks.ts';

export interface StackTable {
  of(task: Task): TaskStack;
}

export const stacksFact = defineFact<StackTable>({
  id: 'stacks',
  derive({ program, use, budget, cover }) {
    const { tasks } = use(tasksFact);
    const stacks = new Map<Task, TaskStack>();
    const missing = new Map<string, number>();
    let read = 0;
    for (const task of tasks) {
      budget.check();
      const stack = taskStack(program, task);
      stacks.set(task, stack);
      if (stack.problem === undefined) read++;
      // Addresses differ from stack to stack: without them, equal reasons are one line.
      else {
        const reason = stack.problem.replace(/ at 0x[0-9a-f]+/g, '').replace(/ [0-9a-f]{16}/g, '');
        missing.set(reason, (missing.get(reason) ?? 0) + 1);
      }
    }
    cover({
      what: 'kernel stacks, unwound to their end',
      read,
      total: tasks.length,
      missing: [...missing].map(([reason, n]) => `${n}: ${reason}`),
    });
    return { of: (task) => stacks.get(task) ?? taskStack(program, task) };
  },
});
