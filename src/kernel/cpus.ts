/**
 * CPUs, from `struct cpumask` (kernel/cpu.c). `__cpu_online_mask` and its like are symbols since 4.5 (commit
 * c4c54dd1caf1); before, `cpu_online_bits`.
 */
import { add } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

const MAX_CPUS = 8192;

/**
 * Numbers of the CPUs in one of the kernel's `struct cpumask` variables.
 * @throws FaultError, LookupError, ValidationError
 */
export function cpus(program: Program, which: 'online' | 'possible' | 'present'): readonly number[] {
  const kernel = program.symbols.kernel;
  const mask = kernel.lookup(`__cpu_${which}_mask`) ?? program.trySymbol(`cpu_${which}_bits`);
  // Without CONFIG_SMP there is no mask, and one CPU; without kallsyms nothing says so.
  if (mask === undefined) {
    program.symbol('init_task');
    return [0];
  }
  const limit = cpuLimit(program);
  const out: number[] = [];
  for (let word = 0; word * 64 < limit; word++) {
    const bits = program.memory.readU64(add(mask.address, 8 * word));
    for (let bit = 0; bit < 64 && word * 64 + bit < limit; bit++) {
      if (((bits >> BigInt(bit)) & 1n) !== 0n) out.push(word * 64 + bit);
    }
  }
  return out;
}

/**
 * `nr_cpu_ids`, `unsigned int`: one above the highest possible CPU.
 * @throws FaultError, ValidationError
 */
export function cpuLimit(program: Program): number {
  if (!program.hasSymbol('nr_cpu_ids')) return 1;
  const limit = program.memory.readU32(program.symbol('nr_cpu_ids').address);
  if (limit < 1 || limit > MAX_CPUS)
    throw new ValidationError('nr_cpu_ids', program.symbol('nr_cpu_ids').address, `is ${limit}`);
  return limit;
}
