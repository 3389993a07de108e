/**
 * Counters of the memory manager, mm/vmstat.c: per zone and per node, by the names of `enum zone_stat_item` and `enum
 * node_stat_item`, and events (`enum vm_event_item`). What each CPU has counted and not yet added (`vm_stat_diff`, at most
 * 125 per item and CPU) is added here, so sums are exact where /proc/vmstat is not.
 * A value is in the kernel's unit for it: mostly pages; a name that ends in _KB is in KiB, and one that ends in _B is in
 * pages all the same (bytes are for memory cgroups only).
 */
import { add, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import { PROVEN } from '../program/layouts.ts';
import type { Program } from '../program/program.ts';
import { sizeOf, strip } from '../program/types.ts';
import { cpus } from './cpus.ts';
import { type MemoryNode, memoryNodes, zonesOf } from './zone.ts';

export interface VmCounter {
  /** The global or per-zone counter and what CPUs have not added to it yet. A moment's view may be negative. */
  readonly value: number;
  /** The counter alone. */
  readonly folded: number;
  /** 'vm_node_stat[NR_SHMEM]'. */
  readonly source: string;
}

/** By enumerator name. Two names of one value (NR_LRU_BASE, NR_INACTIVE_ANON) are both there. */
export type VmCounters = ReadonlyMap<string, VmCounter>;

const MAX_ITEMS = 1024;

/** Names and indices of a counter enum without the one that only counts them. */
function itemsOf(program: Program, type: string): readonly { readonly name: string; readonly index: number }[] {
  const found = program.types.tryFind(type);
  if (found?.kind !== 'enum') return [];
  return (found.enumerators ?? [])
    .map(({ name, value }) => ({ name, index: Number(value) }))
    .filter(({ name, index }) => !/^NR_(VM_.*|.*_)?ITEMS$/.test(name) && index >= 0 && index < MAX_ITEMS);
}

/** Adds `s8` differences of every online CPU to `sums`. */
function addDiffs(
  program: Program,
  perCpu: Field | undefined,
  diff: Field | undefined,
  owner: VirtAddr,
  sums: number[],
): void {
  // Without SMP there are no differences; until 2.6.33 `pageset` was no __percpu pointer, and is not read.
  if (perCpu === undefined || diff === undefined || strip(perCpu.type).kind !== 'pointer') return;
  const base = perCpu.pointer(owner);
  if (base === 0n) return;
  const length = Math.min(sizeOf(diff.type), MAX_ITEMS);
  for (const cpu of cpus(program, 'online')) {
    const bytes = program.memory.readBytes(diff.address(program.perCpuAddress(base, cpu)), length);
    new Int8Array(bytes.buffer, bytes.byteOffset, length).forEach((value, i) => {
      sums[i] = (sums[i] ?? 0) + value;
    });
  }
}

function addZoneDiffs(program: Program, zone: VirtAddr, sums: number[]): void {
  // struct per_cpu_zonestat since 5.14 (commit 28f836b6777b); in struct per_cpu_pageset before.
  const split = program.tryField('struct zone', 'per_cpu_zonestats');
  const perCpu = split ?? program.tryField('struct zone', 'pageset');
  const type = split === undefined ? 'struct per_cpu_pageset' : 'struct per_cpu_zonestat';
  addDiffs(program, perCpu, program.tryField(type, 'vm_stat_diff'), zone, sums);
}

function addNodeDiffs(program: Program, node: VirtAddr, sums: number[]): void {
  const perCpu = program.tryField('struct pglist_data', 'per_cpu_nodestats');
  addDiffs(program, perCpu, program.tryField('struct per_cpu_nodestat', 'vm_node_stat_diff'), node, sums);
}

/** Reads `atomic_long_t` counters at `at`. */
function read(
  program: Program,
  type: 'enum zone_stat_item' | 'enum node_stat_item' | 'enum numa_stat_item',
  at: VirtAddr,
  array: string,
  diffs: readonly number[],
): VmCounters {
  const counters = new Map<string, VmCounter>();
  for (const { name, index } of itemsOf(program, type)) {
    const folded = Number(program.memory.readS64(add(at, 8 * index)));
    counters.set(name, { value: folded + (diffs[index] ?? 0), folded, source: `${array}[${name}]` });
  }
  return counters;
}

/**
 * Where pages were allocated: `atomic_long_t vm_numa_stat[]`, by `enum numa_stat_item`, from 4.14 (commit 3a321d2a3dde) to
 * 5.13 (commit f19298b9516c made events of them). What each CPU has not added yet are `u16`s.
 * @returns none on other kernels
 * @throws FaultError, LookupError, ValidationError
 */
export function numaCounters(program: Program): VmCounters {
  const symbol = program.symbols.kernel.lookup('vm_numa_stat');
  const diff = program.tryField('struct per_cpu_pageset', 'vm_numa_stat_diff');
  if (symbol === undefined || itemsOf(program, 'enum numa_stat_item').length === 0) return new Map();
  const sums: number[] = [];
  const perCpu = program.tryField('struct zone', 'pageset');
  for (const node of memoryNodes(program))
    for (const { address } of zonesOf(program, node)) {
      const base = perCpu?.pointer(address) ?? 0n;
      if (diff === undefined || base === 0n) continue;
      const length = Math.min(sizeOf(diff.type), 2 * MAX_ITEMS);
      for (const cpu of cpus(program, 'online')) {
        const bytes = program.memory.readBytes(diff.address(program.perCpuAddress(base as VirtAddr, cpu)), length);
        const view = new DataView(bytes.buffer, bytes.byteOffset, length);
        for (let i = 0; 2 * i + 2 <= length; i++) sums[i] = (sums[i] ?? 0) + view.getUint16(2 * i, true);
      }
    }
  return read(program, 'enum numa_stat_item', symbol.address, 'vm_numa_stat', sums);
}

/** Counters that say how many pages there are of a kind: their sum over zones or nodes is that of the whole machine. */
const GAUGES: ReadonlySet<string> = new Set([
  'NR_FREE_PAGES',
  'NR_INACTIVE_ANON',
  'NR_ACTIVE_ANON',
  'NR_INACTIVE_FILE',
  'NR_ACTIVE_FILE',
  'NR_FILE_PAGES',
  'NR_SHMEM',
  'NR_SLAB_RECLAIMABLE',
  'NR_SLAB_RECLAIMABLE_B',
  'NR_SLAB_UNRECLAIMABLE',
  'NR_SLAB_UNRECLAIMABLE_B',
]);
/** What a CPU may have added to one of the two and not yet to the other: its differences, s8, of each zone. */
const MAX_DIFF = 127;

/**
 * The kernel keeps each counter twice, for the machine and for its zones or nodes; a damaged page makes them differ.
 * @param parts - `struct zone *` or `struct pglist_data *` of all
 * @throws ValidationError when they do by more than CPUs may just be adding
 */
function compare(
  program: Program,
  whole: { readonly at: VirtAddr; readonly array: string },
  type: 'enum zone_stat_item' | 'enum node_stat_item',
  stat: Field | undefined,
  parts: readonly VirtAddr[],
): void {
  if (stat === undefined) return;
  const count = attempt(() => cpus(program, 'possible').length) ?? 1;
  const slack = MAX_DIFF * count * (parts.length + 1);
  const readAt = (array: VirtAddr, index: number): number => Number(program.memory.readS64(add(array, 8 * index)));
  for (const { name, index } of itemsOf(program, type)) {
    if (!GAUGES.has(name)) continue;
    const sum = parts.reduce((so, part) => so + readAt(stat.address(part), index), 0);
    const value = readAt(whole.at, index);
    if (Math.abs(value - sum) > slack)
      throw new ValidationError(`${whole.array}[${name}]`, whole.at, `is ${value}, and those of its parts are ${sum}`);
  }
}

/**
 * Counters of the whole machine: `atomic_long_t vm_zone_stat[]` and `vm_node_stat[]`; until 4.7 `vm_stat[]`.
 * @throws FaultError, LookupError, ValidationError, also when they contradict those of the zones and nodes
 */
export function vmCounters(program: Program): VmCounters {
  const nodes = memoryNodes(program);
  const ofZones: number[] = [];
  const ofNodes: number[] = [];
  const zones = nodes.flatMap((node) => zonesOf(program, node).map((zone) => zone.address));
  for (const node of nodes) addNodeDiffs(program, node.address, ofNodes);
  for (const zone of zones) addZoneDiffs(program, zone, ofZones);
  // Split in 4.8 (commit 75ef71840539).
  const split = program.hasSymbol('vm_zone_stat');
  const array = split ? 'vm_zone_stat' : 'vm_stat';
  program.layouts.chose(
    'memory counters',
    split ? 'of zones and of nodes (since 4.8)' : 'vm_stat (until 4.7)',
    split ? PROVEN : [],
  );
  const inZones = program.symbol(array).address;
  const zoneStat = program.tryField('struct zone', 'vm_stat');
  compare(program, { at: inZones, array }, 'enum zone_stat_item', zoneStat, zones);
  const zone = read(program, 'enum zone_stat_item', inZones, array, ofZones);
  if (!split) return zone;
  const at = program.symbol('vm_node_stat').address;
  const nodeStat = program.tryField('struct pglist_data', 'vm_stat');
  const owners = nodes.map((node) => node.address);
  compare(program, { at, array: 'vm_node_stat' }, 'enum node_stat_item', nodeStat, owners);
  return new Map([...zone, ...read(program, 'enum node_stat_item', at, 'vm_node_stat', ofNodes)]);
}

/**
 * Counters of one zone, `zone.vm_stat[]`.
 * @param zone - `struct zone *`
 * @throws FaultError, LookupError, ValidationError
 */
export function zoneCounters(program: Program, zone: VirtAddr): VmCounters {
  const diffs: number[] = [];
  addZoneDiffs(program, zone, diffs);
  const at = program.field('struct zone', 'vm_stat').address(zone);
  return read(program, 'enum zone_stat_item', at, 'zone.vm_stat', diffs);
}

/**
 * Counters of one node, `pglist_data.vm_stat[]`; none until 4.7.
 * @param node - a `struct pglist_data`
 * @throws FaultError, LookupError, ValidationError
 */
export function nodeCounters(program: Program, node: MemoryNode): VmCounters {
  const stat = program.tryField('struct pglist_data', 'vm_stat');
  if (stat === undefined) return new Map();
  const diffs: number[] = [];
  addNodeDiffs(program, node.address, diffs);
  return read(program, 'enum node_stat_item', stat.address(node.address), 'pglist_data.vm_stat', diffs);
}

/**
 * Events since boot, `struct vm_event_state vm_event_states` summed over the online CPUs, as /proc/vmstat does: an
 * offline CPU's counts were added to another's. Names as in `enum vm_event_item`.
 * @throws FaultError, LookupError, ValidationError; LookupError without CONFIG_VM_EVENT_COUNTERS
 */
export function vmEvents(program: Program): ReadonlyMap<string, bigint> {
  const base = program.symbol('vm_event_states').address;
  const offset = program.field('struct vm_event_state', 'event').offset;
  const items = itemsOf(program, 'enum vm_event_item');
  const sums = new Map<string, bigint>();
  for (const cpu of cpus(program, 'online')) {
    const at = add(program.perCpuAddress(base, cpu), offset);
    for (const { name, index } of items) {
      sums.set(name, (sums.get(name) ?? 0n) + program.memory.readU64(add(at, 8 * index)));
    }
  }
  return sums;
}
