/** Interrupts, `struct irq_desc` (include/linux/irqdesc.h): who handles them, and how often they came. */
import { add, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt, LookupError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { cpuLimit } from './cpus.ts';
import { mapleEntries } from './maple-tree.ts';
import { xEntries } from './xarray.ts';

/** NR_IRQS is some ten thousand on the largest machines. */
const MAX_IRQS = 1 << 20;
const MAX_ACTIONS = 256;

export interface IrqAction {
  /** `struct irqaction *`. */
  readonly action: VirtAddr;
  readonly name: string | undefined;
}

export interface Irq {
  readonly irq: number;
  /** `struct irq_desc *`. */
  readonly desc: VirtAddr;
  readonly actions: readonly IrqAction[];
  /** `irq_data.chip->name`. */
  readonly chip: string | undefined;
  /** `irq_desc.name`: 'edge', 'fasteoi'. */
  readonly flow: string | undefined;
  /** `unsigned int __percpu *`, since 6.10 `struct irqstat __percpu *`, which begins with the count (86d2a2f51fba). */
  readonly counts: VirtAddr;
}

/**
 * `unsigned int nr_irqs`, since 6.13 `total_nr_irqs`: one above the highest number that there may be.
 * @throws FaultError, LookupError, ValidationError
 */
export function irqLimit(program: Program): number {
  const symbol = program.symbols.kernel.lookup('nr_irqs') ?? program.symbol('total_nr_irqs');
  const limit = program.memory.readU32(symbol.address);
  if (limit > MAX_IRQS) throw new ValidationError('nr_irqs', symbol.address, `is ${limit}`);
  return limit;
}

/**
 * All interrupts that have a `struct irq_desc`, in order.
 * @throws FaultError, LookupError, ValidationError when the tree of descriptors is broken
 */
export function irqs(program: Program): readonly Irq[] {
  return descriptors(program).map(({ irq, desc }) => readIrq(program, irq, desc));
}

function descriptors(program: Program): readonly { readonly irq: number; readonly desc: VirtAddr }[] {
  // A maple tree since 6.5 (commit 721255b9826b), a radix tree before.
  const maple = program.symbols.kernel.lookup('sparse_irqs');
  const radix = program.symbols.kernel.lookup('irq_desc_tree');
  const found: { irq: number; desc: VirtAddr }[] = [];
  const push = (index: bigint, desc: VirtAddr): void => {
    if (found.length >= MAX_IRQS)
      throw new ValidationError('struct irq_desc', desc, `more than ${MAX_IRQS} interrupts`);
    if (isKernel(desc)) found.push({ irq: Number(index), desc });
  };
  if (maple !== undefined) for (const { first, value } of mapleEntries(program, maple.address)) push(first, value);
  else if (radix !== undefined) for (const { index, value } of xEntries(program, radix.address)) push(index, value);
  else throw new LookupError('symbol', 'sparse_irqs');
  return found;
}

function readIrq(program: Program, irq: number, desc: VirtAddr): Irq {
  const field = (path: string) => program.field('struct irq_desc', path);
  const next = program.field('struct irqaction', 'next');
  const actions: IrqAction[] = [];
  for (let at = field('action').pointer(desc); at !== 0n; at = next.pointer(at)) {
    if (!isKernel(at) || actions.length >= MAX_ACTIONS)
      throw new ValidationError('struct irq_desc', desc, 'its actions do not end');
    actions.push({ action: at, name: attempt(() => program.field('struct irqaction', 'name').string(at, 64)) });
  }
  const chip = attempt(() => field('irq_data.chip').pointer(desc));
  return {
    irq,
    desc,
    actions,
    chip:
      chip === undefined || !isKernel(chip)
        ? undefined
        : attempt(() => program.field('struct irq_chip', 'name').string(chip, 64)),
    flow: attempt(() => field('name').string(desc, 32)),
    counts: field('kstat_irqs').pointer(desc),
  };
}

/** How often an interrupt came to a CPU, `unsigned int`. @throws FaultError */
export function irqCount(program: Program, { counts }: Pick<Irq, 'counts'>, cpu: number): number {
  return program.memory.readU32(program.perCpuAddress(counts, cpu));
}

/**
 * The CPUs that an interrupt may go to: `struct cpumask` of `irq_common_data.affinity` (in `irq_data` until 4.2, commit 9df872faa7e1).
 * @throws FaultError, LookupError
 */
export function irqAffinity(program: Program, { desc }: Pick<Irq, 'desc'>): readonly number[] {
  const field = program.firstField('struct irq_desc', ['irq_common_data.affinity', 'irq_data.affinity']);
  // `cpumask_var_t` is a pointer with CONFIG_CPUMASK_OFFSTACK, else an array of one mask.
  const mask = strip(field.type).kind === 'pointer' ? field.pointer(desc) : field.address(desc);
  const limit = cpuLimit(program);
  const found: number[] = [];
  for (let word = 0; word * 64 < limit; word++) {
    const bits = program.memory.readU64(add(mask, 8 * word));
    for (let bit = 0; bit < 64 && word * 64 + bit < limit; bit++)
      if (((bits >> BigInt(bit)) & 1n) !== 0n) found.push(word * 64 + bit);
  }
  return found;
}

/** Vectors of x86-64. */
const GATES = 256;

/**
 * Where each vector of the interrupt descriptor table leads to: the entries of `idt_table` of x86-64, `struct gate_struct`,
 * which was called gate_struct64 until 4.14 (commit 64b163fab684).
 * @throws FaultError, LookupError when this machine has no such table
 */
export function interruptGates(program: Program): readonly VirtAddr[] {
  const table = program.symbol('idt_table').address;
  const type =
    program.types.lookFor('struct gate_struct') === undefined ? 'struct gate_struct64' : 'struct gate_struct';
  const size = program.sizeOf(type);
  const [low, middle, high] = ['offset_low', 'offset_middle', 'offset_high'].map((name) => program.field(type, name));
  if (low === undefined || middle === undefined || high === undefined) return [];
  return Array.from({ length: GATES }, (_, i) => {
    const gate = add(table, i * size);
    return virt((high.u64(gate) << 32n) | (middle.u64(gate) << 16n) | low.u64(gate));
  });
}

/**
 * Handlers of the soft interrupts, `void (*)(struct softirq_action *)`, by their numbers; 0 for one that has none.
 * @throws FaultError, LookupError
 */
export function softIrqs(program: Program): readonly VirtAddr[] {
  const count = Math.min(64, Number(program.enumerator('NR_SOFTIRQS') ?? 10n));
  const vector = program.symbol('softirq_vec').address;
  return Array.from({ length: count }, (_, i) => program.memory.readPointer(add(vector, 8 * i)));
}
