/**
 * `kmem -z`, `-V` and `-h`: the zones with their watermarks, the counters of the memory manager and its events, the pools of
 * huge pages. Counters have what CPUs have not added to them yet, which crash leaves out.
 */
import { attempt } from '../base/errors.ts';
import { hugePagePools } from '../kernel/hugetlb.ts';
import { numaCounters, vmCounters, vmEvents, type VmCounters, zoneCounters } from '../kernel/vmstat.ts';
import { type Zone, zones } from '../kernel/zone.ts';
import type { CommandContext } from '../model/command.ts';
import { type Shape, shown } from '../model/shape.ts';
import { address, byteCount, type Data, name } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { hex16, integer } from './format.ts';

const ZONE_LABEL = 21;
const LABEL = 26;
const EVENT_LABEL = 29;

/** Names of an enum in its order; of several names for one value the last, as crash has it. */
function namesOf(program: Program, type: string): readonly string[] {
  const found = program.types.tryFind(type);
  const byValue = new Map<bigint, string>();
  for (const { name: called, value } of (found?.kind === 'enum' ? found.enumerators : undefined) ?? [])
    byValue.set(value, called);
  return [...byValue].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, called]) => called);
}

function counterLines(names: readonly string[], counters: VmCounters, width: number): string[] {
  return names.flatMap((called) => {
    const counter = counters.get(called);
    return counter === undefined ? [] : [`${called.padStart(width)}: ${counter.value}`];
  });
}

function countersData(counters: VmCounters): Data {
  return Object.fromEntries([...counters].map(([called, { value }]) => [called, value]));
}

/** One block for each zone. */
export function zoneBlocks(context: CommandContext): Shape {
  const { program } = context;
  const all = zones(program);
  const names = namesOf(program, 'enum zone_stat_item');
  const read = all.map((zone) => {
    const counters = attempt(() => zoneCounters(program, zone.address));
    if (counters === undefined) context.problem(`zone ${zone.name}: its counters cannot be read`);
    return { zone, counters };
  });
  const index = new Map<Zone, number>();
  const perNode = new Map<number, number>();
  for (const zone of all) {
    index.set(zone, perNode.get(zone.node) ?? 0);
    perNode.set(zone.node, (perNode.get(zone.node) ?? 0) + 1);
  }
  return {
    shape: 'lines',
    lines: read.flatMap(({ zone, counters }) => [
      `NODE: ${zone.node}  ZONE: ${index.get(zone)}  ADDR: ${hex16(zone.address)}  NAME: "${zone.name}"`,
      ...(zone.spanned === 0 ? ['  [unpopulated]'] : zoneLines(zone, counters, names)),
      '',
    ]),
    data: () =>
      read.map(({ zone, counters }) => ({
        node: zone.node,
        name: name(zone.name),
        address: address(zone.address),
        spanned: zone.spanned,
        present: zone.present,
        managed: zone.managed,
        watermark: { ...zone.watermark },
        lowmemReserve: zone.lowmemReserve,
        reservedHighatomic: zone.reservedHighatomic,
        counters: counters === undefined ? undefined : countersData(counters),
      })),
  };
}

function zoneLines(zone: Zone, counters: VmCounters | undefined, names: readonly string[]): string[] {
  const { min, low, high, boost } = zone.watermark;
  const present = zone.present === zone.spanned ? '' : `  PRESENT: ${zone.present}`;
  const free = counters?.get('NR_FREE_PAGES')?.value;
  return [
    `  SIZE: ${zone.spanned}${present}  MIN/LOW/HIGH: ${min + boost}/${low + boost}/${high + boost}`,
    `  MANAGED: ${zone.managed}  BOOST: ${boost}  LOWMEM_RESERVE: ${zone.lowmemReserve.join('/')}  ${stateOf(zone, free)}`,
    '  VM_STAT:',
    ...counterLines(names, counters ?? new Map(), ZONE_LABEL),
    '',
  ];
}

/** Where the free pages stand among the watermarks, for an allocation that may use this zone first. */
function stateOf({ watermark }: Zone, free: number | undefined): string {
  if (free === undefined) return 'FREE: (unknown)';
  const { min, low, high, boost } = watermark;
  if (free < min + boost) return 'FREE: below MIN';
  if (free < low + boost) return 'FREE: between MIN and LOW';
  return free < high + boost ? 'FREE: between LOW and HIGH' : 'FREE: above HIGH';
}

/** All counters and events. */
export function statistics(context: CommandContext): Shape {
  const { program } = context;
  const counters = vmCounters(program);
  const zone = namesOf(program, 'enum zone_stat_item');
  const node = namesOf(program, 'enum node_stat_item');
  const numa = attempt(() => numaCounters(program));
  if (numa === undefined) context.problem('the counters of NUMA cannot be read');
  const events = attempt(() => vmEvents(program));
  if (events === undefined) context.problem('the events cannot be read');
  // Until 4.7 there is one array.
  const split = program.hasSymbol('vm_zone_stat');
  return {
    shape: 'lines',
    lines: [
      split ? '  VM_ZONE_STAT:' : '  VM_STAT:',
      ...counterLines(zone, counters, LABEL),
      '',
      ...(split ? ['  VM_NODE_STAT:', ...counterLines(node, counters, LABEL), ''] : []),
      ...(numa === undefined || numa.size === 0
        ? []
        : ['  VM_NUMA_STAT:', ...counterLines([...numa.keys()], numa, LABEL), '']),
      ...(events === undefined ? [] : ['  VM_EVENT_STATES:']),
      ...[...(events ?? [])].map(([called, value]) => `${called.padStart(EVENT_LABEL)}: ${value}`),
    ],
    data: () => ({
      counters: countersData(new Map([...counters, ...(numa ?? [])])),
      events:
        events === undefined
          ? undefined
          : Object.fromEntries([...events].map(([called, value]) => [called, integer(value)])),
    }),
  };
}

/** The pools of huge pages. */
export function hugePages(context: CommandContext): Shape {
  return {
    shape: 'table',
    header: '     HSTATE        SIZE    FREE   TOTAL  NAME',
    columns: [
      { key: 'hstate', label: 'HSTATE', align: 'left', width: 16 },
      { key: 'size', label: 'SIZE', align: 'right', width: 5 },
      { key: 'free', label: 'FREE', align: 'right', width: 6 },
      { key: 'total', label: 'TOTAL', align: 'right', width: 6 },
      { key: 'name', label: 'NAME', align: 'left' },
    ],
    rows: hugePagePools(context.program).map(({ hstate, size, free, total, name: called }) => [
      shown(hex16(hstate), address(hstate)),
      shown(
        size >= 2 ** 30 ? `${size / 2 ** 30}GB` : size >= 2 ** 20 ? `${size / 2 ** 20}MB` : `${size / 1024}KB`,
        byteCount(size),
      ),
      free,
      total,
      name(called),
    ]),
  };
}
