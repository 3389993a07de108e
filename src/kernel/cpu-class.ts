/**
 * By which rules a task gets a CPU (kernel/sched): its policy and priority, and what the kernel does so that tasks of the
 * real-time class do not take a CPU for themselves: throttling (kernel.sched_rt_runtime_us) and, since 6.12, a deadline
 * server for the fair class on each CPU (commit 557a6bfc662c).
 */
import type { VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

/** SCHED_* of include/uapi/linux/sched.h. */
const POLICIES: { readonly [policy: number]: Policy } = { 1: 'FIFO', 2: 'RR', 6: 'DEADLINE' };

/** MAX_RT_PRIO - 1, of include/linux/sched/prio.h. */
const MAX_PRIORITY = 99;

export type Policy = 'FIFO' | 'RR' | 'DEADLINE';

export interface CpuClass {
  readonly policy: Policy;
  /** As chrt(1) and ps show it, 1 to 99; 0 of deadline tasks. */
  readonly priority: number;
}

/**
 * The real-time or deadline class of a task.
 * @param task - `struct task_struct *`
 * @returns undefined for a task of the fair class, and for the kernel's own stop class
 * @throws FaultError, LookupError, ValidationError when the priority is none of that policy
 */
export function realTimeClass(program: Program, task: VirtAddr): CpuClass | undefined {
  const policy = POLICIES[program.field('struct task_struct', 'policy').number(task)];
  if (policy === undefined) return undefined;
  const priority = program.field('struct task_struct', 'rt_priority').number(task);
  const isDeadline = policy === 'DEADLINE';
  if (isDeadline ? priority !== 0 : priority < 1 || priority > MAX_PRIORITY)
    throw new ValidationError('struct task_struct', task, `rt_priority ${priority} does not go with SCHED_${policy}`);
  // stop_machine's threads say FIFO with 99 and have a class of their own.
  const stop = program.symbols.kernel.lookup('stop_sched_class')?.address;
  const own = attempt(() => program.field('struct task_struct', 'sched_class').pointer(task));
  return stop !== undefined && own === stop ? undefined : { policy, priority };
}

export interface Throttling {
  /** `kernel.sched_rt_runtime_us`; -1 when it is off. Undefined when it cannot be read. */
  readonly runtimeUs: number | undefined;
  /** Nanoseconds of each period that the server of the fair class has on this CPU; undefined where there is none. */
  readonly fairServer: bigint | undefined;
}

/**
 * What is kept for others on a CPU.
 * @param rq - `struct rq *`
 * @throws nothing for what the dump holds
 */
export function throttlingOf(program: Program, rq: VirtAddr): Throttling {
  return {
    runtimeUs: attempt(() => program.memory.readU32(program.symbol('sysctl_sched_rt_runtime').address) | 0),
    fairServer: attempt(() => program.tryField('struct rq', 'fair_server.dl_runtime')?.u64(rq)),
  };
}
