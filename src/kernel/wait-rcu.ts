/**
 * Waits for a grace period of RCU: `struct rcu_synchronize` on the stack of the one that waits, queued as a callback; and
 * who keeps the grace period from ending. Those of SRCU are in wait-srcu.ts.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type GracePeriod, gracePeriod } from './rcu-grace-period.ts';
import type { Task } from './sched.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import type { SleeperStack } from './wait-shapes.ts';
import { srcuWait } from './wait-srcu.ts';

const SYNCHRONIZE =
  /^(__wait_rcu_gp|wait_rcu_gp|synchronize_rcu\w*|synchronize_sched\w*|synchronize_srcu\w*|__synchronize_srcu|rcu_barrier\w*)$/;

/**
 * The wait whose `struct rcu_synchronize` has this completion.
 * @param completion - `struct completion *` on the task's own stack
 * @returns undefined when none lies around it
 * @throws FaultError, LookupError
 */
export function gracePeriodWait(
  stack: SleeperStack,
  completion: VirtAddr,
  tasks: readonly Task[],
): FoundWait | undefined {
  const { program, frames } = stack;
  const called = frames.flatMap(({ func }) => (func !== undefined && SYNCHRONIZE.test(func) ? [func] : []));
  if (called.length === 0) return undefined;
  const around = program.field('struct rcu_synchronize', 'completion').container(completion);
  // `head` comes first, and its second word is the function that is called.
  const call = program.symbols.at(program.memory.readPointer(add(around, 8)));
  if (call?.name !== 'wakeme_after_rcu' && !isRegistered(program, around)) return undefined;
  const found = { kind: 'grace-period', proof: 'structure' } as const;
  const own = { address: around, ctype: 'struct rcu_synchronize' };
  if (called.some((func) => func.includes('srcu'))) return srcuWait(stack, around);
  const state = attempt(() => program.symbol('rcu_state').address);
  const grace = attempt(() => gracePeriod(program));
  const age =
    grace?.age === undefined
      ? ''
      : `; one has been running for ${(Number(grace.age / 1_000_000n) / 1000).toFixed(1)} s`;
  return {
    ...found,
    what: `for a grace period of RCU${age}`,
    object: state === undefined ? own : { address: state, ctype: 'struct rcu_state' },
    awaited: attempt(() => holdouts(program, grace, tasks)) ?? [],
  };
}

/** Waiters on one list; there is one for each sleeper in synchronize_rcu(). */
const MAX_WAITERS = 1 << 16;

/**
 * Since 6.10 (commit 988f569ae041), by default since 6.17, the thread of the grace periods wakes who waits by lists of its
 * own: `rcu_synchronize.head` stands in one of them, as a `struct llist_node`, and calls no function.
 */
function isRegistered(program: Program, around: VirtAddr): boolean {
  const state = attempt(() => program.symbol('rcu_state').address);
  if (state === undefined || program.tryField('struct rcu_state', 'srs_next') === undefined) return false;
  return ['srs_next.first', 'srs_wait_tail', 'srs_done_tail'].some(
    (list) =>
      attempt(() => {
        let at = program.field('struct rcu_state', list).pointer(state);
        for (let n = 0; n < MAX_WAITERS && isKernel(at); n++) {
          if (at === around) return true;
          at = program.memory.readPointer(at);
        }
        return false;
      }) === true,
  );
}

/**
 * Who keeps a grace period from ending, each a `struct task_struct`: what runs on the CPUs that it waits for, and readers that are off the CPU; where
 * there is none, the thread that has to see that it may end.
 * @throws FaultError, LookupError
 */
export function holdouts(program: Program, grace: GracePeriod | undefined, tasks: readonly Task[]): readonly Awaited[] {
  if (grace === undefined) {
    const kthread = kthreadOf(program);
    return kthread === undefined ? [] : [{ task: kthread, certainty: 'inferred', why: ENDS }];
  }
  const held = new Set(grace.cpus.map(({ cpu }) => cpu));
  const out: Awaited[] = [];
  for (const { address, cpu, running, idle } of tasks) {
    if (!running || idle || cpu === undefined || !held.has(cpu)) continue;
    out.push({ task: address, certainty: 'exact', why: `the grace period waits for CPU ${cpu}, on which it runs` });
  }
  for (const task of grace.readers)
    out.push({ task, certainty: 'exact', why: 'it left the CPU inside of a section that the grace period waits for' });
  if (out.length > 0 || grace.kthread === undefined) return out;
  return [{ task: grace.kthread, certainty: 'inferred', why: ENDS }];
}

const ENDS = 'rcu_state.gp_kthread ends the grace periods';

function kthreadOf(program: Program): VirtAddr | undefined {
  const at = program.symbol('rcu_state').address;
  const kthread = program.field('struct rcu_state', 'gp_kthread').pointer(at);
  return isKernel(kthread) ? kthread : undefined;
}
