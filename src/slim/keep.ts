/**
 * The decision about one page: kept when a class wants it, unless it is memory of a program, page cache or free. What
 * the dump does not have is counted, so that the result can say what was wanted in vain.
 */
import { add, type Pfn, pageOffset, sub, type VirtAddr } from '../base/address.ts';
import type { Budget } from '../base/budget.ts';
import { attempt } from '../base/errors.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { frameOfAddress } from '../kernel/page.ts';
import type { Program } from '../program/program.ts';
import { FrameSet } from './frame-set.ts';
import type { Memmap } from './memmap.ts';
import type { PageClass } from './policy.ts';

/** makedumpfile's bits for page cache (two), memory of programs and free memory. */
const FILTERS = 2 | 4 | 8 | 16;
/** Pages between two questions to the budget. */
const CHECK_EVERY = 1024;

export class Keep {
  readonly frames = new FrameSet();
  readonly counts = new Map<PageClass, number>();
  readonly #refused = new FrameSet();
  readonly #missing = new FrameSet();
  readonly #zeros = new FrameSet();
  readonly #dump: DumpFile;
  readonly #memmap: Memmap;
  readonly #budget: Budget;
  /** The dump itself has no memory of programs, no page cache and no free memory, so nothing need be known of a page. */
  readonly #filtered: boolean;
  #steps = 0;

  constructor(dump: DumpFile, memmap: Memmap, budget: Budget) {
    this.#dump = dump;
    this.#memmap = memmap;
    this.#budget = budget;
    this.#filtered = ((dump.dumpLevel ?? 0) & FILTERS) === FILTERS;
  }

  /** Pages of the dump that were wanted but are memory of programs, page cache or free. */
  get refused(): number {
    return this.#refused.size;
  }

  /** Pages that were wanted but are not in the dump. */
  get missing(): number {
    return this.#missing.size;
  }

  /** @throws CancelledError */
  page(frame: Pfn, wanted: PageClass): void {
    if (++this.#steps % CHECK_EVERY === 0) this.#budget.check();
    if (this.frames.has(frame)) return;
    const status = this.#dump.status(frame);
    if (status === 'absent') return;
    const use = this.#memmap.use(frame);
    // Parts of the image that were only needed at boot were freed, and may be anything now.
    if (wanted === 'image' && use !== 'reserved' && use !== 'unknown') return;
    if (use === 'user' || use === 'free' || (use === 'unknown' && onlyTouched(wanted) && !this.#filtered)) {
      if (status === 'data' || status === 'zero' || status === 'lost') this.#refused.add(frame);
    } else if (status === 'excluded-or-zero') {
      (use === 'unknown' || onlyTouched(wanted) ? this.#missing : this.#zeros).add(frame);
    } else if (status === 'excluded') {
      this.#missing.add(frame);
    } else {
      this.#add(frame, wanted);
    }
  }

  /**
   * Of the pages that an ELF file left out, those in use by the kernel can only be pages of zeros, as no filter takes
   * others. Keeps them, but for those that were asked for: whoever was told that they cannot be read shall be told so
   * again.
   */
  zeroPages(asked: FrameSet): void {
    for (const frame of this.#zeros) {
      if (asked.has(frame)) this.#missing.add(frame);
      else this.#add(frame, 'zeros');
    }
  }

  #add(frame: Pfn, wanted: PageClass): void {
    if (this.frames.add(frame)) this.counts.set(wanted, (this.counts.get(wanted) ?? 0) + 1);
  }

  /**
   * The pages of a range of kernel memory, as far as it is mapped.
   * @throws CancelledError
   */
  range(program: Program, start: VirtAddr, length: number, wanted: PageClass): void {
    const offset = pageOffset(start, program.pageSize);
    const first = sub(start, offset);
    for (let done = 0; done < offset + length; done += program.pageSize) {
      const frame = attempt(() => frameOfAddress(program, add(first, done)));
      if (frame === undefined) this.#budget.check();
      else this.page(frame, wanted);
    }
  }
}

/** Pages that no structure of the kernel vouches for. */
function onlyTouched(wanted: PageClass): boolean {
  return wanted === 'reached' || wanted === 'report';
}
