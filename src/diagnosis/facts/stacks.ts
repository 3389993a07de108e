/** The kernel stack of every task, unwound once. */
import { attempt } from '../../base/errors.ts';
import type { Task } from '../../kernel/sched.ts';
import { cpuStates, type NamedFrame, stackArea, taskStack, type TaskStack } from '../../kernel/stack.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { groupReasons } from './reasons.ts';
import { tasksFact } from './tasks.ts';

export interface StackTable {
  of(task: Task): TaskStack;
}

export const stacksFact = defineFact<StackTable>({
  id: 'stacks',
  derive({ program, use, budget, cover }) {
    const { tasks } = use(tasksFact);
    const states = cpuStates(program);
    const stacks = new Map<Task, TaskStack>();
    const problems: string[] = [];
    let read = 0;
    let freed = 0;
    for (const task of tasks) {
      budget.check();
      const stack = taskStack(program, task, states);
      stacks.set(task, stack);
      if (stack.problem === undefined) read++;
      else if (hasNone(program, task)) freed++;
      else problems.push(stack.problem);
    }
    const missing = [...groupReasons(problems), ...(problems.some(isExcluded) ? [WRONGLY_EXCLUDED] : [])];
    cover({ what: 'kernel stacks, unwound to their end', read, total: tasks.length - freed, missing });
    return { of: (task) => stacks.get(task) ?? taskStack(program, task, states) };
  },
});

/** No dump level leaves tasks and their stacks out; makedumpfile 1.7.8 does on 7.2, whose `struct page` it does not know. */
const WRONGLY_EXCLUDED =
  'pages in use were left out as if they were free or of user space: what made the dump (makedumpfile) is too old for this kernel';

function isExcluded(problem: string): boolean {
  return problem.endsWith(': excluded');
}

/** A zombie's stack is given back before its parent asks for it: nothing is missing. */
function hasNone(program: Program, { address, state }: Task): boolean {
  return state.exitState !== 0n && attempt(() => stackArea(program, address) === undefined) === true;
}

/** The first function of a sleeping task's stack that is not the scheduler's own: what it waits in. */
export function waitsIn(frames: readonly NamedFrame[]): string | undefined {
  return frames.find((frame) => !isScheduler(frame.func))?.func;
}

/** Functions of the scheduler itself, which say nothing about what a task waits for. */
function isScheduler(func: string | undefined): boolean {
  return (
    func === undefined ||
    /^(__schedule|schedule(_|$)|_*cond_resched|io_schedule|__switch_to|preempt_schedule|rt_mutex_schedule)/.test(func)
  );
}
