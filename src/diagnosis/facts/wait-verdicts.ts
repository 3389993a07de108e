/**
 * Ends of chains of waits that have a detector of their own, because no lock is to blame: a circle that also leads through
 * other things than locks, a work item that does not end, a suspended device, a frozen file system. Says which locks lie in
 * the middle of such a chain, so that nobody blames these.
 */
import type { Nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Worker } from '../../kernel/wait-work.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import type { Confidence } from '../../model/finding.ts';
import { clockFact } from './clock.ts';
import type { ContendedLock } from './locks.ts';
import { poolStallsFact } from './pool-stalls.ts';
import { taskWaitsFact } from './task-waits.ts';
import { PILE_UP, STILL, STUCK_BY_AGE } from './thresholds.ts';
import { waitGraphFact, type WaitGraph, type WaitRoot, type WaitTarget } from './wait-graph.ts';
import type { Obstacle } from './wait-obstacles.ts';

/** What all verdicts say. */
interface Ending {
  readonly root: WaitRoot;
  readonly confidence: Confidence;
  /** The longest wait of one in uninterruptible sleep behind it. */
  readonly oldest: Nanoseconds | undefined;
}

export interface CircleLink {
  readonly task: Task;
  /** What it waits for, which the next has. */
  readonly target: WaitTarget;
}

export interface CircleVerdict extends Ending {
  readonly kind: 'circle';
  readonly links: readonly CircleLink[];
}

export interface WorkVerdict extends Ending {
  readonly kind: 'work';
  readonly task: Task;
  readonly worker: Worker;
  /** How long it has not run. */
  readonly offCpu: Nanoseconds | undefined;
  /** Of a worker that runs: how long its pool has begun no other work, although some waits. */
  readonly stalled: Nanoseconds | undefined;
}

export interface ObstacleVerdict extends Ending {
  readonly kind: 'obstacle';
  readonly obstacle: Obstacle;
}

export type WaitVerdict = CircleVerdict | WorkVerdict | ObstacleVerdict;

export interface WaitVerdicts {
  /** Most tasks behind first. */
  readonly all: readonly WaitVerdict[];
  /** Whether a lock lies in one of these chains: its queue is told there. */
  tells(lock: ContendedLock): boolean;
}

export const waitVerdictsFact = defineFact<WaitVerdicts>({
  id: 'wait-verdicts',
  derive(context) {
    const graph = context.use(waitGraphFact);
    const all = graph.roots.flatMap((root) => verdictOf(context, graph, root) ?? []);
    const stuck = new Set(all.flatMap(({ root }) => [...root.cycle, ...root.behind]));
    return { all, tells: ({ waiters }) => waiters.some(({ task }) => stuck.has(task)) };
  },
});

function verdictOf(context: FactContext, graph: WaitGraph, root: WaitRoot): WaitVerdict | undefined {
  const oldest = oldestOf(context, [...root.cycle, ...root.behind]);
  if (root.cycle.length > 0) return circle(graph, root, oldest);
  if (root.task !== undefined) return work(context, graph, root, root.task, oldest);
  const obstacle = root.target?.obstacle;
  // A snapshot is made in moments.
  if (obstacle === undefined || oldest === undefined || oldest < STILL) return undefined;
  return { kind: 'obstacle', root, obstacle, oldest, confidence: obstacleConfidence(obstacle, oldest) };
}

/** How sure it is that it stands still: of a disk by the age of its own request, which slow ones also reach. */
function obstacleConfidence(obstacle: Obstacle, oldest: Nanoseconds): Confidence {
  if (obstacle.kind !== 'disk') return oldest >= STUCK_BY_AGE ? 'certain' : 'probable';
  const { overdue, age } = obstacle.disk;
  if (!overdue) return 'possible';
  return age >= STUCK_BY_AGE ? 'certain' : 'probable';
}

/** Circles of locks alone are told with the queues behind them. */
function circle({ targetOf }: WaitGraph, root: WaitRoot, oldest: Nanoseconds | undefined): CircleVerdict | undefined {
  const links = root.cycle.flatMap((task): readonly CircleLink[] => {
    const target = targetOf(task);
    return target === undefined ? [] : [{ task, target }];
  });
  if (links.length < root.cycle.length || links.every(({ target }) => target.lock !== undefined)) return undefined;
  // A parent that waits for its child, which waits for what the parent may write, is how idle servers look.
  const held = ({ lock, ctype }: WaitTarget): boolean => lock !== undefined || ctype === 'struct file_lock';
  if (!links.some(({ task, target }) => held(target) || task.state.uninterruptible)) return undefined;
  const sure = links.every(({ target }) => target.owners.every(({ certainty }) => certainty === 'exact'));
  return { kind: 'circle', root, links, oldest, confidence: sure ? 'certain' : 'probable' };
}

function work(
  context: FactContext,
  { heldBy }: WaitGraph,
  root: WaitRoot,
  task: Task,
  oldest: Nanoseconds | undefined,
): WorkVerdict | undefined {
  const worker = context.use(taskWaitsFact).workerOf(task);
  if (worker?.work === undefined) return undefined;
  if (!heldBy(task).some(({ ctype }) => ctype === 'struct work_struct' || ctype === 'struct workqueue_struct'))
    return undefined;
  const found = { kind: 'work', root, task, worker, oldest } as const;
  if (task.running || !task.state.sleeping) return loop(context, found);
  return sleep(context, found);
}

type Found = Omit<WorkVerdict, 'offCpu' | 'stalled' | 'confidence'>;

/** A worker that sleeps in its work item. */
function sleep(context: FactContext, item: Found): WorkVerdict | undefined {
  const { root, task, oldest } = item;
  const offCpu = context.use(clockFact).offCpu(task);
  const found = { ...item, offCpu, stalled: undefined };
  if (oldest !== undefined && oldest >= STUCK_BY_AGE) return { ...found, confidence: 'probable' };
  const still = offCpu !== undefined && offCpu >= STILL && (oldest === undefined || oldest <= offCpu);
  return still && root.behind.length >= PILE_UP ? { ...found, confidence: 'possible' } : undefined;
}

/** What two clocks may differ by: jiffies lag behind where ticks are lost. */
const CLOCKS = 1_000_000_000n;

/** A worker that runs on and on, and keeps all other work of its CPU from being begun. */
function loop({ use }: FactContext, item: Found): WorkVerdict | undefined {
  const { root, worker, oldest } = item;
  const stalled = use(poolStallsFact).of(worker.worker);
  if (stalled === undefined || stalled < STILL || oldest === undefined) return undefined;
  const found = { ...item, offCpu: undefined, stalled };
  if (oldest >= STUCK_BY_AGE && stalled >= STUCK_BY_AGE) return { ...found, confidence: 'probable' };
  // Whoever waits for longer waits for something else as well.
  const all = oldest >= STILL && oldest <= stalled + CLOCKS;
  return all && root.behind.length >= PILE_UP ? { ...found, confidence: 'possible' } : undefined;
}

function oldestOf({ use }: FactContext, tasks: readonly Task[]): Nanoseconds | undefined {
  let oldest: Nanoseconds | undefined;
  for (const task of tasks) {
    const wait = task.state.uninterruptible ? use(clockFact).offCpu(task) : undefined;
    if (wait !== undefined && (oldest === undefined || wait > oldest)) oldest = wait;
  }
  return oldest;
}
