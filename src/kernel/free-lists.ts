/**
 * Lists of free pages, include/linux/mmzone.h: those of the buddy allocator by order and migrate type (`zone.free_area`),
 * and those that each CPU keeps for itself (`struct per_cpu_pages`), which no counter of free pages counts.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { sizeOf, strip } from '../program/types.ts';
import { cpus } from './cpus.ts';
import { listNodes } from './list.ts';
import { zones } from './zone.ts';

const MAX_ORDERS = 64;
const MAX_LISTS = 256;
/** Blocks of one list: 16 TiB of single pages. */
const MAX_BLOCKS = 2 ** 32;
/** PAGE_ALLOC_COSTLY_ORDER: lists of CPUs have the orders up to it, and behind them that of huge pages. */
const COSTLY_ORDER = 3;
/** Order of a huge page, HPAGE_PMD_ORDER on x86-64. */
const HUGE_ORDER = 9;

/** A free block: `struct page *` of its first page. */
export interface FreeBlock {
  readonly page: VirtAddr;
  readonly order: number;
}

export interface FreeList {
  /** `struct zone *`. */
  readonly zone: VirtAddr;
  readonly order: number;
  /** 'Unmovable', 'Movable', 'HighAtomic' ... */
  readonly migrateType: string;
  /** `struct list_head *`. */
  readonly head: VirtAddr;
}

/** What the kernel calls its migrate types in /proc/pagetypeinfo (`migratetype_names`). */
const TYPE_NAMES: { readonly [enumerator: string]: string } = {
  MIGRATE_UNMOVABLE: 'Unmovable',
  MIGRATE_MOVABLE: 'Movable',
  MIGRATE_RECLAIMABLE: 'Reclaimable',
  MIGRATE_HIGHATOMIC: 'HighAtomic',
  MIGRATE_RESERVE: 'Reserve',
  MIGRATE_CMA: 'CMA',
  MIGRATE_ISOLATE: 'Isolate',
};

/** Migrate types of this kernel by their number in `enum migratetype`. @throws nothing */
export function migrateTypes(program: Program): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const [enumerator, name] of Object.entries(TYPE_NAMES)) {
    const value = program.enumerator(enumerator);
    if (value !== undefined) found.set(Number(value), name);
  }
  return found;
}

/**
 * The buddy allocator's lists of all zones, by order and migrate type: `struct list_head free_list[]`.
 * @throws FaultError, LookupError, ValidationError
 */
export function freeLists(program: Program): readonly FreeList[] {
  const types = migrateTypes(program);
  const areas = strip(program.field('struct zone', 'free_area').type);
  const orders = areas.kind === 'array' ? Math.min(areas.length, MAX_ORDERS) : 0;
  // One list for each migrate type since 2.6.24.
  const perArea = strip(program.field('struct free_area', 'free_list').type);
  const lists = perArea.kind === 'array' ? Math.min(perArea.length, MAX_LISTS) : 0;
  const size = program.sizeOf('struct list_head');
  return zones(program).flatMap(({ address }) =>
    Array.from({ length: orders }, (_, order) => {
      const first = program.field('struct zone', `free_area[${order}].free_list`).address(address);
      return Array.from({ length: lists }, (_, i): FreeList => {
        return { zone: address, order, migrateType: types.get(i) ?? `type ${i}`, head: add(first, i * size) };
      });
    }).flat(),
  );
}

/** Member of `struct page` on these lists: buddy_list and pcp_list since 5.19 (commit bf75f200569d), lru before. */
function listMember(program: Program, name: 'buddy_list' | 'pcp_list'): Field {
  return program.firstField('struct page', [name, 'lru']);
}

/**
 * The blocks on a list of the buddy allocator.
 * @returns `struct page *` of each block's first page
 * @throws FaultError, LookupError, ValidationError when the list is broken; what came before was returned
 */
export function* freeListBlocks(program: Program, list: FreeList): Generator<VirtAddr> {
  const member = listMember(program, 'buddy_list');
  for (const node of listNodes(program, list.head, MAX_BLOCKS)) yield member.container(node);
}

/** Free pages of one CPU and zone. */
export interface CpuFreeLists {
  readonly cpu: number;
  /** `struct zone *`. */
  readonly zone: VirtAddr;
  /** Pages, as `per_cpu_pages.count` says. */
  readonly count: number;
  /** What is on the lists. */
  readonly blocks: readonly FreeBlock[];
  /** Why not all of them could be followed. */
  readonly problem: string | undefined;
}

/**
 * Free pages that CPUs keep for themselves, `struct per_cpu_pages` of each zone and online CPU.
 * @throws FaultError, LookupError, ValidationError
 */
export function cpuFreeLists(program: Program): readonly CpuFreeLists[] {
  // per_cpu_pageset is of struct per_cpu_pages since 5.14 (commit 28f836b6777b); `pageset`, around it, before.
  const direct = program.tryField('struct zone', 'per_cpu_pageset');
  const pageset = direct ?? program.field('struct zone', 'pageset');
  // An array in the zone itself until 2.6.33, which is not read.
  if (strip(pageset.type).kind !== 'pointer') return [];
  const inner = direct === undefined ? program.field('struct per_cpu_pageset', 'pcp').offset : 0;
  const count = program.field('struct per_cpu_pages', 'count');
  const lists = program.field('struct per_cpu_pages', 'lists');
  const array = strip(lists.type);
  const length = array.kind === 'array' ? Math.min(array.length, MAX_LISTS) : 1;
  const size = sizeOf(lists.type) / length;
  const member = listMember(program, 'pcp_list');
  const perOrder = Number(program.enumerator('MIGRATE_PCPTYPES') ?? 3n);
  const found: CpuFreeLists[] = [];
  for (const { address: zone } of zones(program)) {
    const base = pageset.pointer(zone);
    for (const cpu of cpus(program, 'online')) {
      const pcp = add(program.perCpuAddress(base, cpu), inner);
      const pages = count.number(pcp);
      const blocks: FreeBlock[] = [];
      let problem: string | undefined;
      for (let i = 0; i < length; i++) {
        // Only single pages until 5.12; since 5.13 (commit 44042b449872) lists of higher orders follow.
        const row = Math.floor(i / perOrder);
        const order = row <= COSTLY_ORDER ? row : HUGE_ORDER;
        const before = blocks.length;
        const walked = attempt(() => {
          const head = add(lists.address(pcp), i * size);
          for (const node of listNodes(program, head, Math.max(0, pages))) {
            if (!isKernel(node)) throw new ValidationError('struct page', node, 'is no kernel pointer');
            blocks.push({ page: member.container(node), order });
          }
          return true;
        });
        if (walked === undefined) problem = `list ${i} of CPU ${cpu} breaks off after ${blocks.length - before} blocks`;
      }
      found.push({ cpu, zone, count: pages, blocks, problem });
    }
  }
  return found;
}
