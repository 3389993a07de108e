/**
 * Why the kernel is tainted: `unsigned long tainted_mask`, kernel/panic.c. The letters come from the kernel's own table
 * where its layout is known (`struct taint_flag taint_flags[]`, since 4.10), as distributions have letters of their own.
 */
import { add } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

export interface TaintFlag {
  readonly bit: number;
  /** '?' where neither the kernel nor this file knows one. */
  readonly letter: string;
  /** What it means; undefined for a bit that mainline does not have. */
  readonly meaning: string | undefined;
}

export interface Taint {
  readonly mask: bigint;
  /** 'OE'; empty when the kernel is not tainted. */
  readonly letters: string;
  readonly flags: readonly TaintFlag[];
}

/** Bits of Documentation/admin-guide/tainted-kernels.rst, in order; none has ever changed its meaning. */
const FLAGS: readonly (readonly [letter: string, meaning: string])[] = [
  ['P', 'a proprietary module was loaded'],
  ['F', 'a module was loaded by force'],
  ['S', 'the hardware is out of specification'],
  ['R', 'a module was unloaded by force'],
  ['M', 'a machine check was reported'],
  ['B', 'a bad page was found'],
  ['U', 'user space asked for this mark'],
  ['D', 'the kernel died before: an oops or BUG'],
  ['A', 'an ACPI table was overridden'],
  ['W', 'the kernel gave a warning'],
  ['C', 'a staging driver was loaded'],
  ['I', 'the firmware has a bug that is worked around'],
  ['O', 'an externally built module was loaded'],
  ['E', 'an unsigned module was loaded'],
  ['L', 'a soft lockup happened'],
  ['K', 'the kernel was patched live'],
  ['X', 'a mark of the distribution'],
  ['T', 'the kernel was built with randomised structs'],
  ['N', 'an in-kernel test was run'],
  ['J', 'user space used a mutating debug operation of fwctl'],
];

/**
 * Decodes `unsigned long tainted_mask`.
 * @throws FaultError, LookupError
 */
export function taint(program: Program): Taint {
  const mask = program.memory.readU64(program.symbol('tainted_mask').address);
  const flags = flagsOf(program, mask);
  return { mask, letters: lettersOf(flags), flags };
}

/**
 * The letters of a mask, such as `unsigned long taints` of a `struct module`: 'OE'; empty for none.
 * @throws FaultError, LookupError
 */
export function taintLetters(program: Program, mask: bigint): string {
  return lettersOf(flagsOf(program, mask));
}

function lettersOf(flags: readonly TaintFlag[]): string {
  return flags.map(({ letter }) => letter).join('');
}

function flagsOf(program: Program, mask: bigint): readonly TaintFlag[] {
  const flags: TaintFlag[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((mask >> BigInt(bit)) & 1n) === 0n) continue;
    const own = attempt(() => letterOf(program, bit));
    flags.push({ bit, letter: own ?? FLAGS[bit]?.[0] ?? '?', meaning: FLAGS[bit]?.[1] });
  }
  return flags;
}

/** `taint_flags[bit].c_true`; undefined for a bit that the kernel gives no letter. */
function letterOf(program: Program, bit: number): string | undefined {
  // Before 4.10 (commit 7fd8329ba502) the table is called tnts and its type has no name.
  const table = program.symbol('taint_flags').address;
  const size = program.sizeOf('struct taint_flag');
  const known = Number(program.enumerator('TAINT_FLAGS_COUNT') ?? FLAGS.length);
  if (bit >= known) return undefined;
  const letter = program.memory.readU8(program.field('struct taint_flag', 'c_true').address(add(table, bit * size)));
  return letter >= 0x41 && letter <= 0x5a ? String.fromCharCode(letter) : undefined;
}
