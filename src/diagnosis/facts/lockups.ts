/**
 * CPUs that a watchdog called stuck and that are so still at the crash: the report of the log, what the CPU's task does by
 * its stack, and whether its interrupts are off (IF of EFLAGS, bit 9). A CPU that only waits for a spinlock is told apart
 * from the one that holds it, as far as one other CPU alone can be meant.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { type LockupReport, lockupReports } from '../../kernel/lockup-report.ts';
import type { OopsPlace } from '../../kernel/oops.ts';
import type { Task } from '../../kernel/sched.ts';
import { cpuStates, type NamedFrame } from '../../kernel/stack.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { logFact } from './log.ts';
import { functionAt } from './oopses.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';
import { triggerFact } from './trigger.ts';

export interface Lockup {
  readonly report: LockupReport;
  /** The first report of the same CPU and task. */
  readonly first: LockupReport;
  readonly cpu: number | undefined;
  readonly task: Task | undefined;
  /** Where the CPU is: the function that does not end. */
  readonly at: OopsPlace | undefined;
  /** Where that function begins. */
  readonly func: VirtAddr | undefined;
  /** True where the CPU's own stack or registers stand in that function. */
  readonly confirmed: boolean;
  /** By the CPU's saved registers; undefined when there are none, or it was interrupted to save them. */
  readonly interruptsOff: boolean | undefined;
  /** The task that was reported, when it only waits for a spinlock that this one seems to hold. */
  readonly waitsForThis: { readonly cpu: number; readonly comm: string | undefined } | undefined;
  /** It made the kernel panic. */
  readonly fatal: boolean;
}

const FATAL: { readonly [K in 'soft-lockup' | 'hard-lockup' | 'rcu-stall']: RegExp } = {
  'soft-lockup': /^softlockup/i,
  'hard-lockup': /^(hard lockup|watchdog detected)/i,
  'rcu-stall': /^rcu stall/i,
};
const SPINS = /spin_lock|queued_(read|write)_lock|raw_(read|write)_lock/;
/** `X86_EFLAGS_IF`. */
const INTERRUPT_FLAG = 1n << 9n;

/** Undefined when no CPU is stuck at the crash. */
export const lockupFact = defineFact<Lockup | undefined>({
  id: 'lockup',
  derive({ program, use }) {
    const reports = lockupReports(use(logFact).records).filter(({ cpus }) => cpus.length > 0);
    const report = reports.at(-1);
    const [cpu] = report?.cpus ?? [];
    if (report === undefined || cpu === undefined) return undefined;
    const { kind } = report;
    if (kind === 'hung-task' || kind === 'workqueue-lockup') return undefined;
    const fatal = FATAL[kind].test(use(triggerFact)?.panic ?? '');
    const running = (attempt(() => use(tasksFact))?.tasks ?? []).filter((task) => task.running && !task.idle);
    const framesOf = (task: Task): readonly NamedFrame[] => attempt(() => use(stacksFact).of(task).frames) ?? [];
    const own = running.find(
      (task) => task.cpu === cpu && (report.pid === undefined ? fatal : task.pid === report.pid),
    );
    // It went on since, and somebody stopped the machine for another reason.
    if (own === undefined && !fatal) return undefined;
    const first = reports.find((other) => other.kind === kind && other.pid === report.pid && other.cpus[0] === cpu);
    const base = { report, first: first ?? report, fatal };
    const place = own === undefined ? undefined : placeOn(framesOf(own), report.at);
    // The same task may run there again for all that.
    if (place === undefined && !fatal) return undefined;
    const spins = SPINS.test((place ?? report.at)?.func ?? '');
    const [holder, ...more] = spins
      ? running.filter((task) => task !== own && task.cpu !== undefined && !isSpinning(framesOf(task)))
      : [];
    if (holder?.cpu !== undefined && more.length === 0) {
      const at = placeOn(framesOf(holder), undefined);
      if (at !== undefined)
        return {
          ...base,
          ...stateOf(program, holder.cpu, holder, at, true),
          waitsForThis: { cpu, comm: report.comm },
        };
    }
    return { ...base, ...stateOf(program, cpu, own, place ?? report.at, place !== undefined), waitsForThis: undefined };
  },
});

type State = Pick<Lockup, 'cpu' | 'task' | 'at' | 'func' | 'confirmed' | 'interruptsOff'>;

function stateOf(
  program: Program,
  cpu: number,
  task: Task | undefined,
  at: OopsPlace | undefined,
  confirmed: boolean,
): State {
  const state = cpuStates(program).find((other) => other.cpu === cpu);
  const flags = state?.registers.user === false ? state.registers.others.get('eflags') : undefined;
  const symbol = state === undefined ? undefined : program.symbols.at(state.registers.pc);
  const func = at === undefined ? undefined : functionAt(program, at);
  // The CPU that panics saves its registers in the middle of that, with interrupts off for its own reasons.
  const there = symbol !== undefined && symbol.address === func;
  const interruptsOff = flags === undefined || !there ? undefined : (flags & INTERRUPT_FLAG) === 0n;
  return { cpu, task, at, func, confirmed, interruptsOff };
}

/** The instruction that was interrupted: that of the report, else the innermost that stands where registers say. */
function placeOn(frames: readonly NamedFrame[], reported: OopsPlace | undefined): OopsPlace | undefined {
  const exact = frames.filter(({ exact: stands, symbol }) => stands && symbol !== undefined);
  const frame = reported === undefined ? exact.at(-1) : exact.find(({ symbol }) => symbol?.name === reported.func);
  if (frame?.symbol === undefined) return undefined;
  return { func: frame.symbol.name, offset: frame.symbol.offset, module: frame.symbol.module };
}

function isSpinning(frames: readonly NamedFrame[]): boolean {
  return frames.some(({ func }) => func !== undefined && SPINS.test(func) && /slowpath|^_raw/.test(func));
}
