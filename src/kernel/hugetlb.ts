/** Pools of huge pages, `struct hstate hstates[]` (include/linux/hugetlb.h), one for each size. */
import { add, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

const MAX_HSTATES = 64;
const MAX_ORDER = 40;

export interface HugePagePool {
  /** `struct hstate *`. */
  readonly hstate: VirtAddr;
  /** 'hugepages-2048kB'. */
  readonly name: string;
  /** Bytes of a page. */
  readonly size: number;
  /** Pages in the pool, free and in use. */
  readonly total: number;
  readonly free: number;
  /** Free pages that are promised to mappings. */
  readonly reserved: number;
  /** Pages beyond what the administrator asked for. */
  readonly surplus: number;
}

/**
 * The pools, each `struct hstate`; none without CONFIG_HUGETLB_PAGE.
 * @throws FaultError, LookupError, ValidationError
 */
export function hugePagePools(program: Program): readonly HugePagePool[] {
  const table = program.symbols.kernel.lookup('hstates');
  if (table === undefined) return [];
  const count = program.memory.readS32(program.symbol('hugetlb_max_hstate').address);
  if (count < 0 || count > MAX_HSTATES) throw new ValidationError('hstates', table.address, `has ${count} entries`);
  const size = program.sizeOf('struct hstate');
  const number = (member: string, at: VirtAddr): number => program.field('struct hstate', member).number(at);
  return Array.from({ length: count }, (_, i) => {
    const hstate = add(table.address, i * size);
    const order = number('order', hstate);
    if (order < 0 || order > MAX_ORDER) throw new ValidationError('struct hstate', hstate, `has order ${order}`);
    return {
      hstate,
      name: program.field('struct hstate', 'name').text(hstate),
      size: program.pageSize * 2 ** order,
      total: number('nr_huge_pages', hstate),
      free: number('free_huge_pages', hstate),
      reserved: number('resv_huge_pages', hstate),
      surplus: number('surplus_huge_pages', hstate),
    };
  });
}
