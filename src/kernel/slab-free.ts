/**
 * Whether a slab object is free: it is on a list of free objects, of its slab (`freelist` of struct slab, struct page until
 * 5.16) or of a CPU (`kmem_cache_cpu.freelist`, until 6.19). SLUB only. Objects in sheaves (since 6.18) and in RCU callbacks
 * are not found: 'not on a list' is no proof that an object is in use.
 */
import { NULL, isKernel, type VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { compoundHead, pageOfAddress } from './page.ts';
import type { SlabObject } from './slab.ts';
import { freeListOrder } from './slub-cpu.ts';

/** `objects` of a slab has 15 bits. */
const MAX_OBJECTS = 1 << 15;

/**
 * Whether an object is on a list of free ones; a list that breaks off counts as far as it goes.
 * @param object - as `slabObjectAt` found it, of a `struct kmem_cache`
 * @throws FaultError, LookupError
 */
export function isFreeObject(program: Program, { cache, start }: SlabObject): boolean {
  const type = program.types.tryFind('struct slab') === undefined ? 'struct page' : 'struct slab';
  const next = freeListOrder(program, cache);
  const heads: VirtAddr[] = [];
  const own = program.tryField(type, 'freelist');
  if (own !== undefined) heads.push(own.pointer(compoundHead(program, pageOfAddress(program, start))));
  const cpuSlab = program.tryField('struct kmem_cache', 'cpu_slab');
  const first = program.tryField('struct kmem_cache_cpu', 'freelist');
  if (cpuSlab !== undefined && first !== undefined) {
    const base = cpuSlab.pointer(cache);
    for (const cpu of cpus(program, 'online')) heads.push(first.pointer(program.perCpuAddress(base, cpu)));
  }
  return heads.some((head) => {
    let object = head;
    for (let n = 0; n < MAX_OBJECTS && object !== NULL && isKernel(object); n++) {
      if (object === start) return true;
      if (!program.memory.isReadable(object)) return false;
      object = next(object);
    }
    return false;
  });
}
