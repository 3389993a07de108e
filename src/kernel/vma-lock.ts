/**
 * The lock of one mapping of an address space, `vm_area_struct.vm_lock` (include/linux/mm_types.h): a rw_semaphore in an
 * object of its own from 6.4 to 6.14 (commit 5e31275cc997; since 6.15 a count, `vm_refcnt`, which is not handled).
 */
import type { VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { slabObjectAt } from './slab.ts';
import { type Vma, vmasOf } from './vma.ts';

/**
 * The mapping that a lock belongs to.
 * @param lock - `struct rw_semaphore *`
 * @param mms - `struct mm_struct *` of the address spaces that are searched
 * @returns undefined where the lock is of something else, or its mapping was not found
 * @throws FaultError, LookupError
 */
export function vmaOfLock(
  program: Program,
  lock: VirtAddr,
  mms: Iterable<VirtAddr>,
): { readonly vma: Vma; readonly mm: VirtAddr } | undefined {
  const object = program.tryField('struct vma_lock', 'lock')?.container(lock);
  if (object === undefined) return undefined;
  const slab = slabObjectAt(program, lock);
  if (slab?.cacheName !== 'vma_lock' || slab.start !== object) return undefined;
  const own = program.field('struct vm_area_struct', 'vm_lock');
  for (const mm of mms) {
    for (const vma of vmasOf(program, mm).vmas) {
      if (attempt(() => own.pointer(vma.vma)) === object) return { vma, mm };
    }
  }
  return undefined;
}
