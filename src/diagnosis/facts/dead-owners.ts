/**
 * Sleeping locks whose owner died in an oops while it held them: the kernel ends such a task and gives back none of its
 * locks. The lock goes on naming the dead task's task_struct, whose memory may belong to a younger task by then, which is
 * innocent: it did not live yet when the oops came.
 */
import { attempt } from '../../base/errors.ts';
import { type Oops, oopses } from '../../kernel/oops.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { type ContendedLock, locksFact } from './locks.ts';
import { logFact } from './log.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';
import { triggerFact } from './trigger.ts';

export interface DeadOwner {
  readonly oops: Oops;
  readonly pid: number;
  readonly comm: string;
  /** The task that has its task_struct now; undefined when nobody has. */
  readonly heir: Task | undefined;
  /** The dead task itself, still waiting for its parent to ask for it. */
  readonly zombie: Task | undefined;
  /** Who waits is in code of the module, or in the function, that the oops was in. */
  readonly linked: boolean;
}

export interface DeadOwners {
  of(lock: ContendedLock): DeadOwner | undefined;
}

export const deadOwnersFact = defineFact<DeadOwners>({
  id: 'dead-owners',
  derive(context) {
    const trigger = context.use(triggerFact);
    const all = attempt(() => oopses(context.use(logFact).records)) ?? [];
    // The last is what the machine stopped of, where an oops is.
    const survived = trigger?.kind === 'oops' ? all.slice(0, -1) : all;
    const known = new Map<ContendedLock, DeadOwner | undefined>();
    if (survived.length > 0) {
      for (const lock of context.use(locksFact).locks) {
        context.budget.check();
        known.set(lock, deadOwner(context, lock, survived));
      }
    }
    return { of: (lock) => known.get(lock) };
  },
});

function deadOwner(context: FactContext, lock: ContendedLock, survived: readonly Oops[]): DeadOwner | undefined {
  const { tasks } = context.use(tasksFact);
  const owner = lock.ownerIs === 'exact' ? lock.owner : undefined;
  for (const oops of survived.toReversed()) {
    const { pid, comm, timeNs } = oops;
    if (pid === undefined || comm === undefined || pid === 0) continue;
    const self = tasks.find((task) => task.pid === pid && task.comm === comm);
    const who = { oops, pid, comm, linked: isLinked(context, lock, oops) };
    // It came out of it alive: an oops in an interrupt, say, or a pid that was given out anew.
    if (self !== undefined && self.state.exitState === 0n) continue;
    if (self !== undefined && self === owner) return { ...who, heir: undefined, zombie: self };
    if (self !== undefined || !who.linked) continue;
    if (lock.ownerGone !== undefined) return { ...who, heir: undefined, zombie: undefined };
    const younger = owner?.startTime !== undefined && timeNs !== undefined && owner.startTime > timeNs;
    // Else it may have the lock by right: somebody who was not killed gave it back in between.
    const waitsItself = lock.waiters.some(({ task }) => task === owner);
    if (younger && waitsItself) return { ...who, heir: owner, zombie: undefined };
  }
  return undefined;
}

const MAX_WAITERS = 16;

function isLinked(context: FactContext, lock: ContendedLock, { at }: Oops): boolean {
  if (at === undefined) return false;
  const stacks = context.use(stacksFact);
  return lock.waiters
    .slice(0, MAX_WAITERS)
    .some(({ task }) =>
      stacks
        .of(task)
        .frames.some(({ symbol }) =>
          at.module === undefined ? symbol?.name === at.func : symbol?.module === at.module,
        ),
    );
}
