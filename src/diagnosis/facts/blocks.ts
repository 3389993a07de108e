/** The queues of all block devices, with their requests and who waits for these; undefined where they cannot be read. */
import { attempt } from '../../base/errors.ts';
import { type BlockSearch, blockSearch } from '../../kernel/wait-block.ts';
import { waitClocks } from '../../kernel/wait-timers.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { clockFact } from './clock.ts';

/** What CLOCK_MONOTONIC and the clocks of the run queues may lie apart: a thousandth, as NTP may slew one of them, and a minute. */
const DRIFT_SHARE = 1000n;
const DRIFT = 60n * 1_000_000_000n;

export const blocksFact = defineFact<BlockSearch | undefined>({
  id: 'blocks',
  derive({ program, use }) {
    const clocks = waitClocks(program);
    const { now } = use(clockFact);
    // Of a damaged timekeeper each request would be as old as that is wrong.
    const { monotonic } = clocks;
    const wild = now !== undefined && monotonic !== undefined && monotonic > now + now / DRIFT_SHARE + DRIFT;
    return attempt(() => blockSearch(program, wild ? { ...clocks, monotonic: undefined } : clocks));
  },
});
