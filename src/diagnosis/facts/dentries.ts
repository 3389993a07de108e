/** How many dentries there are, how many of them negative, and what they take of the slab cache `dentry`. */
import { attempt } from '../../base/errors.ts';
import { type DentryCounts, dentryCounts } from '../../kernel/dentry-counts.ts';
import type { SlabUsage } from '../../kernel/slab-usage.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { slabsFact } from './slabs.ts';

export interface Dentries extends DentryCounts {
  /** The slab cache. */
  readonly cache: SlabUsage;
  /** Bytes of the cache in negative dentries, by their number. */
  readonly negativeBytes: number;
}

/** Undefined when they are not known. */
export const dentriesFact = defineFact<Dentries | undefined>({
  id: 'dentries',
  derive({ program, use }) {
    const cache = attempt(() => use(slabsFact))?.find(({ name }) => name === 'dentry');
    const counts = attempt(() => dentryCounts(program));
    if (cache === undefined || counts === undefined || counts.total === 0) return undefined;
    // Not more than they are long: the rest of the cache may be empty.
    const negativeBytes = Math.min(cache.bytes, counts.negative * cache.objectSize);
    return { ...counts, cache, negativeBytes };
  },
});
