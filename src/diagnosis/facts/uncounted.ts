/**
 * Memory that no counter of the kernel has. MemTotal less all counters says only whether it is worth to look: what is told
 * is counted in the page structures, frames that fit no class.
 */
import type { Meminfo } from '../../kernel/meminfo.ts';
import { attempt } from '../../base/errors.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { memoryFact } from './memory.ts';
import { type PageHistogram, pageSampleFact, type UnclassifiedPages } from './page-ledger.ts';
import { PAGE_LEAK_SHARE } from './thresholds.ts';

export interface Uncounted {
  /** Bytes of MemTotal that no counter has; those that cannot be read count as nothing, so it may be less. */
  readonly gap: number;
  /** Frames that fit no class, of those that were looked at, less large kmalloc. */
  readonly pages: number;
  readonly bytes: number;
  /** Share of all frames that were looked at and whose page structures could be read. */
  readonly looked: number;
  readonly unclassified: UnclassifiedPages;
  /** Modules into which their contents point, by how many of the pages that were read. */
  readonly modules: PageHistogram;
}

/** Undefined where the counters account for memory: then page structures are not looked at. */
export const uncountedFact = defineFact<Uncounted | undefined>({
  id: 'uncounted',
  derive({ use }) {
    const { info } = use(memoryFact);
    const total = info.memTotal.value;
    if (total === undefined) return undefined;
    const gap = total - counted(info);
    if (gap < total * PAGE_LEAK_SHARE) return undefined;
    const ledger = attempt(() => use(pageSampleFact));
    if (ledger === undefined || ledger.frames === 0) return undefined;
    const { unclassified, pageSize } = ledger;
    const slab = ledger.rows.find(({ label }) => label === 'slab, not reclaimable');
    // Large kmalloc, which only the counter of slabs has until 6.14.
    const pages = unclassified.pages - Math.min(unclassified.pages, Math.max(0, -(slab?.difference ?? 0)));
    const targets = unclassified.contents.targets.filter(({ target }) => target.startsWith('module '));
    return {
      gap,
      pages,
      bytes: pages * pageSize,
      looked: (ledger.seen - ledger.pages('unread', 'unseen')) / ledger.frames,
      unclassified,
      modules: targets.map(({ target, pages }) => ({ key: target.slice('module '.length), pages })),
    };
  },
});

function counted(info: Meminfo): number {
  const { memFree, buffers, cached, swapCached, anonPages, slab, pageTables, secPageTables, percpu, hugetlb } = info;
  const apart = [memFree, buffers, cached, swapCached, anonPages, slab, pageTables, secPageTables, percpu, hugetlb];
  // Stacks are in areas of vmalloc since 4.9 (CONFIG_VMAP_STACK).
  const mapped = Math.max(info.vmallocUsed.value ?? 0, info.kernelStack.value ?? 0);
  return apart.reduce<number>((sum, { value }) => sum + (value ?? 0), mapped);
}
