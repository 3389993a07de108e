/** Signals: handlers, blocked and pending sets, `struct sighand_struct`, `struct sigpending` (include/linux/signal_types.h). */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';

/** _NSIG of x86-64 and arm64. */
export const SIGNALS = 64;
/** RLIMIT_SIGPENDING is some ten thousand. */
const MAX_QUEUED = 1 << 20;

export interface SignalAction {
  /** From 1. */
  readonly signal: number;
  /** `struct k_sigaction *`. */
  readonly action: VirtAddr;
  /** 0 SIG_DFL, 1 SIG_IGN, else an address in user space. */
  readonly handler: bigint;
  /** Signals that are blocked meanwhile; bit 0 is signal 1. */
  readonly mask: bigint;
  /** SA_* bits. */
  readonly flags: bigint;
}

export interface QueuedSignal {
  readonly signal: number;
  /** `kernel_siginfo_t *`, a siginfo_t until 4.19. */
  readonly info: VirtAddr;
}

export interface PendingSignals {
  readonly set: bigint;
  readonly queue: readonly QueuedSignal[];
}

export interface TaskSignals {
  /** `struct signal_struct *`. */
  readonly signal: VirtAddr;
  readonly threads: number;
  readonly actions: readonly SignalAction[];
  readonly blocked: bigint;
  /** Sent to this thread. */
  readonly own: PendingSignals;
  /** Sent to the process. */
  readonly shared: PendingSignals;
  /** True when there is one that is not blocked. */
  readonly pending: boolean;
}

/**
 * The signals of a task.
 * @param task - `struct task_struct *`
 * @returns undefined when it has no handlers any more: it exited
 * @throws FaultError, LookupError, ValidationError when a queue is broken
 */
export function taskSignals(program: Program, task: VirtAddr): TaskSignals | undefined {
  const field = (path: string) => program.field('struct task_struct', path);
  const signal = field('signal').pointer(task);
  const sighand = field('sighand').pointer(task);
  if (!isKernel(signal) || !isKernel(sighand)) return undefined;
  const blocked = field('blocked.sig[0]').u64(task);
  const own = pendingOf(program, field('pending').address(task));
  const shared = pendingOf(program, program.field('struct signal_struct', 'shared_pending').address(signal));
  return {
    signal,
    threads: program.field('struct signal_struct', 'nr_threads').number(signal),
    actions: actionsOf(program, sighand),
    blocked,
    own,
    shared,
    pending: ((own.set | shared.set) & ~blocked) !== 0n,
  };
}

function actionsOf(program: Program, sighand: VirtAddr): readonly SignalAction[] {
  const first = program.field('struct sighand_struct', 'action').address(sighand);
  const size = program.sizeOf('struct k_sigaction');
  const field = (path: string) => program.field('struct k_sigaction', path);
  return Array.from({ length: SIGNALS }, (_, i) => {
    const action = add(first, i * size);
    return {
      signal: i + 1,
      action,
      handler: field('sa.sa_handler').u64(action),
      mask: field('sa.sa_mask.sig[0]').u64(action),
      flags: field('sa.sa_flags').u64(action),
    };
  });
}

function pendingOf(program: Program, pending: VirtAddr): PendingSignals {
  const head = program.field('struct sigpending', 'list').address(pending);
  const number = program.field('struct sigqueue', 'info.si_signo');
  const info = program.field('struct sigqueue', 'info');
  const queue: QueuedSignal[] = [];
  for (const at of listEntries(program, head, 'struct sigqueue', 'list', MAX_QUEUED))
    queue.push({ signal: number.number(at), info: info.address(at) });
  return { set: program.field('struct sigpending', 'signal.sig[0]').u64(pending), queue };
}
