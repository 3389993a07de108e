/**
 * Frames behind ranges of kernel addresses, and the upper page tables of programs, by whole tables: x86-64's page tables
 * (arch/x86/include/asm/pgtable_64_types.h) read in 32-bit halves, as one entry after the other would take too long.
 * Where the page tables are not those of x86-64, ranges are translated page by page, and upper tables are not known.
 */
import { add, type Pfn, pfn, pageNumber, physOfPfn, type VirtAddr } from '../base/address.ts';
import { FaultError, isDataError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

const ENTRIES = 512;
const PAGE_SHIFT = 12;
const PRESENT = 1;
const LARGE = 1 << 7;
/** Tables that one walk looks into, those of 512 GiB in pages of 4 KiB: damaged tables can lead to themselves. */
const MAX_TABLES = 1 << 18;
/** Bits of the upper half of an entry that are the address: 32 to 51. */
const HIGH_ADDRESS = 0xfffff;

interface Tables {
  readonly root: Pfn;
  readonly levels: number;
  /** Of the upper half of an entry. */
  readonly highMask: number;
  /** How many a walk may still look into. */
  left: number;
}

function tablesOf(program: Program): Tables | undefined {
  if (program.arch.name !== 'x86_64') return undefined;
  const root = program.arch.kernelTables(1)[0];
  if (root === undefined) return undefined;
  return {
    root: pfn(pageNumber(root, PAGE_SHIFT)),
    // NUMBER(pgtable_l5_enabled) since 4.17.
    levels: program.vmcoreinfo.number('pgtable_l5_enabled') === 1n ? 5 : 4,
    highMask: HIGH_ADDRESS & ~Number((program.vmcoreinfo.number('sme_mask') ?? 0n) >> 32n),
    left: MAX_TABLES,
  };
}

/** The frame in an entry, of which a large page's low bits are part of the flags. */
function frameIn(table: DataView, index: number, highMask: number): number {
  const low = table.getUint32(index * 8, true);
  return (table.getUint32(index * 8 + 4, true) & highMask) * 2 ** 20 + (low >>> PAGE_SHIFT);
}

function tryTable(program: Program, frame: number): DataView | undefined {
  try {
    return program.memory.physical.view(pfn(frame));
  } catch (error) {
    if (error instanceof FaultError) return undefined;
    throw error;
  }
}

/**
 * The frames that are mapped in a range of kernel addresses.
 * @param start - `void *`, at a page
 * @param size - bytes
 * @param visit - told of the first frame and how many follow it, in no certain order
 * @throws ValidationError when the tables do not end; behind a table that cannot be read nothing is mapped
 */
export function mappedFrames(
  program: Program,
  start: VirtAddr,
  size: number,
  visit: (first: number, count: number) => void,
): void {
  const tables = tablesOf(program);
  if (tables === undefined) {
    for (let done = 0; done < size; done += program.pageSize) {
      try {
        visit(pageNumber(program.memory.translate(add(start, done)), Math.log2(program.pageSize)), 1);
      } catch (error) {
        if (!isDataError(error)) throw error;
      }
    }
    return;
  }
  // Page numbers within the part of the address space that the root covers: exact as numbers.
  const bits = BigInt(PAGE_SHIFT + 9 * tables.levels);
  const from = Number(BigInt.asUintN(Number(bits), start) >> BigInt(PAGE_SHIFT));
  walk(program, tables, tables.root, tables.levels - 1, from, from + Math.ceil(size / 2 ** PAGE_SHIFT), visit);
}

/** @param from - first page, counted from the start of what the table covers; `to` is behind the last */
function walk(
  program: Program,
  tables: Tables,
  table: number,
  level: number,
  from: number,
  to: number,
  visit: (first: number, count: number) => void,
): void {
  if (tables.left-- <= 0) throw new ValidationError('pgd_t', physOfPfn(tables.root, program.pageSize), 'does not end');
  const view = tryTable(program, table);
  if (view === undefined) return;
  const each = ENTRIES ** level;
  const end = Math.min(ENTRIES, Math.ceil(to / each));
  // What lies below is collected first: the view is good until the next page is read.
  const below: number[] = [];
  for (let index = Math.floor(from / each); index < end; index++) {
    const low = view.getUint32(index * 8, true);
    if ((low & PRESENT) === 0) continue;
    const frame = frameIn(view, index, tables.highMask);
    const first = Math.max(from - index * each, 0);
    const last = Math.min(to - index * each, each);
    if (level === 0) visit(frame, 1);
    else if (level <= 2 && (low & LARGE) !== 0) visit(frame - (frame % each) + first, last - first);
    else below.push(frame, first, last);
  }
  for (let i = 0; i < below.length; i += 3)
    walk(program, tables, below[i] ?? 0, level - 1, below[i + 1] ?? 0, below[i + 2] ?? 0, visit);
}

/**
 * The page tables of a program, from its root down, each once.
 * @param pgd - `pgd_t *` of a `struct mm_struct`
 * @param lowest - level down to which: 0 for all; 2 for those above the page middle directories, which the kernel does not
 *   mark in their page structures until 6.7 to 6.14
 * @param visit - told of each frame, and its level: 0 for tables of 4 KiB pages, 1 for page middle directories
 * @throws ValidationError when the tables do not end; below a table that cannot be read there is none
 */
export function userTables(
  program: Program,
  pgd: VirtAddr,
  lowest: 0 | 2,
  visit: (frame: number, level: number) => void,
): void {
  const tables = tablesOf(program);
  if (tables === undefined) return;
  let root: number;
  try {
    root = pageNumber(program.memory.translate(pgd), PAGE_SHIFT);
  } catch (error) {
    if (isDataError(error)) return;
    throw error;
  }
  visit(root, tables.levels - 1);
  let level = [root];
  for (let height = tables.levels - 1; height > lowest; height--) {
    const next: number[] = [];
    for (const table of level) {
      if (tables.left-- <= 0) throw new ValidationError('pgd_t', pgd, 'does not end');
      const view = tryTable(program, table);
      if (view === undefined) continue;
      // The upper half of the root is the kernel's own.
      const end = table === root ? ENTRIES / 2 : ENTRIES;
      for (let index = 0; index < end; index++) {
        const low = view.getUint32(index * 8, true);
        if ((low & PRESENT) === 0 || (height <= 2 && (low & LARGE) !== 0)) continue;
        if (next.length >= MAX_TABLES) throw new ValidationError('pgd_t', pgd, 'does not end');
        next.push(frameIn(view, index, tables.highMask));
      }
    }
    for (const table of next) visit(table, height - 1);
    level = next;
  }
}
