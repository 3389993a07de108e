/** What single views need of a task beyond the task table: its policy and priority, its saved stack pointer. */
import type { VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Task } from '../kernel/sched.ts';
import type { Program } from '../program/program.ts';

export interface TaskPolicy {
  /** SCHED_NORMAL 0, FIFO 1, RR 2, BATCH 3, IDLE 5, DEADLINE 6, EXT 7 (include/uapi/linux/sched.h). */
  readonly policy: number;
  /** `prio`: below 100 real time, 120 is nice 0. */
  readonly priority: number;
}

/** Undefined where the task's record cannot be read. */
export function taskPolicy(program: Program, { address }: Task): TaskPolicy | undefined {
  return attempt(() => ({
    policy: program.field('struct task_struct', 'policy').number(address),
    priority: program.field('struct task_struct', 'prio').number(address),
  }));
}

/** `thread.sp` (`thread.sp0` names another thing): where it left the CPU. Stale for a task that is running. */
export function switchedOutStack(program: Program, { address }: Task): VirtAddr | undefined {
  return attempt(() => program.field('struct task_struct', 'thread.sp').pointer(address));
}
