/**
 * Slabs and objects of a cache (SLUB) from its own counters and lists, without looking at the page structures of all memory:
 * `kmem_cache_node.nr_slabs` and `total_objects` (CONFIG_SLUB_DEBUG), and of the slabs that have free objects the list of
 * each node and those of each CPU. All other slabs are full. A list that is broken, or not as long as its node counts, gives
 * no answer: whoever asks has the page structures then, which lose nothing.
 */
import { isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { listNodes } from './list.ts';
import { memoryNodes } from './zone.ts';

/** More slabs than 2^52 bytes hold. */
const MAX_SLABS = 2 ** 40;
/** slub_set_cpu_partial() lets a CPU keep 120 objects at most; before 5.16 it was counted late. */
const MAX_CPU_PARTIAL = 1 << 16;

export interface SlabCounts {
  readonly slabs: number;
  readonly objects: number;
  /** As the slabs count: free objects that CPUs keep ready are among them. */
  readonly used: number;
}

interface Slab {
  readonly list: Field;
  readonly next: Field | undefined;
  readonly inuse: Field;
  readonly objects: Field;
}

/**
 * Counts caches one by one.
 * @returns for a `struct kmem_cache *` its counts; throws FaultError, LookupError, ValidationError where its lists do not
 *   tell
 * @throws FaultError, LookupError for another allocator than SLUB, and without CONFIG_SLUB_DEBUG
 */
export function slabCounter(program: Program): (cache: VirtAddr) => SlabCounts {
  // struct slab was split from struct page in 5.17 (commit d122019bf061); the list was called lru until 5.2.
  const type = program.types.tryFind('struct slab') === undefined ? 'struct page' : 'struct slab';
  const slab: Slab = {
    list: program.firstField(type, ['slab_list', 'lru']),
    next: program.tryField(type, 'next'),
    inuse: program.field(type, 'inuse'),
    objects: program.field(type, 'objects'),
  };
  const nodes = memoryNodes(program).map(({ id }) =>
    program.firstField('struct kmem_cache', [`node[${id}]`, `per_node[${id}].node`]),
  );
  const slabsOf = program.field('struct kmem_cache_node', 'nr_slabs.counter');
  const objectsOf = program.field('struct kmem_cache_node', 'total_objects.counter');
  const partialOf = program.field('struct kmem_cache_node', 'nr_partial');
  const list = program.field('struct kmem_cache_node', 'partial');
  const freeOfCpus = cpuPartial(program, slab);
  return (cache) => {
    let [slabs, objects, free] = [0, 0, freeOfCpus(cache)];
    for (const node of nodes) {
      const at = node.pointer(cache);
      if (!isKernel(at)) continue;
      slabs += slabsOf.number(at);
      objects += objectsOf.number(at);
      const expected = partialOf.number(at);
      let count = 0;
      for (const each of listNodes(program, list.address(at), Math.max(0, expected))) {
        free += freeIn(slab, slab.list.container(each), cache);
        count++;
      }
      if (count !== expected) throw new ValidationError('struct kmem_cache_node', at, `lists ${count} of ${expected}`);
    }
    const used = objects - free;
    if (!(slabs >= 0 && slabs <= MAX_SLABS && used >= 0 && objects >= slabs))
      throw new ValidationError('struct kmem_cache', cache, `${slabs} slabs of ${objects} objects, ${free} free`);
    return { slabs, objects, used };
  };
}

function freeIn({ inuse, objects }: Slab, at: VirtAddr, cache: VirtAddr): number {
  const free = objects.number(at) - inuse.number(at);
  if (free < 0) throw new ValidationError('struct kmem_cache', cache, 'a slab has more objects in use than it has');
  return free;
}

/** Free objects in the slab that a CPU takes from and in those it keeps beside it, `struct kmem_cache_cpu` (until 6.19). */
function cpuPartial(program: Program, slab: Slab): (cache: VirtAddr) => number {
  const perCpu = program.tryField('struct kmem_cache', 'cpu_slab');
  if (perCpu === undefined || program.types.tryFind('struct kmem_cache_cpu') === undefined) return () => 0;
  const current = program.firstField('struct kmem_cache_cpu', ['slab', 'page']);
  // CONFIG_SLUB_CPU_PARTIAL.
  const partial = program.tryField('struct kmem_cache_cpu', 'partial');
  const online = cpus(program, 'online');
  return (cache) => {
    const base = perCpu.pointer(cache);
    let free = 0;
    for (const cpu of online) {
      const at = program.perCpuAddress(base, cpu);
      const own = current.pointer(at);
      if (own !== NULL) free += freeIn(slab, own, cache);
      if (partial === undefined || slab.next === undefined) continue;
      let count = 0;
      for (let each = partial.pointer(at); each !== NULL; each = slab.next.pointer(each)) {
        if (!isKernel(each) || ++count > MAX_CPU_PARTIAL)
          throw new ValidationError('struct kmem_cache', cache, `the list of slabs of CPU ${cpu} is broken`);
        free += freeIn(slab, each, cache);
      }
    }
    return free;
  };
}
