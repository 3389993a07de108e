/** How long the pool of a kernel worker has begun no work, although some waits in its list. */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Nanoseconds } from '../../base/units.ts';
import { poolStall } from '../../kernel/wait-pool.ts';
import { defineFact } from '../../model/diagnosis.ts';

export interface PoolStalls {
  /** @param worker - `struct worker *` */
  of(worker: VirtAddr): Nanoseconds | undefined;
}

export const poolStallsFact = defineFact<PoolStalls>({
  id: 'pool-stalls',
  derive: ({ program }) => ({ of: (worker) => attempt(() => poolStall(program, worker)) }),
});
