/**
 * States of a task. The TASK_* numbers are macros, so no debuginfo has them; they were renumbered in 4.14 (commits
 * 1d48b080bcce "sched/debug: Rename task-state printing helpers", 8ef9925b02c2). The new numbering is recognised by
 * `struct rb_root_cached`, which came with the same release (commit cd9e61ed1eeb); proven on 5.10, 6.1 and 6.12.
 */
import type { VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';

const TASK_INTERRUPTIBLE = 1n;
const TASK_UNINTERRUPTIBLE = 2n;

interface Numbering {
  /** Letter of each reported bit (TASK_REPORT, 0x7f) of `state | exit_state`, lowest first. */
  readonly letters: string;
  readonly wakeKill: bigint;
  readonly noLoad: bigint;
}

const SINCE_4_14: Numbering = { letters: 'SDTtXZP', wakeKill: 0x100n, noLoad: 0x400n };
// TASK_DEAD (0x40) is 'x'. 16 and 32 changed places in 4.2 (commit 74e37200de8e); the order here is the one since then.
const BEFORE_4_14: Numbering = { letters: 'SDTtXZx', wakeKill: 0x80n, noLoad: 0x400n };

export interface TaskState {
  /** `R` running or runnable, `S` sleeping, `D` uninterruptible, `I` idle kernel thread, `T` `t` `X` `Z` `P`. */
  readonly letter: string;
  /** `task_struct.__state` (`state` before 5.14). */
  readonly raw: bigint;
  readonly exitState: bigint;
  /** Sleeps without reacting to ordinary signals, and counts as load: 'D' in ps, killable sleeps included. */
  readonly uninterruptible: boolean;
  /** A fatal signal wakes it: interruptible or TASK_KILLABLE. */
  readonly killable: boolean;
  readonly sleeping: boolean;
}

/**
 * State of a task.
 * @param task - `struct task_struct *`
 * @throws FaultError, LookupError
 */
export function stateOf(program: Program, task: VirtAddr): TaskState {
  // `__state`, unsigned int, since 5.14 (commit 2f064a59a11f); `state`, volatile long, before.
  const field = program.firstField('struct task_struct', ['__state', 'state']);
  const exit = program.field('struct task_struct', 'exit_state').u64(task);
  return decodeState(field.u64(task), exit, program.types.tryFind('struct rb_root_cached') !== undefined);
}

/**
 * Meaning of `task_struct.__state` and `exit_state`.
 * @param renumbered - the numbering since 4.14
 */
export function decodeState(raw: bigint, exitState: bigint, renumbered: boolean): TaskState {
  const numbering = renumbered ? SINCE_4_14 : BEFORE_4_14;
  const uninterruptible = (raw & TASK_UNINTERRUPTIBLE) !== 0n;
  const idle = uninterruptible && (raw & numbering.noLoad) !== 0n;
  const interruptible = (raw & TASK_INTERRUPTIBLE) !== 0n;
  return {
    letter: idle && exitState === 0n ? 'I' : letterOf(raw | exitState, numbering.letters),
    raw,
    exitState,
    uninterruptible: uninterruptible && !idle,
    killable: interruptible || (uninterruptible && (raw & numbering.wakeKill) !== 0n),
    sleeping: interruptible || uninterruptible,
  };
}

/** The highest reported bit wins, as fls() does in task_state_index(). */
function letterOf(bits: bigint, letters: string): string {
  for (let i = letters.length - 1; i >= 0; i--) {
    if (((bits >> BigInt(i)) & 1n) !== 0n) return letters.charAt(i);
  }
  return 'R';
}
