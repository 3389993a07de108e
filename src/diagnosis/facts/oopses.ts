/**
 * The oops that the machine crashed of, from the log, confirmed in memory: the function that failed, the task that ran
 * it, and whether that task's stack still stands where the log says.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Oops, OopsPlace } from '../../kernel/oops.ts';
import { oopses } from '../../kernel/oops.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { type CrashInstruction, crashInstruction } from './crash-instruction.ts';
import { logFact } from './log.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';
import { triggerFact } from './trigger.ts';

export interface FatalOops {
  readonly oops: Oops;
  /** Where the function that failed begins. */
  readonly func: VirtAddr | undefined;
  readonly task: Task | undefined;
  /** The task's stack holds that function, cut by an exception. */
  readonly onStack: boolean;
  /** The instruction in memory; undefined where the dump does not have it. */
  readonly instruction: CrashInstruction | undefined;
  /** What the other CPUs did, of those that ran anything; undefined where no task can be read. */
  readonly others: readonly OtherCpu[] | undefined;
}

/** A CPU that did not crash. */
export interface OtherCpu {
  readonly cpu: number;
  /** Undefined for one that was idle. */
  readonly task: Task | undefined;
  /** Where it was, in the kernel. */
  readonly func: string | undefined;
}

/** Where the function of a place in the log begins. */
export function functionAt(program: Program, { func, module }: OopsPlace): VirtAddr | undefined {
  const symbols =
    module === undefined
      ? program.symbols.kernel
      : program.modules.modules.find(({ name }) => name === module)?.symbols;
  return symbols?.lookup(func)?.address;
}

/** The last oops of the log when it is what set the crash off; undefined when the crash came from something else. */
export const fatalOopsFact = defineFact<FatalOops | undefined>({
  id: 'fatal-oops',
  derive({ program, use }) {
    if (use(triggerFact)?.kind !== 'oops') return undefined;
    const oops = oopses(use(logFact).records).at(-1);
    if (oops === undefined) return undefined;
    const { at } = oops;
    const func = at === undefined ? undefined : functionAt(program, at);
    // Without types there are no tasks to look at; the log stands alone then.
    const task = attempt(() => use(tasksFact))?.tasks.find(
      ({ pid, comm, idle }) => !idle && pid === oops.pid && comm === oops.comm,
    );
    const frames = task === undefined ? [] : (attempt(() => use(stacksFact))?.of(task).frames ?? []);
    const instruction = crashInstruction(program, oops, func);
    const onStack = frames.some(
      ({ symbol, exact }) => exact && symbol !== undefined && symbol.address === func && symbol.offset === at?.offset,
    );
    return { oops, func, task, onStack, instruction, others: attempt(() => othersOf(use, oops)) };
  },
});

/** The CPUs beside the one that crashed, by the tasks that run on them. */
function othersOf(use: FactContext['use'], { cpu, pid }: Oops): readonly OtherCpu[] {
  const stacks = use(stacksFact);
  return use(tasksFact)
    .tasks.filter(
      (task) => task.running && task.cpu !== undefined && task.cpu !== cpu && (task.idle || task.pid !== pid),
    )
    .map((task) => {
      const frame = stacks.of(task).frames.find(({ exact, func }) => exact && func !== undefined);
      return { cpu: task.cpu ?? 0, task: task.idle ? undefined : task, func: frame?.func };
    })
    .sort((a, b) => a.cpu - b.cpu);
}
