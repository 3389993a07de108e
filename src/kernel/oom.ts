/**
 * The OOM killer's view of a process (mm/oom_kill.c): how its score is moved, and what exempts it.
 */
import type { VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';

/** OOM_SCORE_ADJ_MIN: only this exempts a process; -998 does not. */
export const OOM_SCORE_ADJ_MIN = -1000;

/**
 * `signal_struct.oom_score_adj` of a process, -1000 to 1000.
 * @param task - `struct task_struct *`
 * @throws FaultError, LookupError
 */
export function oomScoreAdj(program: Program, task: VirtAddr): number {
  const signal = program.field('struct task_struct', 'signal').pointer(task);
  return program.field('struct signal_struct', 'oom_score_adj').number(signal);
}
