/**
 * Reads pages from all over a dump, so many and for as long as there is time: whatever is reached by then is spread evenly
 * over the memory of the machine, and a large dump takes no longer than a small one. What is damaged shows only when it is decompressed; of what is not read nothing is said.
 */
import { type Pfn, pfn } from '../base/address.ts';
import type { Budget } from '../base/budget.ts';
import { CancelledError } from '../base/errors.ts';
import type { DumpFile } from '../dump/dump-file.ts';

/** Neighbours that are read at one place: they lie together in the file. */
const RUN = 16;
/** Places that are looked at, at most. */
const MAX_PLACES = 2 ** 17;

/** Pages that are read at most: all that a filtered dump of half a gigabyte has. */
const MAX_PAGES = 24_576;

export interface PageSample {
  /** Pages that were read and that the file has; whole, or damaged. */
  readonly read: number;
  readonly damaged: number;
  /** Frame of the first damaged page that was met. */
  readonly firstDamaged: Pfn | undefined;
  /** True when all pages of the file were read. */
  readonly whole: boolean;
}

/**
 * @param budget - ends the reading, without an error
 * @param most - so many pages at most
 */
export function samplePages(dump: DumpFile, budget: Budget, most = MAX_PAGES): PageSample {
  const page = new Uint8Array(dump.pageSize);
  const places = Math.min(MAX_PLACES, Math.ceil(dump.maxPfn / RUN));
  const step = dump.maxPfn / places;
  let read = 0;
  let damaged = 0;
  let firstDamaged: Pfn | undefined;
  // Each interval is looked at once; of long ones the first pages alone.
  let whole = step <= RUN;
  try {
    for (const place of spread(places)) {
      budget.check();
      if (read >= most) {
        whole = false;
        break;
      }
      const from = Math.floor(place * step);
      const end = Math.min(Math.floor((place + 1) * step), from + RUN);
      for (let at = from; at < end; at++) {
        const frame = pfn(at);
        // What the index knows to be lost is counted, not sampled.
        if (dump.status(frame) !== 'data') continue;
        budget.check();
        const status = dump.readPage(frame, page);
        read++;
        if (status === 'data' || status === 'zero') continue;
        damaged++;
        firstDamaged ??= frame;
      }
    }
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
    whole = false;
  }
  return { read, damaged, firstDamaged, whole };
}

/** 0 to count - 1, each once, in an order whose beginnings are spread evenly (van der Corput's). */
export function* spread(count: number): Generator<number> {
  let bits = 0;
  while (2 ** bits < count) bits++;
  for (let i = 0; i < 2 ** bits; i++) {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed = reversed * 2 + ((i >>> bit) & 1);
    if (reversed < count) yield reversed;
  }
}
