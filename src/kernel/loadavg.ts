/**
 * Load averages over 1, 5 and 15 minutes: `unsigned long avenrun[3]`, kernel/sched/loadavg.c, fixed point with 11 bits.
 * Tasks in uninterruptible sleep count, so a pile-up behind a lock shows here while no CPU is busy.
 */
import { add } from '../base/address.ts';
import type { Program } from '../program/program.ts';

/** FSHIFT of include/linux/sched/loadavg.h. */
const FIXED_1 = 1 << 11;

/**
 * `unsigned long avenrun[3]` as numbers: 1, 5 and 15 minutes.
 * @throws FaultError, LookupError
 */
export function loadAverages(program: Program): readonly [number, number, number] {
  const { address } = program.symbol('avenrun');
  const load = (i: number): number => Number(program.memory.readU64(add(address, 8 * i))) / FIXED_1;
  return [load(0), load(1), load(2)];
}
