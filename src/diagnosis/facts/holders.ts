/**
 * Who really holds each contended lock, how sure that is, and what the holder does instead of letting go. A writer and a
 * mutex owner are exact. A reader is a hint of the lock until its own stack confirms it (reader-proof.ts); so is the task
 * that took a semaphore last.
 */
import { attempt } from '../../base/errors.ts';
import type { Task } from '../../kernel/sched.ts';
import type { NamedFrame } from '../../kernel/stack.ts';
import { userfaultOf, type Userfault } from '../../kernel/userfaultfd.ts';
import type { TaskWait } from '../../kernel/wait-kinds.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { clockFact, type CpuTurns } from './clock.ts';
import { descriptorsFact } from './descriptors.ts';
import { locksFact, type ContendedLock } from './locks.ts';
import { readerByStack, type ReaderProof, readerProof } from './reader-proof.ts';
import { stacksFact, waitsIn } from './stacks.ts';
import { taskWaitsFact } from './task-waits.ts';

/** What keeps a holder from going on. */
export type Stall =
  /** It waits for an answer to its own page fault from a userfaultfd. */
  | { readonly kind: 'userfault'; readonly userfault: Userfault }
  /** It waits for another lock, or for the very one that it owns. */
  | { readonly kind: 'lock'; readonly lock: ContendedLock }
  | { readonly kind: 'running' }
  /** Runnable, but on no CPU. */
  | { readonly kind: 'runnable' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'exited' }
  /** It sleeps for something that is not known here. */
  | { readonly kind: 'sleeping' };

export interface Holder {
  readonly task: Task;
  /** `exact`, `confirmed` (a reader, by its stack), `hint` (a reader, or the taker of a semaphore, that may have let go). */
  readonly certainty: 'exact' | 'confirmed' | 'hint';
  /** Whether the lock names it; else its stack alone shows it. */
  readonly named: boolean;
  readonly proof: ReaderProof | undefined;
  readonly stall: Stall;
  /** What it sleeps for, where that is neither a lock nor a userfaultfd. */
  readonly wait: TaskWait | undefined;
  /** First function below the scheduler: what it waits in. */
  readonly waitsIn: string | undefined;
  /** The first function of a module on its stack, and that module: whose wait it is. */
  readonly driver: { readonly func: string; readonly module: string } | undefined;
  /** System call that it is in: 'getdents64'. */
  readonly syscall: string | undefined;
  /** Function in which it tries to free memory so that it gets a page; undefined when it does not. */
  readonly reclaim: string | undefined;
  /** Of one that is runnable, but on no CPU. */
  readonly turns: CpuTurns | undefined;
  /** True when an exception (a page fault) interrupted the work under the lock. */
  readonly inFault: boolean;
}

export interface Holders {
  readonly of: (lock: ContendedLock) => Holder | undefined;
}

export const holdersFact = defineFact<Holders>({
  id: 'holders',
  derive(context) {
    const known = new Map<ContendedLock, Holder | undefined>();
    return {
      of(lock) {
        if (!known.has(lock)) known.set(lock, holderOf(context, lock));
        return known.get(lock);
      },
    };
  },
});

/**
 * Functions of mm/vmscan.c, mm/page_alloc.c and mm/backing-dev.c that a task is in only while it has to free memory itself
 * before it gets a page. `wait_iff_congested` went in 5.16 (commit 8d58802fc9de), `reclaim_throttle` came with it.
 */
const RECLAIM: ReadonlySet<string> = new Set([
  'try_to_free_pages',
  'do_try_to_free_pages',
  'throttle_direct_reclaim',
  'reclaim_throttle',
  'wait_iff_congested',
  'congestion_wait',
  '__alloc_pages_slowpath',
  'try_to_free_mem_cgroup_pages',
]);

function holderOf(context: FactContext, lock: ContendedLock): Holder | undefined {
  const named = namedReader(context, lock);
  if (named !== undefined && (lock.ownerIs === 'exact' || named.proof !== undefined))
    return describe(context, lock, named.task, named.proof, true);
  const reader = readerByStack(context, lock);
  if (reader !== undefined) return describe(context, lock, reader.task, reader.proof, false);
  return named === undefined ? undefined : describe(context, lock, named.task, undefined, true);
}

/** The task that the lock names, unless that cannot hold it any more. */
function namedReader(
  context: FactContext,
  lock: ContendedLock,
): { readonly task: Task; readonly proof: ReaderProof | undefined } | undefined {
  const task = lock.owner;
  if (task === undefined || lock.ownerIs === undefined) return undefined;
  // The name of the last reader stays when it has let go: with no reader left, it holds nothing.
  if (lock.ownerIs === 'hint' && (lock.rwsem?.heldBy === 'nobody' || lock.rwsem?.heldBy === 'writer')) return undefined;
  const isReader = lock.ownerIs === 'hint' && lock.kind === 'rw_semaphore';
  return { task, proof: isReader ? readerProof(context, lock, task) : undefined };
}

function describe(
  context: FactContext,
  lock: ContendedLock,
  task: Task,
  proof: ReaderProof | undefined,
  named: boolean,
): Holder {
  const { frames } = context.use(stacksFact).of(task);
  const stall = stallOf(context, lock, task, frames);
  const exact = named && lock.ownerIs === 'exact';
  return {
    task,
    certainty: exact ? 'exact' : proof === undefined ? 'hint' : 'confirmed',
    named,
    proof,
    stall,
    wait: stall.kind === 'sleeping' ? context.use(taskWaitsFact).of(task) : undefined,
    waitsIn: waitsIn(frames),
    driver: driverOf(frames),
    syscall: syscallOf(frames),
    reclaim: frames.find((frame) => frame.func !== undefined && RECLAIM.has(frame.func))?.func,
    turns: stall.kind === 'runnable' ? context.use(clockFact).turns(task) : undefined,
    inFault: frames.some((frame) => frame.registersAt !== undefined),
  };
}

function stallOf(context: FactContext, lock: ContendedLock, task: Task, frames: readonly NamedFrame[]): Stall {
  const { letter, exitState, sleeping } = task.state;
  if (exitState !== 0n) return { kind: 'exited' };
  if (task.running) return { kind: 'running' };
  if (letter === 'T' || letter === 't') return { kind: 'stopped' };
  if (!sleeping) return { kind: 'runnable' };
  const other = context.use(locksFact).waitOf(task);
  // The last reader of a lock may well wait for it again; its owner that does will never get it.
  if (other !== undefined && (other !== lock || lock.ownerIs === 'exact')) return { kind: 'lock', lock: other };
  if (frames.some((frame) => frame.func === 'handle_userfault')) {
    const userfault = attempt(() => userfaultOf(context.program, task, frames, () => context.use(descriptorsFact)));
    if (userfault !== undefined) return { kind: 'userfault', userfault };
  }
  return { kind: 'sleeping' };
}

export function driverOf(frames: readonly NamedFrame[]): Holder['driver'] {
  for (const { func, symbol } of frames) {
    if (func !== undefined && symbol?.module !== undefined) return { func, module: symbol.module };
  }
  return undefined;
}

/** `__x64_sys_getdents64` (4.17 on, commit d5a00528b58c), `SyS_x`, `sys_x` before, `__do_sys_x` ... -> 'getdents64'. */
function syscallOf(frames: readonly NamedFrame[]): string | undefined {
  for (const frame of frames) {
    const match = /^(?:__(?:x64|ia32|arm64|se|do)_(?:compat_)?sys_|SyS_|sys_)(\w+)$/.exec(frame.func ?? '');
    if (match?.[1] !== undefined) return match[1];
  }
  return undefined;
}
