/**
 * How much memory each slab cache holds (SLUB): `kmem_cache_node.nr_slabs` of every node, kept with CONFIG_SLUB_DEBUG, times
 * the pages of a slab. Free objects inside the slabs count, as their pages are the cache's all the same.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { slabCaches } from './slab.ts';
import { memoryNodes } from './zone.ts';

/** Bits of `kmem_cache_order_objects.x` below the order; unchanged since 2.6.27. */
const OO_SHIFT = 16;
const MAX_ORDER = 20;
const MAX_SLABS = 1e12;

export interface SlabUsage {
  /** `struct kmem_cache *`. */
  readonly cache: VirtAddr;
  readonly name: string;
  readonly objectSize: number;
  readonly bytes: number;
}

/**
 * The caches and their memory, largest first; a `struct kmem_cache` that cannot be read is left out and counted.
 * @throws FaultError, LookupError, ValidationError when the list of caches is broken or this is not SLUB
 */
export function slabUsage(program: Program): { readonly caches: readonly SlabUsage[]; readonly unread: number } {
  // In 7.2 beside the barn of the node (struct kmem_cache_per_node_ptrs), seen on 7.2.13; before, an array of its own.
  const nodes = memoryNodes(program).map(({ id }) =>
    program.firstField('struct kmem_cache', [`node[${id}]`, `per_node[${id}].node`]),
  );
  const order = program.field('struct kmem_cache', 'oo.x');
  const objectSize = program.firstField('struct kmem_cache', ['object_size', 'objsize']);
  const slabs = program.field('struct kmem_cache_node', 'nr_slabs.counter');
  const caches: SlabUsage[] = [];
  let unread = 0;
  for (const [cache, name] of slabCaches(program)) {
    const usage = attempt((): SlabUsage => {
      const shift = order.number(cache) >>> OO_SHIFT;
      if (shift > MAX_ORDER) throw new ValidationError('struct kmem_cache', cache, `slabs of order ${shift}`);
      let count = 0;
      for (const node of nodes) {
        const at = node.pointer(cache);
        if (isKernel(at)) count += slabs.number(at);
      }
      if (count < 0 || count > MAX_SLABS) throw new ValidationError('struct kmem_cache', cache, `${count} slabs`);
      return { cache, name, objectSize: objectSize.number(cache), bytes: count * 2 ** shift * program.pageSize };
    });
    if (usage === undefined) unread++;
    else caches.push(usage);
  }
  return { caches: caches.sort((a, b) => b.bytes - a.bytes), unread };
}
