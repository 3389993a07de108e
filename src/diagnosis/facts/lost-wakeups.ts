/**
 * Locks that are free, and completions that are done, for which tasks sleep all the same, while nobody is on the way to wake
 * them: a wake-up was lost, or somebody wrote the words of the lock with his own hands. Mutexes, rw_semaphores and completions
 * alone: of other queues nobody can say what is waited for.
 */
import { attempt } from '../../base/errors.ts';
import type { Nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import type { NamedFrame } from '../../kernel/stack.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { clockFact } from './clock.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';
import { STILL } from './thresholds.ts';
import { waitGraphFact, type WaitRoot, type WaitTarget } from './wait-graph.ts';

export interface LostWakeUp {
  readonly target: WaitTarget;
  readonly root: WaitRoot;
  /** Whose turn it is, and who sleeps. */
  readonly first: Task;
  readonly wait: Nanoseconds;
  /** The module whose variable it is, or whose function waits for it. */
  readonly module: string | undefined;
  /** True when the stacks of all that run could be read to their ends. */
  readonly sure: boolean;
  /** Words that show that it is free: 'its owner word, 0x1, names no task and has only flags: some wait'. */
  readonly free: string;
}

/**
 * Functions between giving a lock back and waking the next, and those of one who was woken, or spins, and is about to take
 * it. A task that does not sleep and stands in one of them may still do it.
 */
const ON_THE_WAY =
  /mutex_(un)?lock|rwsem_|^(up|down)_(read|write)|^_*(up|down)$|complete|swake_up|^wake_up|^try_to_wake_up|rt_mutex|wait_for_(common|completion)/;

export const lostWakeUpsFact = defineFact<readonly LostWakeUp[]>({
  id: 'lost-wake-ups',
  derive(context) {
    const { roots } = context.use(waitGraphFact);
    const candidates = roots.filter(({ target }) => target?.ownerless === 'nobody');
    const awake = candidates.length === 0 ? [] : context.use(tasksFact).tasks.filter(isAwake);
    const stacks = context.use(stacksFact);
    if (awake.some((task) => stacks.of(task).frames.some(isOnTheWay))) return [];
    const sure = awake.every((task) => stacks.of(task).problem === undefined);
    return candidates.flatMap((root) => {
      const found = root.target === undefined ? undefined : lostAt(context, root, root.target);
      return found === undefined ? [] : [{ ...found, sure }];
    });
  },
});

function lostAt(context: FactContext, root: WaitRoot, target: WaitTarget): Omit<LostWakeUp, 'sure'> | undefined {
  const { lock } = target;
  const [first] = target.waiters;
  const wait = first === undefined ? undefined : context.use(clockFact).offCpu(first);
  if (first?.state.sleeping !== true || first.running || wait === undefined || wait < STILL) return undefined;
  if (isToBeWoken(context, first)) return undefined;
  const free =
    lock === undefined
      ? 'its done is not 0'
      : lock.mutex !== undefined
        ? `its owner word, 0x${lock.mutex.raw.toString(16)}, names no task and has only flags${lock.mutex.raw === 1n ? ': some wait' : ''}`
        : lock.rwsem !== undefined && lock.kind === 'rw_semaphore'
          ? `its count, 0x${BigInt.asUintN(64, lock.rwsem.count).toString(16)}, has no holder, only flags`
          : undefined;
  // A word that does not know of the waiters is damaged, and says nothing of who holds it.
  if (lock?.mutex?.hasWaiters === false || lock?.rwsem?.count === 0n) return undefined;
  // What the queue says must be whole: one who is first may be missing from it.
  if (free === undefined || (lock !== undefined && (!lock.whole || lock.strangers > 0))) return undefined;
  const { frames } = context.use(stacksFact).of(first);
  const own = attempt(() => context.program.symbols.at(target.address)?.module);
  return {
    target,
    root,
    first,
    wait,
    free,
    module: own ?? frames.find(({ symbol }) => symbol?.module)?.symbol?.module,
  };
}

/** Collected to be woken in a moment: `wake_q.next`, since 4.2 (commit 7608dec2ce20), is not 0. */
function isToBeWoken({ program }: FactContext, { address }: Task): boolean {
  const next = attempt(() => program.tryField('struct task_struct', 'wake_q.next')?.pointer(address));
  return next !== undefined && next !== 0n;
}

function isAwake({ idle, state }: Task): boolean {
  return !idle && !state.sleeping && state.exitState === 0n && !/[TtXZ]/.test(state.letter);
}

function isOnTheWay({ func }: NamedFrame): boolean {
  return func !== undefined && ON_THE_WAY.test(func);
}
