/**
 * `struct semaphore` (include/linux/semaphore.h): how many may still take it, and who took it last. Any task may give it
 * back, so even `last_holder` is a hint.
 */
import { isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';

export interface SemaphoreState {
  /** How many more may take it; 0 when the next one has to wait. */
  readonly count: number;
  /** `struct task_struct *` that took it last and did not give it back itself; undefined where the kernel does not say. */
  readonly lastHolder: VirtAddr | undefined;
}

/**
 * State of a counting semaphore.
 * @param semaphore - `struct semaphore *`
 * @throws FaultError, LookupError
 */
export function semaphoreState(program: Program, semaphore: VirtAddr): SemaphoreState {
  const count = program.field('struct semaphore', 'count').number(semaphore);
  // Since 6.16, with CONFIG_DETECT_HUNG_TASK_BLOCKER; in 7.2 it is there. Cleared by up() of the same task.
  const last = program.tryField('struct semaphore', 'last_holder');
  if (last !== undefined) program.layouts.chose('struct semaphore', 'last_holder (since 6.16)', ['7.2']);
  const holder = last?.pointer(semaphore);
  const named = holder !== undefined && isKernel(holder) && isAligned(holder, 8);
  return { count, lastHolder: named ? holder : undefined };
}
