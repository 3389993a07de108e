/**
 * How many dentries there are, fs/dcache.c: per-CPU counters, of which those of single CPUs may be negative. `nr_dentry` and
 * `nr_dentry_unused` since 3.10, `nr_dentry_negative` since 5.0 (commit af0c9af1b3f6).
 */
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';

export interface DentryCounts {
  readonly total: number;
  /** On LRU lists: nobody uses them, and they can be taken back. */
  readonly unused: number;
  /** Of the unused: for names that do not exist. */
  readonly negative: number;
}

/** More dentries than 8 TiB hold. */
const MAX_DENTRIES = 1e11;

/**
 * Sums of the per-CPU `long` counters of all possible CPUs, as /proc/sys/fs/dentry-state shows them.
 * @throws LookupError before 5.0, FaultError, ValidationError when they contradict each other
 */
export function dentryCounts(program: Program): DentryCounts {
  const read = (name: string): number => {
    const { address } = program.symbol(name);
    const own = (cpu: number) => Number(program.memory.readS64(program.perCpuAddress(address, cpu)));
    return cpus(program, 'possible').reduce((sum, cpu) => sum + own(cpu), 0);
  };
  const counts = { total: read('nr_dentry'), unused: read('nr_dentry_unused'), negative: read('nr_dentry_negative') };
  const { total, unused, negative } = counts;
  if (total < 0 || total > MAX_DENTRIES || unused > total || negative > unused) {
    const { address } = program.symbol('nr_dentry');
    throw new ValidationError('nr_dentry', address, `${total} dentries, ${unused} unused, ${negative} negative`);
  }
  return counts;
}
