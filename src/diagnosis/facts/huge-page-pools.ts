/** The pools of huge pages, with what of them is free and promised to nobody. */
import { attempt } from '../../base/errors.ts';
import { type HugePagePool, hugePagePools } from '../../kernel/hugetlb.ts';
import { defineFact } from '../../model/diagnosis.ts';

export interface HugePagePools {
  readonly pools: readonly HugePagePool[];
  /** Bytes of all pools. */
  readonly total: number;
  /** Bytes that are free and not reserved by a mapping. */
  readonly idle: number;
}

/** Undefined when the pools cannot be read. */
export const hugePagePoolsFact = defineFact<HugePagePools | undefined>({
  id: 'huge-page-pools',
  derive({ program }) {
    const all = attempt(() => hugePagePools(program));
    if (all === undefined) return undefined;
    const pools = all.filter(({ total }) => total > 0);
    return {
      pools,
      total: pools.reduce((sum, { total, size }) => sum + total * size, 0),
      idle: pools.reduce((sum, pool) => sum + idlePages(pool) * pool.size, 0),
    };
  },
});

/** Free pages that no mapping has reserved. */
export function idlePages({ free, reserved }: HugePagePool): number {
  return Math.max(0, free - reserved);
}
