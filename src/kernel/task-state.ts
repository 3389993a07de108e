/**
 * States of a task. The TASK_* numbers are macros, so no debuginfo has them; they were renumbered in 4.14 (commits
 * 1d48b080bcce "sched/debug: Rename task-state printing helpers", 8ef9925b02c2). The new numbering is recognised by
 * `struct rb_root_cached`, which came with the same release (commit cd9e61ed1eeb); proven on 5.10, 6.1 and 6.12.
 */
import type { VirtAddr } from '../base/address.ts';
import { PROVEN } from '../program/layouts.ts';
import type { Program } from '../program/program.ts';

const TASK_INTERRUPTIBLE = 1n;
const TASK_UNINTERRUPTIBLE = 2n;

interface Numbering {
  /** Letter of each reported bit (TASK_REPORT, 0x7f) of `state | exit_state`, lowest first. */
  readonly letters: string;
  readonly wakeKill: bigint;
  readonly noLoad: bigint;
  /** TASK_RTLOCK_WAIT, since 5.15: waits for a sleeping spinlock of PREEMPT_RT. */
  readonly lockWait: bigint;
  /** TASK_FROZEN, since 6.1 (commit f5d39b020809); PF_FROZEN in the flags before. */
  readonly frozen: bigint;
}

const SINCE_4_14: Numbering = {
  letters: 'SDTtXZP',
  wakeKill: 0x100n,
  noLoad: 0x400n,
  lockWait: 0x1000n,
  frozen: 0x8000n,
};
// TASK_DEAD (0x40), which every zombie has in its state too, is not reported.
const SINCE_3_15: Numbering = { letters: 'SDTtXZ', wakeKill: 0x80n, noLoad: 0x400n, lockWait: 0n, frozen: 0n };
// EXIT_ZOMBIE (16, then 32) and EXIT_DEAD changed places in 3.15 (commit ad86622b478e).
const FIRST: Numbering = { ...SINCE_3_15, letters: 'SDTtZX' };

/** Which kernels number the states alike, by the first release that did. */
export type StateNumbering = '2.6' | '3.15' | '4.14';

const NUMBERINGS: { readonly [N in StateNumbering]: Numbering } = {
  '2.6': FIRST,
  '3.15': SINCE_3_15,
  '4.14': SINCE_4_14,
};

export interface TaskState {
  /** `R` running or runnable, `S` sleeping, `D` uninterruptible, `I` idle kernel thread, `T` `t` `X` `Z` `P`. */
  readonly letter: string;
  /** `task_struct.__state` (`state` before 5.14). */
  readonly raw: bigint;
  readonly exitState: bigint;
  /**
   * Sleeps without reacting to ordinary signals, and counts as load: 'D' in ps, killable sleeps included. A frozen task
   * is 'D' in ps too, but does not count.
   */
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
  return decodeState(field.u64(task), exit, numberingOf(program));
}

function numberingOf(program: Program): StateNumbering {
  if (program.types.tryFind('struct rb_root_cached') !== undefined) {
    program.layouts.chose('states of tasks', 'numbers since 4.14', PROVEN);
    return '4.14';
  }
  program.layouts.chose('states of tasks', 'numbers until 4.13', []);
  // mm_struct.mmap_cache went in 3.15 too (commit 615d6e8756c8); el7 has both old forms. Never seen on a real dump here.
  return program.tryField('struct mm_struct', 'mmap_cache') === undefined ? '3.15' : '2.6';
}

/**
 * Meaning of `__state` and `exit_state` of a `struct task_struct`.
 */
export function decodeState(raw: bigint, exitState: bigint, since: StateNumbering): TaskState {
  const numbering = NUMBERINGS[since];
  const lockWait = (raw & numbering.lockWait) !== 0n;
  const uninterruptible = (raw & TASK_UNINTERRUPTIBLE) !== 0n || lockWait;
  const idle = uninterruptible && (raw & numbering.noLoad) !== 0n;
  const interruptible = (raw & TASK_INTERRUPTIBLE) !== 0n;
  const frozen = (raw & numbering.frozen) !== 0n;
  let letter = letterOf(raw | exitState, numbering.letters);
  if (exitState === 0n && idle) letter = 'I';
  // task_state_index() calls these two uninterruptible, as user space knows no other name for them.
  if (exitState === 0n && (lockWait || frozen)) letter = 'D';
  return {
    letter,
    raw,
    exitState,
    uninterruptible: uninterruptible && !idle,
    killable: interruptible || (uninterruptible && (raw & numbering.wakeKill) !== 0n),
    sleeping: interruptible || uninterruptible || frozen,
  };
}

/** The highest reported bit wins, as fls() does in task_state_index(). */
function letterOf(bits: bigint, letters: string): string {
  for (let i = letters.length - 1; i >= 0; i--) {
    if (((bits >> BigInt(i)) & 1n) !== 0n) return letters.charAt(i);
  }
  return 'R';
}
