/**
 * The stacks of a CPU that no task owns, x86-64: that of interrupts (`hardirq_stack_ptr`), and those on which exceptions run
 * (`struct cea_exception_stacks`, since 5.2).
 */
import { add, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type StackArea, threadSize } from './stack.ts';

/** Members of `struct cea_exception_stacks`, in crash's order. */
const EXCEPTIONS = [
  ['DOUBLEFAULT', 'DF'],
  ['NMI', 'NMI'],
  ['DEBUG', 'DB'],
  ['MCE', 'MCE'],
  ['VC', 'VC'],
] as const;

export interface StackKind {
  /** 'IRQ', 'NMI', 'DOUBLEFAULT' ... */
  readonly name: string;
  readonly size: number;
  /** Of a CPU. @throws FaultError, LookupError */
  readonly area: (cpu: number) => StackArea;
}

/**
 * The stack of interrupts, `void *` at its top; undefined where this kernel has none that is known.
 * @throws nothing
 */
export function interruptStack(program: Program): StackKind | undefined {
  // hardirq_stack_ptr is the top; since 6.2 (commit c063a217bc07) a member of pcpu_hot, since 6.15 a variable again.
  const symbol = program.symbols.kernel.lookup('hardirq_stack_ptr')?.address;
  const hot = program.tryField('struct pcpu_hot', 'hardirq_stack_ptr');
  const base = program.symbols.kernel.lookup('pcpu_hot')?.address;
  const pointer = symbol ?? (hot === undefined || base === undefined ? undefined : hot.address(base));
  const size = attempt(() => threadSize(program));
  if (pointer === undefined || size === undefined) return undefined;
  return {
    name: 'IRQ',
    size,
    area: (cpu) => {
      const top = program.memory.readPointer(program.perCpuAddress(pointer, cpu));
      // The pointer leads 8 bytes below the end since 5.13.
      return { start: add(top, ((top & 15n) === 8n ? 8 : 0) - size), size };
    },
  };
}

/** The stacks of exceptions, of `struct cea_exception_stacks`; none before 5.2. @throws nothing */
export function exceptionStacks(program: Program): readonly StackKind[] {
  const symbol = program.symbols.kernel.lookup('cea_exception_stacks')?.address;
  if (symbol === undefined) return [];
  return EXCEPTIONS.flatMap(([name, short]): StackKind[] => {
    const field = program.tryField('struct cea_exception_stacks', `${short}_stack`);
    if (field === undefined || field.size === 0) return [];
    const start = (cpu: number): VirtAddr =>
      field.address(program.memory.readPointer(program.perCpuAddress(symbol, cpu)));
    return [{ name, size: field.size, area: (cpu) => ({ start: start(cpu), size: field.size }) }];
  });
}
