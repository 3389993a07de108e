/** The memory of a process through its own page tables: what a dump has of it, which is seldom much. */
import type { VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';
import { VirtualMemory } from '../program/virtual-memory.ts';

/**
 * The address space of a process.
 * @param mm - `struct mm_struct *`
 * @throws FaultError when its `pgd` cannot be read
 */
export function userMemory(program: Program, mm: VirtAddr): VirtualMemory {
  const pgd = program.field('struct mm_struct', 'pgd').pointer(mm);
  return new VirtualMemory(program.memory.physical, (address) => program.arch.translateUser(pgd, address));
}
