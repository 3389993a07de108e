/**
 * A grace period of RCU that has run for longer than the kernel itself finds sound, and the readers that keep it from ending:
 * who runs on a CPU that has not passed a quiescent state, and who left the CPU inside of a read-side section. CPUs that a
 * real-time task has for itself are told by `cpu-starvation`, which says why they do not report.
 */
import type { GracePeriod } from '../../kernel/rcu-grace-period.ts';
import { gracePeriod } from '../../kernel/rcu-grace-period.ts';
import type { Task } from '../../kernel/sched.ts';
import { holdouts } from '../../kernel/wait-rcu.ts';
import { attempt } from '../../base/errors.ts';
import type { Nanoseconds } from '../../base/units.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { clockFact } from './clock.ts';
import { stacksFact, waitsIn } from './stacks.ts';
import { starvationFact } from './starvation.ts';
import { tasksFact } from './tasks.ts';
import { GRACE_PERIOD } from './thresholds.ts';
import { waitGraphFact, type WaitRoot } from './wait-graph.ts';

export interface StallingReader {
  readonly task: Task;
  /** 'the grace period waits for CPU 1, on which it runs'. */
  readonly why: string;
  /** Where it is: the function that does not end, or that it sleeps in; the first one of a module, if there is one. */
  readonly at: { readonly func: string; readonly module: string | undefined } | undefined;
  /** Of one that runs: it has had its CPU since before the grace period began. */
  readonly since: boolean;
  /** Of one that sleeps: how long. */
  readonly offCpu: Nanoseconds | undefined;
}

export interface GraceStall {
  readonly grace: GracePeriod;
  readonly age: Nanoseconds;
  /** The threshold that it is over, and whether the kernel's own setting says so. */
  readonly threshold: Nanoseconds;
  /** Most tasks behind first. */
  readonly readers: readonly StallingReader[];
  /** Where the chains of those who wait for it end: at the first of the readers. */
  readonly root: WaitRoot;
  readonly behind: readonly Task[];
}

/** Undefined where none runs, where it is young, and where nobody was found that keeps it from ending. */
export const graceStallFact = defineFact<GraceStall | undefined>({
  id: 'grace-stall',
  derive(context) {
    const { program } = context;
    const grace = attempt(() => gracePeriod(program));
    const threshold = grace?.stallAfter ?? GRACE_PERIOD;
    if (grace?.age === undefined || grace.age < threshold) return undefined;
    const { age } = grace;
    const { tasks, byAddress } = context.use(tasksFact);
    const starving = new Set(context.use(starvationFact).map(({ by }) => by));
    const clock = context.use(clockFact);
    const readers = (attempt(() => holdouts(program, grace, tasks)) ?? []).flatMap((held): StallingReader[] => {
      const task = byAddress.get(held.task);
      if (task === undefined || held.certainty !== 'exact' || starving.has(task)) return [];
      const { frames } = context.use(stacksFact).of(task);
      const driver = frames.find(({ symbol }) => symbol?.module !== undefined)?.symbol;
      const func = task.running
        ? frames.find(({ exact, symbol }) => exact && symbol !== undefined)?.func
        : waitsIn(frames);
      const at = driver === undefined ? undefined : { func: driver.name, module: driver.module };
      const arrival = task.schedInfo?.lastArrival;
      const since =
        task.running && arrival !== undefined && clock.now !== undefined && arrival + age <= clock.now + SLACK;
      return [
        {
          task,
          why: held.why,
          at: at ?? (func === undefined ? undefined : { func, module: undefined }),
          since,
          offCpu: task.running ? undefined : clock.offCpu(task),
        },
      ];
    });
    const { roots } = context.use(waitGraphFact);
    const rootOf = ({ task }: StallingReader): WaitRoot =>
      roots.find((root) => root.task === task) ?? { task, cycle: [], target: undefined, behind: [], further: [] };
    const ranked = readers
      .map((reader) => ({ reader, root: rootOf(reader) }))
      .sort((a, b) => b.root.behind.length - a.root.behind.length);
    const [first] = ranked;
    if (first === undefined) return undefined;
    const { behind, further } = first.root;
    const sorted = ranked.map(({ reader }) => reader);
    return { grace, age, threshold, readers: sorted, root: first.root, behind: [...behind, ...further] };
  },
});

/** `gp_start` counts in jiffies, and a CPU is asked some of them after that. */
const SLACK = 100_000_000n;
