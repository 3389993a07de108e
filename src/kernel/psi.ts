/**
 * Pressure stall information of the whole machine, `struct psi_group psi_system` (kernel/sched/psi.c), since 4.20: which
 * share of the time tasks waited for memory, I/O or a CPU. Averages are as the kernel last computed them (every 2 s);
 * how old they are is told.
 */
import { add, type VirtAddr } from '../base/address.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { nanoseconds, type Nanoseconds } from '../base/units.ts';
import type { Program } from '../program/program.ts';

/** FIXED_1 of include/linux/sched/loadavg.h: FSHIFT is 11. */
const FIXED_1 = 2048;

export type PressureOf = 'memory' | 'io' | 'cpu';

export interface Pressure {
  readonly of: PressureOf;
  /** `some`: at least one task waited; `full`: all that were not idle did. */
  readonly kind: 'some' | 'full';
  /** Shares of the last 10, 60 and 300 seconds, 0 to 1. */
  readonly averages: readonly [number, number, number];
  /** Since boot, without what CPUs have not passed on. */
  readonly total: Nanoseconds;
}

export interface PressureState {
  readonly pressures: readonly Pressure[];
  /** `u64 avg_last_update`, on the clock of sched_clock(). */
  readonly updated: Nanoseconds;
}

const STATES: readonly (readonly [string, PressureOf, Pressure['kind']])[] = [
  ['PSI_MEM_SOME', 'memory', 'some'],
  ['PSI_MEM_FULL', 'memory', 'full'],
  ['PSI_IO_SOME', 'io', 'some'],
  ['PSI_IO_FULL', 'io', 'full'],
  // PSI_CPU_FULL (5.13) means nothing for a whole machine, and the kernel shows 0.
  ['PSI_CPU_SOME', 'cpu', 'some'],
];

/**
 * Reads `struct psi_group psi_system`.
 * @returns undefined when the kernel does not account pressure: not built in, or turned off (psi=0)
 * @throws FaultError, LookupError, ValidationError when an average is no share
 */
export function pressure(program: Program): PressureState | undefined {
  const symbol = program.symbols.kernel.lookup('psi_system');
  if (symbol === undefined || isOff(program)) return undefined;
  const group = symbol.address;
  const pressures = STATES.flatMap(([state, of, kind]): readonly Pressure[] => {
    const index = program.enumerator(state);
    if (index === undefined) return [];
    // unsigned long avg[NR_PSI_STATES - 1][3].
    const averages = add(program.field('struct psi_group', 'avg').address(group), 24 * Number(index));
    const average = (i: number): number => {
      const value = program.memory.readU64(add(averages, 8 * i));
      // Percent as a fixed-point number.
      if (value > BigInt(FIXED_1 * 101)) throw new ValidationError('struct psi_group', group, `averages ${value}`);
      return Number(value) / FIXED_1 / 100;
    };
    // u64 total[NR_PSI_AGGREGATORS][]: PSI_AVGS is the first row; one row alone until 5.1 (commit 0e94682b73bf).
    const total = program.memory.readU64(
      add(program.field('struct psi_group', 'total').address(group), 8 * Number(index)),
    );
    return [{ of, kind, averages: [average(0), average(1), average(2)], total: nanoseconds(total) }];
  });
  if (pressures.length === 0) throw new LookupError('enumerator', 'PSI_MEM_SOME');
  const updated = nanoseconds(program.field('struct psi_group', 'avg_last_update').u64(group));
  return { pressures, updated };
}

/** `struct static_key_false psi_disabled`: above 0 with psi=0, or where the distribution turned it off. */
function isOff(program: Program): boolean {
  const key = program.symbols.kernel.lookup('psi_disabled');
  return key !== undefined && program.memory.readS32(add(key.address, 0)) > 0;
}

/** For what the kernel counts a task as waiting at this moment. */
export interface Stall {
  /** Around reclaim, and around reading a page that was thrown out not long ago. */
  readonly memory: boolean;
  readonly io: boolean;
}

/**
 * TSK_MEMSTALL and TSK_IOWAIT in `psi_flags` of a `struct task_struct`.
 * @returns undefined where the kernel does not account it: until 4.19, not built in, or turned off
 * @throws FaultError
 */
export function stallOf(program: Program, task: VirtAddr): Stall | undefined {
  const member = program.tryField('struct task_struct', 'psi_flags');
  // enum psi_task_count: TSK_MEMSTALL is 1 << NR_MEMSTALL.
  const [memory, io] = [program.enumerator('NR_MEMSTALL'), program.enumerator('NR_IOWAIT')];
  if (member === undefined || memory === undefined || io === undefined || isOff(program)) return undefined;
  const flags = BigInt(member.number(task));
  return { memory: ((flags >> memory) & 1n) === 1n, io: ((flags >> io) & 1n) === 1n };
}
