/**
 * Memory nodes and zones, include/linux/mmzone.h (`struct pglist_data`, `struct zone`): where they are, how many pages
 * they have, watermarks, reserves and the free lists of the buddy allocator by order. All numbers are pages.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import { type Pages, pages } from '../base/units.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';

/** MAX_NUMNODES is 1024 on the largest configurations; there are 4 to 7 kinds of zones. */
const MAX_NODES = 1024;
const MAX_ZONES = 16;
const MAX_ORDERS = 64;

export interface MemoryNode {
  readonly id: number;
  /** `struct pglist_data *`. */
  readonly address: VirtAddr;
}

export interface Zone {
  readonly node: number;
  /** 'DMA', 'DMA32', 'Normal', 'Movable'. */
  readonly name: string;
  /** `struct zone *`. */
  readonly address: VirtAddr;
  readonly startPfn: number;
  /** With holes. */
  readonly spanned: Pages;
  readonly present: Pages;
  /** What the buddy allocator has; `present` where the kernel does not keep it (until 3.7). */
  readonly managed: Pages;
  readonly watermark: {
    readonly min: Pages;
    readonly low: Pages;
    readonly high: Pages;
    /** Added to each of the three for a while after fragmentation; 0 until 4.20. */
    readonly boost: Pages;
  };
  /** Pages kept from allocations that could have been served by the zone with this index. */
  readonly lowmemReserve: readonly Pages[];
  /** Kept for urgent allocations of higher order; undefined until 4.3. */
  readonly reservedHighatomic: Pages | undefined;
}

/**
 * Online memory nodes, `struct pglist_data *node_data[]`; `contig_page_data` without NUMA.
 * @throws FaultError, LookupError, ValidationError
 */
export function memoryNodes(program: Program): readonly MemoryNode[] {
  const table = program.symbols.kernel.lookup('node_data');
  if (table === undefined) {
    const only = program.trySymbol('contig_page_data');
    return only === undefined ? [] : [{ id: 0, address: only.address }];
  }
  // `nr_node_ids` bounds the table, whose length nothing in the dump tells; a table of one entry has no such variable.
  const limit = program.trySymbol('nr_node_ids');
  const count = limit === undefined ? 1 : program.memory.readU32(limit.address);
  if (count < 1 || count > MAX_NODES) throw new ValidationError('nr_node_ids', table.address, `is ${count}`);
  const isOnline = onlineNodes(program);
  const nodes: MemoryNode[] = [];
  for (let id = 0; id < count; id++) {
    const address = program.memory.readPointer(add(table.address, 8 * id));
    // Possible nodes have a pglist_data before they have memory since 5.19 (commit 09f49dca570a).
    if (address === 0n || !isOnline(id)) continue;
    if (!isKernel(address)) throw new ValidationError('node_data', table.address, `entry ${id} is no kernel pointer`);
    nodes.push({ id, address });
  }
  return nodes;
}

/** Bit `id` of `nodemask_t node_states[N_ONLINE]`; without it every node counts as online. */
function onlineNodes(program: Program): (id: number) => boolean {
  const states = program.trySymbol('node_states');
  const online = program.enumerator('N_ONLINE');
  const mask = program.types.tryFind('nodemask_t');
  if (states === undefined || online === undefined || mask === undefined) return () => true;
  const size = program.sizeOf('nodemask_t');
  const at = add(states.address, Number(online) * size);
  return (id) => id < size * 8 && ((program.memory.readU8(add(at, id >> 3)) >> (id & 7)) & 1) === 1;
}

/**
 * The zones of a node, those without pages included.
 * @param node - a `struct pglist_data`
 * @throws FaultError, LookupError, ValidationError
 */
export function zonesOf(program: Program, node: MemoryNode): readonly Zone[] {
  const count = program.field('struct pglist_data', 'nr_zones').number(node.address);
  if (count < 0 || count > MAX_ZONES)
    throw new ValidationError('struct pglist_data', node.address, `nr_zones is ${count}`);
  const first = program.field('struct pglist_data', 'node_zones').address(node.address);
  const size = program.sizeOf('struct zone');
  return Array.from({ length: count }, (_, i) => readZone(program, node.id, add(first, i * size)));
}

/**
 * All zones of all online nodes, `struct zone`.
 * @throws FaultError, LookupError, ValidationError
 */
export function zones(program: Program): readonly Zone[] {
  return memoryNodes(program).flatMap((node) => zonesOf(program, node));
}

function readZone(program: Program, node: number, at: VirtAddr): Zone {
  const field = (...paths: readonly [string, ...string[]]): Field => program.firstField('struct zone', paths);
  const count = (...paths: readonly [string, ...string[]]): Pages => pages(field(...paths).number(at));
  // _watermark[] since 5.0 (commit a921444382b4), when watermark_boost came; watermark[] before.
  const mark = (name: string, usual: number): Pages => {
    const i = Number(program.enumerator(name) ?? usual);
    return count(`_watermark[${i}]`, `watermark[${i}]`);
  };
  const boost = program.tryField('struct zone', 'watermark_boost');
  const highatomic = program.tryField('struct zone', 'nr_reserved_highatomic');
  return {
    node,
    name: field('name').string(at, 64) ?? '',
    address: at,
    startPfn: field('zone_start_pfn').number(at),
    spanned: count('spanned_pages'),
    present: count('present_pages'),
    // atomic_long_t since 5.0 (commit 9705bea5f833), unsigned long since 3.8.
    managed: count('managed_pages.counter', 'managed_pages', 'present_pages'),
    watermark: {
      min: mark('WMARK_MIN', 0),
      low: mark('WMARK_LOW', 1),
      high: mark('WMARK_HIGH', 2),
      boost: boost === undefined ? pages(0) : pages(boost.number(at)),
    },
    lowmemReserve: reserveOf(program, at),
    reservedHighatomic: highatomic === undefined ? undefined : pages(highatomic.number(at)),
  };
}

function reserveOf(program: Program, zone: VirtAddr): readonly Pages[] {
  const array = strip(program.field('struct zone', 'lowmem_reserve').type);
  const length = array.kind === 'array' ? Math.min(array.length, MAX_ZONES) : 0;
  return Array.from({ length }, (_, i) => pages(program.field('struct zone', `lowmem_reserve[${i}]`).number(zone)));
}

/**
 * Free blocks of the buddy allocator, `zone.free_area[order].nr_free`: element n counts blocks of 2^n pages.
 * @param zone - `struct zone *`
 * @throws FaultError, LookupError, ValidationError
 */
export function freeBlocks(program: Program, zone: VirtAddr): readonly number[] {
  const array = strip(program.field('struct zone', 'free_area').type);
  const orders = array.kind === 'array' ? Math.min(array.length, MAX_ORDERS) : 0;
  return Array.from({ length: orders }, (_, order) =>
    program.field('struct zone', `free_area[${order}].nr_free`).number(zone),
  );
}
