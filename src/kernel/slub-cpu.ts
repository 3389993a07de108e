/**
 * Free objects that CPUs keep ready in their own lists (SLUB's `kmem_cache_cpu.freelist`, mm/slub.c): in the page structure
 * of such a slab they count as used. Not handled: the arrays of objects that took their place in 7.0 (sheaves).
 */
import { add, isKernel, NULL, type VirtAddr, virt } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';

/** `objects` of a slab has 15 bits. */
const MAX_OBJECTS = 1 << 15;

/**
 * How many free objects the online CPUs keep ready.
 * @param cache - `struct kmem_cache *`
 * @returns undefined where this kernel keeps them otherwise
 * @throws FaultError, LookupError, ValidationError when a list is broken
 */
export function cpuFreeObjects(program: Program, cache: VirtAddr): number | undefined {
  const cpuSlab = program.tryField('struct kmem_cache', 'cpu_slab');
  const first = program.tryField('struct kmem_cache_cpu', 'freelist');
  if (cpuSlab === undefined || first === undefined) return undefined;
  const base = cpuSlab.pointer(cache);
  const next = nextObject(program, cache);
  let count = 0;
  for (const cpu of cpus(program, 'online')) {
    const start = first.pointer(program.perCpuAddress(base, cpu));
    let n = 0;
    for (let object = start; object !== NULL; object = next(object)) {
      if (!isKernel(object) || ++n > MAX_OBJECTS)
        throw new ValidationError('struct kmem_cache', cache, `the list of free objects of CPU ${cpu} is broken`);
    }
    count += n;
  }
  return count;
}

/** Follows a list of free objects: the pointer lies in each at `offset`, scrambled with CONFIG_SLAB_FREELIST_HARDENED. */
function nextObject(program: Program, cache: VirtAddr): (object: VirtAddr) => VirtAddr {
  const offset = program.field('struct kmem_cache', 'offset').number(cache);
  // Since 4.14 (commit 2482ddec670f).
  const random = program.tryField('struct kmem_cache', 'random')?.u64(cache);
  // Since 5.7 (commit 1ad53d9fa3f6) also with the bytes of its own address swapped: free lists end in 0, so one whose
  // next object is none is decoded in the other way.
  return (object) => {
    const at = add(object, offset);
    const stored = program.memory.readPointer(at);
    if (random === undefined) return stored;
    const swapped = virt(stored ^ random ^ swap(at));
    if (swapped === NULL || isKernel(swapped)) return swapped;
    return virt(stored ^ random ^ at);
  };
}

function swap(value: bigint): bigint {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.readBigUInt64BE();
}
