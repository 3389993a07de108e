/** Whether memory is short, by the kernel's own counters, with the numbers that say so. */
import { attempt } from '../../base/errors.ts';
import { type Meminfo, meminfo } from '../../kernel/meminfo.ts';
import { type Zone, zones } from '../../kernel/zone.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { byteCount, type Data, prose, type Prose, ratio } from '../../model/value.ts';
import { SHORT_AVAILABLE, TIGHT_AVAILABLE } from './thresholds.ts';
import { isTight } from './tightness.ts';
import { triggerFact } from './trigger.ts';

export interface MemoryState {
  readonly info: Meminfo;
  /** Undefined when the zones cannot be read. */
  readonly zones: readonly Zone[] | undefined;
  /** Bytes: sum of the zones' min watermarks; below it only emergencies get memory. */
  readonly minWatermark: number | undefined;
  /** `unknown` when MemTotal or MemFree and MemAvailable cannot be read. */
  readonly verdict: 'short' | 'enough' | 'unknown';
  /** The OOM killer stopped the machine: memory had run out then, whatever came free meanwhile. */
  readonly ranOut: boolean;
  /** The share of MemTotal that is available. */
  readonly available: number | undefined;
}

/**
 * Panics of mm/oom_kill.c that say that the whole machine was out of memory: nobody could be killed, or vm.panic_on_oom is 1.
 * With 2 ('compulsory') a cpuset or a memory policy alone may have been.
 */
const RAN_OUT =
  /^(System is deadlocked on memory|Out of memory and no killable processes|Out of memory: system-wide panic_on_oom)/;

/** By the counters and the log. */
export const memoryFact = defineFact<MemoryState>({
  id: 'memory',
  derive({ use }) {
    const state = use(memoryCountersFact);
    // A machine without a log, or with a damaged one, is judged by its counters.
    const ranOut = RAN_OUT.test(attempt(() => use(triggerFact))?.panic ?? '');
    return ranOut ? { ...state, verdict: 'short', ranOut } : state;
  },
});

/** By the counters alone: `ranOut` is never told. */
export const memoryCountersFact = defineFact<MemoryState>({
  id: 'memory-counters',
  derive({ program, cover }) {
    const info = meminfo(program);
    const all = attempt(() => zones(program));
    const pages = all?.reduce((sum, zone) => sum + zone.watermark.min, 0);
    const minWatermark = pages === undefined ? undefined : pages * program.pageSize;
    const total = info.memTotal.value;
    const free = info.memFree.value;
    const usable = info.memAvailable.value;
    const available = total === undefined || usable === undefined || total === 0 ? undefined : usable / total;
    const belowMin = free !== undefined && minWatermark !== undefined && free < minWatermark;
    const verdict = belowMin
      ? 'short'
      : available === undefined
        ? 'unknown'
        : available < SHORT_AVAILABLE
          ? 'short'
          : 'enough';
    // A shortage that could not be looked for is no clean bill.
    const missing = [info.memTotal, info.memFree, info.memAvailable].flatMap(({ problem }) => problem ?? []);
    cover({ what: 'counters that tell whether memory is short', read: 3 - missing.length, total: 3, missing });
    return { info, zones: all, minWatermark, verdict, ranOut: false, available };
  },
});

/** What is free and what can be had, as far as it is known. */
export function memoryNumbers({ info, available }: MemoryState): Prose {
  const total = info.memTotal.value;
  const free = info.memFree.value;
  const usable = info.memAvailable.value;
  if (usable === undefined || total === undefined)
    return free === undefined
      ? ['how much is left cannot be read']
      : prose`${byteCount(free)} free; what else could be had cannot be read`;
  const share = available === undefined ? '' : prose` (${ratio(available)})`;
  return prose`${byteCount(usable)} of ${byteCount(total)} available${share}${free === undefined ? '' : prose`, ${byteCount(free)} free`}`;
}

/** One sentence: is memory short, and by which numbers. */
export function memoryText(memory: MemoryState): Prose {
  switch (memory.verdict) {
    case 'short':
      return prose`${memory.ranOut ? 'Ran out, as the OOM killer says; at the crash' : 'Short:'} ${memoryNumbers(memory)}${belowText(memory)}.`;
    case 'enough':
      return isTight(memory)
        ? prose`Tight: ${memoryNumbers(memory)}. Below ${ratio(TIGHT_AVAILABLE)} counts as tight, below ${ratio(SHORT_AVAILABLE)} as short.`
        : prose`Not short: ${memoryNumbers(memory)}.`;
    case 'unknown':
      return ['Not known: the counters cannot be read.'];
  }
}

/** Why it is short where the share that is available does not say so. */
function belowText({ available, minWatermark }: MemoryState): Prose {
  if (minWatermark === undefined || available === undefined || available < SHORT_AVAILABLE) return [];
  return prose`: less than the ${byteCount(minWatermark)} that the kernel keeps for emergencies`;
}

/** For machines: bytes by the names of /proc/meminfo; what is not known is left out. */
export function memoryData({ info, verdict, available, minWatermark }: MemoryState): { readonly [key: string]: Data } {
  const out: { [key: string]: Data } = { verdict, availableShare: available, minWatermark };
  for (const [key, { value }] of Object.entries(info)) if (value !== undefined) out[key] = Number(value);
  return out;
}
