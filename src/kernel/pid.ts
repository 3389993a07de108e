/**
 * Process group, session and terminal of a process: what still binds it to its launcher when the parent has exited.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { PROVEN } from '../program/layouts.ts';
import type { Program } from '../program/program.ts';

export interface JobIds {
  /** Pid of the process group's leader, in the initial pid namespace. */
  readonly processGroup: number | undefined;
  /** Pid of the session's leader. */
  readonly session: number | undefined;
  /** Name of the controlling terminal: 'pts0', 'ttyS0'. */
  readonly tty: string | undefined;
}

/**
 * Job control ids of a process.
 * @param leader - `struct task_struct *` of the thread group leader
 * @throws FaultError, LookupError
 */
export function jobIds(program: Program, leader: VirtAddr): JobIds {
  const signal = program.field('struct task_struct', 'signal').pointer(leader);
  const id = (type: string): number | undefined => {
    const index = program.enumerator(type);
    if (index === undefined) return undefined;
    // signal->pids[] since 4.19 (commit 2c4704756cab); task->pids[].pid before.
    const inSignal = program.tryField('struct signal_struct', `pids[${index}]`);
    const form = inSignal === undefined ? 'in task_struct (until 4.18)' : 'in signal_struct (since 4.19)';
    program.layouts.chose('process groups', form, inSignal === undefined ? [] : PROVEN);
    const pid =
      inSignal !== undefined && isKernel(signal)
        ? inSignal.pointer(signal)
        : program.tryField('struct task_struct', `pids[${index}].pid`)?.pointer(leader);
    if (pid === undefined || !isKernel(pid)) return undefined;
    const number = program.field('struct upid', 'nr').number(program.field('struct pid', 'numbers').address(pid));
    return number > 0 ? number : undefined;
  };
  const tty = isKernel(signal) ? program.field('struct signal_struct', 'tty').pointer(signal) : undefined;
  const name = tty !== undefined && isKernel(tty) ? program.field('struct tty_struct', 'name').text(tty) : '';
  return { processGroup: id('PIDTYPE_PGID'), session: id('PIDTYPE_SID'), tty: name === '' ? undefined : name };
}
