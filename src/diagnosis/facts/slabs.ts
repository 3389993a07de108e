/** The slab caches and the memory that each holds. */
import { slabUsage, type SlabUsage } from '../../kernel/slab-usage.ts';
import { defineFact } from '../../model/diagnosis.ts';

export const slabsFact = defineFact<readonly SlabUsage[]>({
  id: 'slabs',
  derive({ program, cover }) {
    const { caches, unread } = slabUsage(program);
    const missing = unread === 0 ? [] : ['a kmem_cache cannot be read'];
    cover({ what: 'slab caches', read: caches.length, total: caches.length + unread, missing });
    return caches;
  },
});
