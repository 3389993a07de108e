/**
 * One walk through x86-64 page tables, told level by level (arch/x86/include/asm/pgtable_types.h): for people who check a
 * translation. Whoever only wants the physical address asks `program.arch`.
 */
import { add, isKernel, phys, type PhysAddr, type VirtAddr } from '../base/address.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

const PRESENT = 1n;
const LARGE = 1n << 7n;
/** _PAGE_PROTNONE is _PAGE_GLOBAL in an entry that is not present. */
const PROTNONE = 1n << 8n;
const ADDRESS = 0x000ffffffffff000n;

export type TableLevel = 'PGD' | 'P4D' | 'PUD' | 'PMD' | 'PTE';

export interface TableStep {
  readonly level: TableLevel;
  /** Where the entry lies. */
  readonly at: PhysAddr;
  /** `unsigned long`. */
  readonly entry: bigint;
}

export interface TableWalk {
  /** From the top on; the last one maps the address, or is not present. */
  readonly steps: readonly TableStep[];
  /** Undefined when the address is not mapped. */
  readonly mapped:
    | {
        readonly entry: bigint;
        /** Where the page begins. */
        readonly page: PhysAddr;
        /** Bytes: 4096, 2 MiB, 1 GiB. */
        readonly size: number;
        readonly physical: PhysAddr;
      }
    | undefined;
  /** The entry of a page that is not there but has something in its place, as one in swap; undefined for nothing. */
  readonly absent: bigint | undefined;
}

/**
 * The topmost table of the kernel, `init_mm.pgd`.
 * @returns `pgd_t *`
 * @throws FaultError, LookupError
 */
export function kernelTable(program: Program): VirtAddr {
  return program.field('struct mm_struct', 'pgd').pointer(program.symbol('init_mm').address);
}

/**
 * Walks the tables at `pgd` for an address.
 * @param pgd - `pgd_t *`
 * @throws FaultError when a table cannot be read, LookupError where the page tables are not those of x86-64,
 *   ValidationError when `pgd` is no pointer
 */
export function walkTables(program: Program, pgd: VirtAddr, address: VirtAddr): TableWalk {
  if (program.arch.name !== 'x86_64') throw new LookupError('type', `page tables of ${program.arch.name}`);
  if (!isKernel(pgd)) throw new ValidationError('struct mm_struct', pgd, 'pgd is no kernel pointer');
  // NUMBER(pgtable_l5_enabled) since 4.17; NUMBER(sme_mask) since 5.2.
  const five = program.vmcoreinfo.number('pgtable_l5_enabled') === 1n;
  const mask = ADDRESS & ~(program.vmcoreinfo.number('sme_mask') ?? 0n);
  const levels: readonly TableLevel[] = five ? ['PGD', 'P4D', 'PUD', 'PMD', 'PTE'] : ['PGD', 'PUD', 'PMD', 'PTE'];
  const steps: TableStep[] = [];
  let table = program.arch.translate(pgd);
  for (const [i, level] of levels.entries()) {
    const above = levels.length - 1 - i;
    const index = (address >> BigInt(12 + 9 * above)) & 0x1ffn;
    const at = add(table, index * 8n);
    const entry = program.memory.physical.readU64(at);
    steps.push({ level, at, entry });
    const leaf = above === 0 || (above <= 2 && (entry & LARGE) !== 0n);
    if (leaf && (entry & (PRESENT | PROTNONE)) !== 0n)
      return { steps, mapped: mappedBy(entry, above, address, mask), absent: undefined };
    if ((entry & PRESENT) === 0n) return { steps, mapped: undefined, absent: entry === 0n ? undefined : entry };
    table = phys(entry & mask);
  }
  return { steps, mapped: undefined, absent: undefined };
}

function mappedBy(entry: bigint, above: number, address: VirtAddr, mask: bigint): NonNullable<TableWalk['mapped']> {
  const size = 1n << BigInt(12 + 9 * above);
  let frame = entry & mask;
  // Inverted while it is not present (L1TF, 4.19, commit 6b28baca9b1f): the smaller one is true.
  const inverted = ~entry & mask;
  if ((entry & PRESENT) === 0n && inverted < frame) frame = inverted;
  const page = phys(frame & ~(size - 1n));
  return { entry, page, size: Number(size), physical: add(page, address & (size - 1n)) };
}

/** Bits of a present entry by the names of `_PAGE_BIT_*`, lowest first. */
const BITS: readonly (readonly [bit: bigint, name: string])[] = [
  [0n, 'PRESENT'],
  [1n, 'RW'],
  [2n, 'USER'],
  [3n, 'PWT'],
  [4n, 'PCD'],
  [5n, 'ACCESSED'],
  [6n, 'DIRTY'],
  [7n, 'PSE'],
  [8n, 'GLOBAL'],
  [63n, 'NX'],
];

/**
 * 'PRESENT', 'RW', 'NX' ...: the flags of an entry that maps a page, a `pteval_t` or the same of a higher level. Bit 7 of a
 * 4 KiB page chooses its caching (PAT).
 * @param size - bytes that the entry maps
 */
export function entryFlags(entry: bigint, size: number): readonly string[] {
  const present = (entry & PRESENT) !== 0n;
  const names = BITS.flatMap(([bit, name]) => {
    if (((entry >> bit) & 1n) === 0n) return [];
    if (bit === 7n && size === 4096) return ['PAT'];
    return bit === 8n && !present ? ['PROTNONE'] : [name];
  });
  return names;
}

export interface SwapEntry {
  /** Number of the swap area, `swp_type()`. */
  readonly type: number;
  /** Page in it, `swp_offset()`. */
  readonly offset: number;
}

/**
 * A page table entry (`unsigned long`) that stands for a page in swap: 5 bits of type at the top, an inverted offset below
 * (arch/x86/include/asm/pgtable_64.h since 4.19, commit bcd11afa7ade).
 * @returns undefined for what is none: present, empty, or one of the special types above the swap areas
 */
export function swapEntry(entry: bigint): SwapEntry | undefined {
  if (entry === 0n || (entry & (PRESENT | PROTNONE)) !== 0n) return undefined;
  const type = Number(entry >> 59n);
  const offset = Number(BigInt.asUintN(50, ~(BigInt.asUintN(64, entry << 5n) >> 14n)));
  // MAX_SWAPFILES is 32 less those for migration, device memory, hardware poison: at least 23.
  return type < 23 ? { type, offset } : undefined;
}
