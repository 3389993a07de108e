/**
 * Tasks that could run and do not, because a real-time task has their CPU and leaves it to nobody of a lower class. What the
 * kernel keeps for others (throttling, the fair server) gives each of them a turn every second: who has waited for longer
 * shows that nothing was kept. Several real-time tasks that take turns are not told apart: the one on the CPU is named.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Nanoseconds } from '../../base/units.ts';
import { type CpuClass, realTimeClass, type Throttling, throttlingOf } from '../../kernel/cpu-class.ts';
import { readRunQueue } from '../../kernel/run-queue.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { clockFact } from './clock.ts';
import { tasksFact } from './tasks.ts';
import { TURN_BY_NOW } from './thresholds.ts';

export interface StarvedTask {
  readonly task: Task;
  /** Since it was queued for the CPU. */
  readonly queued: Nanoseconds;
}

export interface Starvation {
  readonly cpu: number;
  /** `struct rq *`. */
  readonly rq: VirtAddr;
  /** Who runs there. */
  readonly by: Task;
  readonly class: CpuClass;
  readonly throttling: Throttling;
  /** Longest wait first. */
  readonly starved: readonly StarvedTask[];
  /** True when the CPU time that it used is at least what the longest waits: nobody else had the CPU for long. */
  readonly sure: boolean;
}

export const starvationFact = defineFact<readonly Starvation[]>({
  id: 'starvation',
  derive(context) {
    const { tasks } = context.use(tasksFact);
    const running = tasks.filter((task) => task.running && !task.idle);
    return running.flatMap((by) => {
      const found = attempt(() => starvedBy(context, by));
      return found === undefined ? [] : [found];
    });
  },
});

function starvedBy(context: FactContext, by: Task): Starvation | undefined {
  const { program } = context;
  const { cpu } = by;
  const own = cpu === undefined ? undefined : realTimeClass(program, by.address);
  if (cpu === undefined || own === undefined) return undefined;
  const clock = context.use(clockFact);
  const starved = context
    .use(tasksFact)
    .tasks.flatMap((task): StarvedTask[] => {
      const { state, running, idle } = task;
      if (task === by || running || idle || task.cpu !== cpu || state.sleeping || state.letter !== 'R') return [];
      const queued = clock.turns(task)?.queued;
      if (queued === undefined || queued < TURN_BY_NOW) return [];
      const other = attempt(() => ({ class: realTimeClass(program, task.address) }));
      if (other === undefined) return [];
      // One of its own class and a higher priority is about to have the CPU.
      if (other.class !== undefined && other.class.priority > own.priority) return [];
      return [{ task, queued }];
    })
    .sort((a, b) => (a.queued < b.queued ? 1 : a.queued > b.queued ? -1 : 0));
  const [longest] = starved;
  if (longest === undefined) return undefined;
  const { rq } = readRunQueue(program, cpu);
  // Exact; the times that ps shows are sampled.
  const used = attempt(() => program.field('struct task_struct', 'se.sum_exec_runtime').u64(by.address));
  return {
    cpu,
    rq,
    by,
    class: own,
    throttling: throttlingOf(program, rq),
    starved,
    sure: used !== undefined && used * 10n >= longest.queued * 9n && isPossible(used, clock.turns(by)?.alive),
  };
}

/** The scheduler's clock and that of `start_time` do not begin at the same moment of the boot. */
const CLOCKS_APART = 500_000_000n;

/** Nobody has used more CPU time than it is old; two clocks may drift apart by a thousandth, too. */
function isPossible(used: bigint, alive: Nanoseconds | undefined): boolean {
  return alive === undefined || used <= alive + alive / 1000n + CLOCKS_APART;
}
