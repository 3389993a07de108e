/**
 * What a program has mapped, by its own page tables, whole tables at a time: x86-64 (arch/x86/include/asm/pgtable_types.h),
 * entries read in 32-bit halves, as one address after the other would take too long. Page tables are in dumps of every
 * level. Frames that the kernel does not count for a program are told apart: the zero page, device memory.
 */
import { type Pfn, pfn, pageNumber, type VirtAddr } from '../base/address.ts';
import { FaultError, LookupError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

const ENTRIES = 512;
const PAGE_SHIFT = 12;
const PRESENT = 1;
const LARGE = 1 << 7;
/** _PAGE_PROTNONE is _PAGE_GLOBAL in an entry that is not present. */
const PROTNONE = 1 << 8;
/** _PAGE_SPECIAL, _PAGE_BIT_SOFTW1: the zero page, device memory: no `struct page` that is counted. */
const SPECIAL = 1 << 9;
const HIGH_ADDRESS = 0xfffff;
const FRAMES_OF_LARGE = 512;
const FRAMES_OF_HUGE = 512 * 512;

export interface UserMappings {
  /** Tables that were read, and those that could not be. */
  readonly tables: number;
  readonly lostTables: number;
  /** Entries that stand for a page in swap, being moved, or poisoned. */
  readonly swapped: number;
  /** Pages that are mapped and count for nobody. */
  readonly special: number;
}

export interface UserWalkOptions {
  /**
   * Told of each run of frames: the first, how many, and the page number of the address where they are mapped (a plain
   * number, as there are millions). Runs of 512 and more are large pages.
   */
  readonly mapped: (frame: number, count: number, page: number) => void;
}

/** What all walks of a dump share. */
export interface UserTables {
  readonly levels: number;
  /** Of the upper half of an entry: bits 32 to 51 without the one that encryption takes. */
  readonly highMask: number;
  /** Frames of the zero page and of the large zero page, which count for nobody. */
  readonly zero: ReadonlySet<number>;
}

/**
 * The form of a program's page tables, those of `pgd_t *`, on this machine.
 * @throws LookupError where the page tables are not those of x86-64
 */
export function userTables(program: Program): UserTables {
  if (program.arch.name !== 'x86_64') throw new LookupError('type', `page tables of ${program.arch.name}`);
  const zero = new Set<number>();
  // unsigned long zero_pfn (mm/memory.c); huge_zero_pfn since 5.14 (commit 3b77e8c8cde5), before `struct page *huge_zero_page`.
  for (const name of ['zero_pfn', 'huge_zero_pfn']) {
    const symbol = program.symbols.kernel.lookup(name);
    if (symbol === undefined) continue;
    const frame = Number(program.memory.readU64(symbol.address));
    if (Number.isSafeInteger(frame) && frame > 0) zero.add(frame);
  }
  return {
    // NUMBER(pgtable_l5_enabled) since 4.17.
    levels: program.vmcoreinfo.number('pgtable_l5_enabled') === 1n ? 5 : 4,
    highMask: HIGH_ADDRESS & ~Number((program.vmcoreinfo.number('sme_mask') ?? 0n) >> 32n),
    zero,
  };
}

/**
 * Walks the user half of a program's page tables.
 * @param pgd - `pgd_t *`
 * @throws FaultError when the first table cannot be read
 */
export function walkUserMappings(
  program: Program,
  tables: UserTables,
  pgd: VirtAddr,
  options: UserWalkOptions,
): UserMappings {
  const walk = new UserWalk(program, tables, options);
  const root = pfn(pageNumber(program.arch.translate(pgd), PAGE_SHIFT));
  // The first table must be there; the others are counted when they are not.
  program.memory.physical.view(root);
  walk.table(root, tables.levels - 1, 0);
  return walk;
}

class UserWalk implements UserMappings {
  tables = 0;
  lostTables = 0;
  swapped = 0;
  special = 0;
  readonly #program: Program;
  readonly #seen = new Set<Pfn>();
  readonly #levels: number;
  readonly #highMask: number;
  readonly #zero: ReadonlySet<number>;
  readonly #mapped: UserWalkOptions['mapped'];

  constructor(program: Program, tables: UserTables, { mapped }: UserWalkOptions) {
    this.#program = program;
    this.#levels = tables.levels;
    this.#highMask = tables.highMask;
    this.#zero = tables.zero;
    this.#mapped = mapped;
  }

  /**
   * @param frame - of the table
   * @param level - 0 for a table of pages, 1 of large ones, 2 of huge ones
   * @param base - page number of the first address; below 2^45
   */
  table(frame: Pfn, level: number, base: number): void {
    // A program has each of its tables in one place: a second one is damage, and may lead to itself.
    if (this.#seen.has(frame)) {
      this.lostTables++;
      return;
    }
    this.#seen.add(frame);
    let view: DataView;
    try {
      view = this.#program.memory.physical.view(frame);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      this.lostTables++;
      return;
    }
    this.tables++;
    if (level === 0) {
      this.#pages(view, base);
      return;
    }
    const span = 2 ** (9 * level);
    // The view is taken from a cache and may go while deeper tables are read: their frames are noted first.
    const deeper: number[] = [];
    // The upper half of the first table is the kernel's.
    const end = level === this.#levels - 1 ? ENTRIES / 2 : ENTRIES;
    for (let index = 0; index < end; index++) {
      const low = view.getUint32(index * 8, true);
      if (low === 0 && view.getUint32(index * 8 + 4, true) === 0) continue;
      const leaf = level <= 2 && (low & LARGE) !== 0;
      if ((low & PRESENT) !== 0 && !leaf) {
        deeper.push(index, this.#frameIn(view, index));
        continue;
      }
      this.#large(view, index, level, base + index * span);
    }
    for (let i = 0; i < deeper.length; i += 2) {
      const index = deeper[i] ?? 0;
      this.table(pfn(deeper[i + 1] ?? 0), level - 1, base + index * span);
    }
  }

  #frameIn(view: DataView, index: number): number {
    const low = view.getUint32(index * 8, true);
    return (view.getUint32(index * 8 + 4, true) & this.#highMask) * 2 ** 20 + (low >>> PAGE_SHIFT);
  }

  #pages(view: DataView, base: number): void {
    const zero = this.#zero;
    for (let index = 0; index < ENTRIES; index++) {
      const low = view.getUint32(index * 8, true);
      const high = view.getUint32(index * 8 + 4, true);
      if (low === 0 && high === 0) continue;
      if ((low & PRESENT) !== 0) {
        const frame = (high & this.#highMask) * 2 ** 20 + (low >>> PAGE_SHIFT);
        if ((low & SPECIAL) !== 0 || zero.has(frame)) this.special++;
        else this.#mapped(frame, 1, base + index);
      } else if ((low & PROTNONE) !== 0) {
        const frame = this.#hidden(low, high);
        if ((low & SPECIAL) !== 0 || zero.has(frame)) this.special++;
        else this.#mapped(frame, 1, base + index);
      } else {
        this.swapped++;
      }
    }
  }

  /** An entry above the lowest level that maps memory itself, or is in swap. */
  #large(view: DataView, index: number, level: number, at: number): void {
    const low = view.getUint32(index * 8, true);
    const high = view.getUint32(index * 8 + 4, true);
    const count = level === 1 ? FRAMES_OF_LARGE : FRAMES_OF_HUGE;
    const present = (low & PRESENT) !== 0;
    if (level > 2) return;
    if (!present && (low & PROTNONE) === 0) {
      this.swapped += count;
      return;
    }
    const raw = present ? this.#frameIn(view, index) : this.#hidden(low, high);
    // Low bits of a large page's frame hold PAT.
    const frame = raw - (raw % count);
    if ((low & SPECIAL) !== 0 || this.#zero.has(frame)) this.special += count;
    else this.#mapped(frame, count, at);
  }

  /**
   * The frame of an entry that is not accessible (PROT_NONE, NUMA balancing). Since 4.19, and in stable kernels of
   * August 2018, its bits are inverted (L1TF, commit 6b28baca9b1f): no machine has memory in the upper half of what they
   * can name, so the smaller one is true.
   */
  #hidden(low: number, high: number): number {
    const frame = (high & this.#highMask) * 2 ** 20 + (low >>> PAGE_SHIFT);
    const inverted = (~high & this.#highMask) * 2 ** 20 + (~low >>> PAGE_SHIFT);
    return Math.min(frame, inverted);
  }
}
