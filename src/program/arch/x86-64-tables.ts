/**
 * Where the x86-64 page tables of the kernel's half lie: for whoever copies them. Bounded, as a damaged table can point
 * anywhere.
 */
import { add, phys, type PhysAddr } from '../../base/address.ts';
import { FaultError } from '../../base/errors.ts';
import type { PhysicalMemory } from '../physical-memory.ts';

const ENTRIES = 512;
const PRESENT = 1n;
const PAGE_SIZE_BIT = 1n << 7n;

export interface TableRoot {
  readonly root: PhysAddr;
  /** 4 or 5. */
  readonly levels: number;
  /** Bits of an entry that are the address. */
  readonly addressMask: bigint;
}

/** The tables, each once, the root first, then level by level, at most `limit`. */
export function kernelTables(
  physical: PhysicalMemory,
  { root, levels, addressMask }: TableRoot,
  limit: number,
): readonly PhysAddr[] {
  const tables = [root];
  const seen = new Set<PhysAddr>(tables);
  let first = 0;
  for (let level = levels - 1; level > 0; level--) {
    const end = tables.length;
    for (; first < end; first++) {
      const table = tables[first];
      if (table === undefined) return tables;
      // The lower half of the root is that of a user, and empty.
      for (const entry of entriesOf(physical, table, first === 0 ? ENTRIES / 2 : 0)) {
        if ((entry & PRESENT) === 0n || (level <= 2 && (entry & PAGE_SIZE_BIT) !== 0n)) continue;
        const next = phys(entry & addressMask);
        if (seen.has(next)) continue;
        if (tables.length >= limit) return tables;
        seen.add(next);
        tables.push(next);
      }
    }
  }
  return tables;
}

/** One that cannot be read has none. */
function* entriesOf(physical: PhysicalMemory, table: PhysAddr, from: number): Generator<bigint> {
  try {
    for (let index = from; index < ENTRIES; index++) yield physical.readU64(add(table, index * 8));
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
  }
}
