/**
 * Slow or dead: whether the one at the head of a pile-up can still go on. Proved by structure where it can be (a circle
 * of locks, a page fault that nobody is left to answer, an owner that exited), else argued from the oldest wait, else
 * left open.
 */
import type { Nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import type { Confidence } from '../../model/finding.ts';
import type { Holder } from './holders.ts';
import { memoryFact } from './memory.ts';
import { pileUpsFact, type PileUp } from './pileups.ts';
import { tasksFact } from './tasks.ts';
import { PILE_UP, STILL, STUCK_BY_AGE } from './thresholds.ts';

export interface Answerer {
  readonly task: Task;
  readonly fd: number;
}

/** Who could answer a page fault through a userfaultfd. */
export interface Answerers {
  /** Everybody with a descriptor. */
  readonly all: readonly Answerer[];
  /** Those that are neither the faulting task nor stuck behind it. */
  readonly able: readonly Answerer[];
  /** True when no reference to the userfaultfd is left that was not found, nor a task that shares a table with it. */
  readonly complete: boolean;
}

export type Standstill =
  | { readonly kind: 'lock-cycle'; readonly confidence: Confidence }
  | { readonly kind: 'own-userfault'; readonly confidence: Confidence; readonly answerers: Answerers }
  | { readonly kind: 'userfault'; readonly confidence: Confidence; readonly answerers: Answerers }
  | { readonly kind: 'owner-exited'; readonly confidence: Confidence }
  /** It needs a page to go on, and memory is short. */
  | { readonly kind: 'reclaim'; readonly confidence: Confidence }
  /** It has not run since before the first waiter came, for long. */
  | { readonly kind: 'still'; readonly confidence: Confidence; readonly offCpu: Nanoseconds }
  /** Nothing in the structures proves it; the oldest wait is beyond the threshold. */
  | { readonly kind: 'old'; readonly confidence: Confidence; readonly oldest: Nanoseconds }
  /** Neither structure nor age says that it stands still. */
  | { readonly kind: 'open' };

export interface Standstills {
  of(pileUp: PileUp): Standstill;
}

export const standstillFact = defineFact<Standstills>({
  id: 'standstill',
  derive(context) {
    const known = new Map(context.use(pileUpsFact).map((pileUp) => [pileUp, judge(context, pileUp)]));
    return { of: (pileUp) => known.get(pileUp) ?? judge(context, pileUp) };
  },
});

function judge(context: FactContext, pileUp: PileUp): Standstill {
  const { holder, cycle } = pileUp;
  if (cycle.length > 0) {
    return { kind: 'lock-cycle', confidence: cycle.every((link) => isSure(link.holder)) ? 'certain' : 'probable' };
  }
  // The last reader may have let go long before it exited.
  if (holder?.stall.kind === 'exited' && holder.certainty === 'exact')
    return { kind: 'owner-exited', confidence: 'probable' };
  // Not even its task_struct is there any more. A semaphore and a reader may be given back by others, or have been.
  const { lock } = pileUp;
  const owned = lock.mutex?.locked === true || lock.rwsem?.heldBy === 'writer' || lock.kind === 'rt_mutex';
  if (lock.ownerGone !== undefined && owned) return { kind: 'owner-exited', confidence: 'probable' };
  const oldest = oldestBlocked(pileUp);
  const isOld = oldest !== undefined && oldest >= STUCK_BY_AGE;
  if (holder?.stall.kind === 'userfault') {
    const answerers = answerersOf(context, pileUp);
    const sure = isSure(holder) && answerers.complete;
    if (answerers.able.length === 0)
      return { kind: 'own-userfault', confidence: sure ? 'certain' : 'probable', answerers };
    return isOld ? { kind: 'userfault', confidence: 'probable', answerers } : { kind: 'open' };
  }
  if (holder?.reclaim !== undefined && context.use(memoryFact).verdict === 'short') {
    return { kind: 'reclaim', confidence: 'probable' };
  }
  if (isOld) return { kind: 'old', confidence: 'probable', oldest };
  const offCpu = stillSince(pileUp, oldest);
  return offCpu === undefined ? { kind: 'open' } : { kind: 'still', confidence: 'possible', offCpu };
}

/**
 * How long a sleeping holder has not run, when that is long and all who wait came after it stopped: a lock that is held
 * in turns, however busy, has waiters older than its holder's sleep.
 */
function stillSince(
  { holder, holderOffCpu, lock, victims }: PileUp,
  oldest: Nanoseconds | undefined,
): Nanoseconds | undefined {
  if (holder === undefined || holderOffCpu === undefined || holder.stall.kind !== 'sleeping') return undefined;
  if (!isSure(holder) || lock.waiters.length < PILE_UP || oldest === undefined || oldest < STILL) return undefined;
  const later = victims.every(({ wait }) => wait === undefined || wait <= holderOffCpu);
  return later ? holderOffCpu : undefined;
}

/**
 * The lock names its holder, or the holder's stack shows that it works under the lock. A word on the stack alone may be
 * left over from an earlier call.
 */
function isSure({ certainty, proof }: Holder): boolean {
  return certainty === 'exact' || proof?.taker !== undefined;
}

/**
 * The longest wait that nothing but the lock ends. Who sleeps interruptibly may wait for days and be right: for the turn
 * to read from a terminal, say; khungtaskd leaves such waits alone, too.
 */
function oldestBlocked({ victims }: PileUp): Nanoseconds | undefined {
  let oldest: Nanoseconds | undefined;
  for (const { task, wait } of victims) {
    if (task.state.uninterruptible && wait !== undefined && (oldest === undefined || wait > oldest)) oldest = wait;
  }
  return oldest;
}

function answerersOf(context: FactContext, { holder, victims }: PileUp): Answerers {
  if (holder?.stall.kind !== 'userfault') return { all: [], able: [], complete: false };
  const { files, referencesAccounted, unread } = holder.stall.userfault;
  const { byAddress, complete: allTasks } = context.use(tasksFact);
  const stuck = new Set(victims.map((victim) => victim.task));
  const all: Answerer[] = [];
  for (const { holders } of files) {
    for (const { fd, tasks } of holders) {
      for (const address of tasks) {
        const task = byAddress.get(address);
        if (task !== undefined) all.push({ task, fd });
      }
    }
  }
  const able = all.filter(({ task }) => task !== holder.task && !stuck.has(task) && task.state.exitState === 0n);
  const counted = files.length > 0 && files.every((file) => file.complete === true);
  // A thread that could not be read may share the table.
  const seen =
    allTasks || files.every((file) => file.holders.every(({ references, tasks }) => references === tasks.length));
  return { all, able, complete: counted && seen && referencesAccounted === true && unread.length === 0 };
}
