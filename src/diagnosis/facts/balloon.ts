/**
 * Memory that the host has taken through a balloon driver: pages that the machine has and the kernel in it may not use. The
 * kernel's counter says whether it is worth to look; what is told is counted in the page structures.
 */
import { attempt } from '../../base/errors.ts';
import type { Balloon } from '../../kernel/page-balloons.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { balloonPages } from './page-ledger-rows.ts';
import { pageSampleFact } from './page-ledger.ts';
import { BALLOON_SHARE } from './thresholds.ts';
import { memoryFact } from './memory.ts';

export interface BallooningState {
  /** Balloons with pages, the most first. */
  readonly balloons: readonly Balloon[];
  /** Pages in all of them, by the page structures that were looked at. */
  readonly pages: number;
  /** Pages in all of them, by the kernel's counter. */
  readonly counted: number;
  /** Which it is: 'vm_node_stat[NR_BALLOON_PAGES]', or 'vm_event_states'. */
  readonly source: string;
  readonly pageSize: number;
  /** Frames that are memory, the balloon's among them; MemTotal and the balloon where the map of addresses cannot be read. */
  readonly memory: number;
  /** Pages set aside for the crash kernel, by `crashk_res`. */
  readonly crashKernel: number;
  /** Share of all frames that were looked at and whose page structures could be read. */
  readonly looked: number;
}

/** Undefined where no balloon has much: then page structures are not looked at. */
export const balloonFact = defineFact<BallooningState | undefined>({
  id: 'balloon',
  derive({ program, use }) {
    const { value: counted = 0, source } = balloonPages(program);
    const { pageSize } = program;
    const total = use(memoryFact).info.memTotal.value;
    if (total === undefined || counted * pageSize < total * BALLOON_SHARE) return undefined;
    const ledger = attempt(() => use(pageSampleFact));
    if (ledger === undefined || ledger.frames === 0) return undefined;
    const { balloons, memory } = ledger;
    return {
      balloons,
      pages: ledger.pages('balloon'),
      counted,
      source,
      pageSize,
      memory: memory ?? Math.round(total / pageSize) + counted,
      crashKernel: ledger.pages('crashkernel'),
      looked: (ledger.seen - ledger.pages('unread', 'unseen')) / ledger.frames,
    };
  },
});
