/** The command that shows members of a process's `struct signal_struct`, by its address: a task shows only the pointer. */
import { hex } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Program } from '../../program/program.ts';

/** @param member - of `struct signal_struct`: 'oom_score_adj' */
export function signalCommand(program: Program, task: Task, member: 'oom_score_adj' | 'oom_mm'): string {
  const signal = attempt(() => program.field('struct task_struct', 'signal').pointer(task.address));
  return signal === undefined || program.tryField('struct signal_struct', member) === undefined
    ? `task -R signal ${task.pid}`
    : `struct signal_struct.${member} ${hex(signal)}`;
}
