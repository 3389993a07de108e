/**
 * A value out of the dump with where it came from, or the reason why it is not known: for numbers that people will check,
 * and of which one that is missing must not take the others with it.
 */
import { isDataError } from '../base/errors.ts';

export interface Known<T> {
  /** Undefined when it is not known. */
  readonly value: T | undefined;
  /** Which variable, member or counter: 'vm_node_stat[NR_SHMEM]'. */
  readonly source: string;
  /** Why it is not known; undefined when it is. */
  readonly problem: string | undefined;
}

/**
 * Runs `read`; what the dump does not give becomes the problem.
 * @param source - the variable or member that it reads, such as 'tainted_mask' for `unsigned long tainted_mask`
 * @param read - returns the value, or undefined when this kernel has none
 */
export function known<T>(source: string, read: () => T | undefined): Known<T> {
  try {
    const value = read();
    return value === undefined ? unknown(source, 'this kernel has none') : { value, source, problem: undefined };
  } catch (error) {
    if (!isDataError(error)) throw error;
    return unknown(source, error.message);
  }
}

/** What is not known, and why; `source` names the variable or member, as that of an `atomic_long_t`. */
export function unknown<T>(source: string, problem: string): Known<T> {
  return { value: undefined, source, problem };
}

/** The first that is known, else the first with all problems: the ways to one value, such as an `int` that moved, best first. */
export function firstKnown<T>(first: Known<T>, ...others: readonly (() => Known<T>)[]): Known<T> {
  if (first.value !== undefined) return first;
  const problems = [first.problem];
  for (const other of others) {
    const found = other();
    if (found.value !== undefined) return found;
    problems.push(`${found.source}: ${found.problem}`);
  }
  return { ...first, problem: problems.join('; ') };
}
