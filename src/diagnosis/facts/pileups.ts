/**
 * Queues behind locks, put together: each pile-up is one root lock, whose holder waits for no other lock (or a cycle of
 * locks), with everybody who waits for it directly or behind another lock that leads to it.
 */
import type { Nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { clockFact } from './clock.ts';
import { type Arrivals, growthFact } from './growth.ts';
import { holdersFact, type Holder } from './holders.ts';
import { launchersFact, type Launch } from './launchers.ts';
import { lockNamesFact, type LockName } from './lock-names.ts';
import { locksFact, type ContendedLock, type WaitingTask } from './locks.ts';
import { type CgroupShare, taskCgroupsFact } from './task-cgroups.ts';

export interface Victim {
  readonly task: Task;
  readonly lock: ContendedLock;
  readonly mode: 'read' | 'write' | undefined;
  /** Since it last got a CPU. */
  readonly wait: Nanoseconds | undefined;
}

/** Victims of one command name. */
export interface VictimGroup {
  readonly comm: string;
  /** Longest wait first. */
  readonly victims: readonly Victim[];
  readonly launch: Launch;
}

export interface CycleLink {
  readonly lock: ContendedLock;
  readonly name: LockName;
  /** It waits for the lock of the next link. */
  readonly holder: Holder;
}

export interface PileUp {
  readonly lock: ContendedLock;
  readonly name: LockName;
  readonly holder: Holder | undefined;
  /** How long the holder has been off the CPU. */
  readonly holderOffCpu: Nanoseconds | undefined;
  /** Locks in a circle, each held by a task that waits for the next; empty when there is none. */
  readonly cycle: readonly CycleLink[];
  /** Further locks whose holders wait, in the end, for this one. */
  readonly behind: readonly ContendedLock[];
  /** In queue order of the root lock first; holders of `behind` are victims as well. */
  readonly victims: readonly Victim[];
  /** With those whose tasks could not be read. */
  readonly total: number;
  /** True when there are no more than `total`: the lists of all these locks were walked to their ends. */
  readonly whole: boolean;
  /** Largest first. */
  readonly groups: readonly VictimGroup[];
  /** Longest wait of all. */
  readonly longest: Victim | undefined;
  /** When the victims came. */
  readonly arrivals: Arrivals;
  readonly cgroups: CgroupShare;
}

export const pileUpsFact = defineFact<readonly PileUp[]>({
  id: 'pile-ups',
  derive(context) {
    const { locks } = context.use(locksFact);
    const holders = context.use(holdersFact);
    const roots = new Map<ContendedLock, { cycle: readonly ContendedLock[]; members: ContendedLock[] }>();
    for (const [lock, end] of chainEnds(locks, holders.of)) {
      const root = roots.get(end.root) ?? { cycle: end.cycle, members: [] };
      root.members.push(lock);
      roots.set(end.root, root);
    }
    const out = [...roots].map(([root, { cycle, members }]) => pileUpOf(context, root, cycle, members));
    return out.sort((a, b) => b.victims.length - a.victims.length);
  },
});

interface ChainEnd {
  readonly root: ContendedLock;
  readonly cycle: readonly ContendedLock[];
}

/**
 * Where each lock leads: to its holder, to the lock that the holder waits for, until one whose holder waits for none or
 * that was passed before. Each lock leads to one other at most, so each is passed once.
 */
function chainEnds(
  locks: readonly ContendedLock[],
  holderOf: (lock: ContendedLock) => Holder | undefined,
): ReadonlyMap<ContendedLock, ChainEnd> {
  const ends = new Map<ContendedLock, ChainEnd>();
  for (const start of locks) {
    const path: ContendedLock[] = [];
    const places = new Map<ContendedLock, number>();
    let at = start;
    let end = ends.get(at);
    while (end === undefined) {
      places.set(at, path.length);
      path.push(at);
      const next = leadsTo(holderOf(at));
      const entry = next === undefined ? undefined : places.get(next);
      if (next === undefined) end = { root: at, cycle: [] };
      else if (entry !== undefined) end = cycleOf(path.slice(entry));
      else {
        at = next;
        end = ends.get(at);
      }
    }
    for (const lock of path) ends.set(lock, end);
  }
  return ends;
}

/** The lock that a holder waits for. A reader's bare hint is no edge: it may have let go long ago. */
function leadsTo(holder: Holder | undefined): ContendedLock | undefined {
  return holder === undefined || holder.certainty === 'hint' || holder.stall.kind !== 'lock'
    ? undefined
    : holder.stall.lock;
}

/** One name for the circle, from wherever it was entered: its lock with the lowest address. */
function cycleOf(cycle: readonly ContendedLock[]): ChainEnd {
  return { root: cycle.reduce((low, lock) => (lock.address < low.address ? lock : low)), cycle };
}

function pileUpOf(
  context: FactContext,
  lock: ContendedLock,
  cycle: readonly ContendedLock[],
  members: readonly ContendedLock[],
): PileUp {
  const clock = context.use(clockFact);
  const holders = context.use(holdersFact);
  const launchers = context.use(launchersFact);
  const nameOf = ({ address, kind }: ContendedLock): LockName => context.use(lockNamesFact).of(address, kind);
  const holder = holders.of(lock);
  const behind = members.filter((member) => member !== lock);
  const locks = [lock, ...behind];
  const victims = locks.flatMap((member) =>
    member.waiters.map(({ task, mode }): Victim => ({ task, mode, lock: member, wait: clock.offCpu(task) })),
  );
  const groups = [...Map.groupBy(victims, (victim) => victim.task.comm)]
    .map(([comm, group]): VictimGroup => {
      const sorted = [...group].sort((a, b) => compareWaits(b, a));
      return { comm, victims: sorted, launch: launchers.of(group.map((victim) => victim.task)) };
    })
    .sort((a, b) => b.victims.length - a.victims.length);
  return {
    lock,
    name: nameOf(lock),
    holder,
    holderOffCpu: holder === undefined ? undefined : clock.offCpu(holder.task),
    cycle: cycle.flatMap((member) => {
      const of = holders.of(member);
      return of === undefined ? [] : [{ lock: member, name: nameOf(member), holder: of }];
    }),
    behind,
    victims,
    total: locks.reduce((sum, { strangers }) => sum + strangers, victims.length),
    whole: locks.every(({ whole }) => whole),
    groups,
    longest: [...victims].sort((a, b) => compareWaits(b, a))[0],
    arrivals: context.use(growthFact).of(victims.map(({ task }) => task)),
    cgroups: context.use(taskCgroupsFact).among(victims.map(({ task }) => task)),
  };
}

function compareWaits(a: Victim, b: Victim): number {
  const left = a.wait ?? -1n;
  const right = b.wait ?? -1n;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** True when every waiter was read: only then the longest wait is the longest of all. */
export function isWhole({ whole, total, victims }: PileUp): boolean {
  return whole && total === victims.length;
}

/** How many wait for what, those whose tasks could not be read among them. */
export function modesOf({ queue, waiters, whole }: ContendedLock): {
  readonly writers: number;
  readonly readers: number;
} {
  const all: readonly { readonly mode: 'read' | 'write' | undefined }[] = whole ? queue : waiters;
  return {
    writers: all.filter(({ mode }) => mode === 'write').length,
    readers: all.filter(({ mode }) => mode === 'read').length,
  };
}

/** The waiter whose turn is next; undefined when its task could not be read. */
export function firstOf({ queue, waiters }: ContendedLock): WaitingTask | undefined {
  return waiters.find(({ waiter }) => waiter === queue[0]?.address);
}
