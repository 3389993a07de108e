/**
 * Who waits for whom: from each blocked task to what it waits for (a lock, or another object that a task has to act on),
 * and on to the tasks that own it, as sure as that is known. Chains are followed to those who wait for no other task.
 */
import type { VirtAddr } from '../../base/address.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { type Prose, prose } from '../../model/value.ts';
import { type DeadOwner, deadOwnersFact } from './dead-owners.ts';
import { holdersFact, type Holder } from './holders.ts';
import { lockNamesFact } from './lock-names.ts';
import { locksFact, type ContendedLock } from './locks.ts';
import { starvationFact } from './starvation.ts';
import { taskWaitsFact, waitProse } from './task-waits.ts';
import { tasksFact } from './tasks.ts';
import { cyclicParts, shortestCycle } from './wait-cycles.ts';
import { type Obstacle, obstacleObject, obstaclesFact, obstacleText } from './wait-obstacles.ts';

/**
 * `exact`: a structure names the owner; `last known`: the lock names who took it last, who may have let go; `inferred`:
 * its stack, or what usually ends such waits, says so.
 */
export type OwnerCertainty = 'exact' | 'last known' | 'inferred';

export interface WaitOwner {
  readonly task: Task;
  readonly certainty: OwnerCertainty;
  /** 'the lock names it'. */
  readonly why: string;
}

/** What tasks wait for. */
export interface WaitTarget {
  readonly address: VirtAddr;
  readonly ctype: string;
  /** Fits after 'waits': 'for the i_rwsem of the directory /data'. */
  readonly text: Prose;
  readonly lock: ContendedLock | undefined;
  readonly holder: Holder | undefined;
  /** An oops killed it while it held the lock. */
  readonly deadOwner: DeadOwner | undefined;
  /** Several where all of them must act, or, with `anyOf`, where each of them could. */
  readonly owners: readonly WaitOwner[];
  readonly anyOf: boolean;
  /** Why there is no owner: it exited, nobody holds it although one waits, or it is not recorded. */
  readonly ownerless: 'dead' | 'nobody' | 'not known' | 'obstacle' | undefined;
  /** What keeps the wait from ending where that is no task: with the owner `obstacle`. */
  readonly obstacle: Obstacle | undefined;
  readonly waiters: readonly Task[];
}

/** Where chains end, and what is behind it. */
export interface WaitRoot {
  /** The task that waits for no other; undefined for a circle, and for a lock whose owner is not known. */
  readonly task: Task | undefined;
  /** The shortest circle: each waits for the next, the last for the first. */
  readonly cycle: readonly Task[];
  /** The lock without an owner that chains end at. */
  readonly target: WaitTarget | undefined;
  /** All that wait for it, directly or not, by links that are exact or confirmed; without itself and its circle. */
  readonly behind: readonly Task[];
  /** More that wait for those, by links that are inferred only: a parent for its child, a request for a file lock. */
  readonly further: readonly Task[];
}

/**
 * Owners that a chain is followed along: what the lock knew last may be long over, and of several that could act each
 * alone is enough, so that none of them is the one that does not.
 */
export function followed({ owners, anyOf }: WaitTarget): readonly WaitOwner[] {
  return anyOf && owners.length > 1 ? [] : owners.filter(({ certainty }) => certainty !== 'last known');
}

export interface WaitGraph {
  /** Most tasks behind first. */
  readonly roots: readonly WaitRoot[];
  readonly targets: readonly WaitTarget[];
  /** What a task waits for that another task must act on. */
  readonly targetOf: (task: Task) => WaitTarget | undefined;
  /** What a task has that others wait for. */
  readonly heldBy: (task: Task) => readonly WaitTarget[];
}

export const waitGraphFact = defineFact<WaitGraph>({
  id: 'wait-graph',
  derive(context) {
    const targets = [
      ...lockTargets(context),
      ...otherTargets(context),
      ...obstacleTargets(context),
      ...starvedTargets(context),
    ];
    const targetOf = new Map<Task, WaitTarget>();
    for (const target of targets) for (const task of target.waiters) targetOf.set(task, target);
    const held = new Map<Task, WaitTarget[]>();
    for (const target of targets) {
      for (const { task } of followed(target)) {
        const known = held.get(task);
        if (known === undefined) held.set(task, [target]);
        else known.push(target);
      }
    }
    const graph = {
      targets,
      targetOf: (task: Task) => targetOf.get(task),
      heldBy: (task: Task) => held.get(task) ?? [],
    };
    return { ...graph, roots: rootsOf(context, graph) };
  },
});

function lockTargets(context: FactContext): readonly WaitTarget[] {
  const { locks } = context.use(locksFact);
  return locks.map((lock) => {
    const holder = context.use(holdersFact).of(lock);
    // Its memory may be another task's by now, which has nothing to do with the lock.
    const dead = context.use(deadOwnersFact).of(lock);
    const owner = holder === undefined || dead !== undefined ? undefined : ownerOf(holder, lock);
    const free = lock.mutex?.locked === false || lock.rwsem?.heldBy === 'nobody';
    const [first] = lock.waiters;
    const obstacle = first === undefined ? undefined : context.use(obstaclesFact).of(first.task)?.obstacle;
    return {
      address: lock.address,
      ctype: `struct ${lock.kind}`,
      text: prose`for ${context.use(lockNamesFact).of(lock.address, lock.kind).text}`,
      lock,
      holder: owner === undefined ? undefined : holder,
      deadOwner: dead,
      owners: owner === undefined ? [] : [owner],
      anyOf: false,
      ownerless:
        owner !== undefined
          ? undefined
          : lock.ownerGone !== undefined || dead !== undefined
            ? 'dead'
            : obstacle !== undefined
              ? 'obstacle'
              : free
                ? 'nobody'
                : 'not known',
      obstacle,
      waiters: lock.waiters.map(({ task }) => task),
    };
  });
}

function ownerOf({ task, certainty, proof }: Holder, lock: ContendedLock): WaitOwner {
  if (certainty === 'exact') return { task, certainty, why: 'the lock names it' };
  if (certainty === 'hint')
    return { task, certainty: 'last known', why: 'the lock names it as the last that took it, and it may have let go' };
  const where = proof?.taker ?? proof?.func;
  return {
    task,
    certainty: 'inferred',
    why: `its stack shows the ${lock.kind}${where === undefined ? '' : `, in ${where}`}`,
  };
}

/** Waits for tasks that are named by something else than a lock. */
function otherTargets(context: FactContext): readonly WaitTarget[] {
  const { tasks, byAddress } = context.use(tasksFact);
  const { waitOf } = context.use(locksFact);
  const waits = context.use(taskWaitsFact);
  const out = new Map<VirtAddr, WaitTarget & { readonly waiters: Task[] }>();
  for (const task of tasks) {
    context.budget.check();
    const wait = waitOf(task) === undefined ? waits.of(task) : undefined;
    if (wait?.object === undefined || (wait.awaited.length === 0 && wait.over !== true)) continue;
    if (context.use(obstaclesFact).of(task) !== undefined) continue;
    const known = out.get(wait.object.address);
    if (known !== undefined) {
      known.waiters.push(task);
      continue;
    }
    const owners = wait.awaited.flatMap(({ task: at, certainty, why }): WaitOwner[] => {
      const owner = byAddress.get(at);
      return owner === undefined ? [] : [{ task: owner, certainty, why }];
    });
    const { address, ctype } = wait.object;
    const ownerless = owners.length > 0 ? undefined : wait.over === true ? 'nobody' : 'dead';
    out.set(address, {
      address,
      ctype,
      text: waitProse(wait),
      lock: undefined,
      holder: undefined,
      deadOwner: undefined,
      owners,
      anyOf: wait.anyOf === true,
      ownerless,
      obstacle: undefined,
      waiters: [task],
    });
  }
  return [...out.values()];
}

/** Waits for what a suspended device keeps: all of them are waits for the device. */
function obstacleTargets(context: FactContext): readonly WaitTarget[] {
  const obstacles = context.use(obstaclesFact);
  const { waitOf } = context.use(locksFact);
  const waiting = context.use(tasksFact).tasks.flatMap((task) => {
    const blocked = task.state.sleeping && waitOf(task) === undefined ? obstacles.of(task) : undefined;
    return blocked === undefined ? [] : [{ task, obstacle: blocked.obstacle }];
  });
  return [...Map.groupBy(waiting, ({ obstacle }) => obstacleObject(obstacle).address).values()].flatMap((group) => {
    const [first] = group;
    return first === undefined
      ? []
      : [
          obstacleTarget(
            first.obstacle,
            group.map(({ task }) => task),
          ),
        ];
  });
}

function obstacleTarget(obstacle: Obstacle, waiters: readonly Task[]): WaitTarget {
  const text = prose`for ${obstacleText(obstacle)}`;
  const none = { lock: undefined, holder: undefined, deadOwner: undefined, owners: [], anyOf: false } as const;
  return { ...obstacleObject(obstacle), ...none, text, ownerless: 'obstacle', obstacle, waiters };
}

/** Tasks that could run wait for their CPU, which a real-time task has. */
function starvedTargets(context: FactContext): readonly WaitTarget[] {
  return context.use(starvationFact).map(({ cpu, rq, by, class: { policy, priority }, starved, sure }) => ({
    address: rq,
    ctype: 'struct rq',
    text: prose`for CPU ${String(cpu)}`,
    lock: undefined,
    holder: undefined,
    deadOwner: undefined,
    owners: [
      {
        task: by,
        certainty: sure ? 'exact' : 'inferred',
        why: `it runs there as SCHED_${policy} with priority ${priority}`,
      },
    ],
    anyOf: false,
    ownerless: undefined,
    obstacle: undefined,
    waiters: starved.map(({ task }) => task),
  }));
}

type Links = Pick<WaitGraph, 'targets' | 'targetOf' | 'heldBy'>;

function nextOf({ targetOf }: Links, task: Task): readonly Task[] {
  const target = targetOf(task);
  return target === undefined ? [] : followed(target).map((owner) => owner.task);
}

function rootsOf(context: FactContext, links: Links): readonly WaitRoot[] {
  const next = (task: Task): readonly Task[] => nextOf(links, task);
  const nodes = new Set(
    links.targets.flatMap(({ waiters, owners }) => [...waiters, ...owners.map(({ task }) => task)]),
  );
  const cycles = cyclicParts(nodes, next);
  const inCycle = new Set(cycles.flat());
  const roots: WaitRoot[] = cycles.map((part) => {
    const cycle = shortestCycle(part, next);
    return { task: undefined, cycle: fromLowest(cycle), target: undefined, ...behindOf(context, links, part, cycle) };
  });
  const ends = links.targets.filter((target) => followed(target).length === 0);
  for (const target of withObstaclesJoined(ends)) {
    const first = target.waiters;
    roots.push({ task: undefined, cycle: [], target, ...behindTarget(context, links, first) });
  }
  for (const task of nodes) {
    // Of a lock whose owner is not known, the lock is the root.
    if (inCycle.has(task) || next(task).length > 0 || links.targetOf(task) !== undefined) continue;
    const reached = behindOf(context, links, [task], [task]);
    if (reached.behind.length + reached.further.length > 0)
      roots.push({ task, cycle: [], target: undefined, ...reached });
  }
  return roots.sort(
    (a, b) =>
      b.behind.length - a.behind.length || b.further.length - a.further.length || b.cycle.length - a.cycle.length,
  );
}

/** The gates of one file system, and a device with the gates of what lies on it, are one end of chains. */
function withObstaclesJoined(targets: readonly WaitTarget[]): readonly WaitTarget[] {
  const groups = Map.groupBy(targets, ({ obstacle, address }) =>
    obstacle === undefined ? address : obstacleObject(obstacle).address,
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first?.obstacle === undefined) return group;
    return [
      obstacleTarget(
        first.obstacle,
        group.flatMap(({ waiters }) => waiters),
      ),
    ];
  });
}

function fromLowest(cycle: readonly Task[]): readonly Task[] {
  const lowest = cycle.reduce((at, task, i) => (task.pid < (cycle[at]?.pid ?? 0) ? i : at), 0);
  return [...cycle.slice(lowest), ...cycle.slice(0, lowest)];
}

type Behind = Pick<WaitRoot, 'behind' | 'further'>;

function behindOf(context: FactContext, links: Links, starts: readonly Task[], without: readonly Task[]): Behind {
  const { behind, further } = reach(context, links, starts);
  const own = new Set(without);
  return { behind: behind.filter((task) => !own.has(task)), further: further.filter((task) => !own.has(task)) };
}

function behindTarget(context: FactContext, links: Links, waiters: readonly Task[]): Behind {
  const { behind, further } = reach(context, links, waiters);
  const direct = new Set(waiters);
  return { behind: [...waiters, ...behind.filter((task) => !direct.has(task))], further };
}

/** Against the direction of the links: first along those of locks and exact ones, then along all. */
function reach({ budget }: FactContext, { heldBy }: Links, starts: readonly Task[]): Behind {
  const seen = new Set<Task>(starts);
  const walk = (from: readonly Task[], follows: (target: WaitTarget, owner: Task) => boolean): Task[] => {
    const found: Task[] = [];
    const queue = [...from];
    for (const task of queue) {
      budget.check();
      for (const target of heldBy(task)) {
        if (!follows(target, task)) continue;
        for (const waiter of target.waiters) {
          if (seen.has(waiter)) continue;
          seen.add(waiter);
          found.push(waiter);
          queue.push(waiter);
        }
      }
    }
    return found;
  };
  const sure = (target: WaitTarget, owner: Task): boolean =>
    target.lock !== undefined || target.owners.some(({ task, certainty }) => task === owner && certainty === 'exact');
  const behind = walk(starts, sure);
  return { behind, further: walk([...starts, ...behind], () => true) };
}
