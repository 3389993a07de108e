/**
 * `kmem -f` and `kmem -v`: the free lists of the buddy allocator, walked and compared with their counts, and the areas of
 * the vmalloc address space, with pages and caller behind crash's columns.
 */
import { pfn, type VirtAddr, virt } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { freeListBlocks, type FreeList, freeLists } from '../kernel/free-lists.ts';
import { pageOfFrame } from '../kernel/page.ts';
import { vmallocAreas, type VmallocArea } from '../kernel/vmalloc.ts';
import { freeBlocks, type Zone, zones } from '../kernel/zone.ts';
import type { CommandContext } from '../model/command.ts';
import { type Cell, type Shape, shown } from '../model/shape.ts';
import { address, type Data, name } from '../model/value.ts';
import { hex16 } from './format.ts';

interface Walked {
  readonly list: FreeList;
  readonly blocks: number;
}

export function freeAreas(context: CommandContext): Shape {
  const { program } = context;
  const lists = freeLists(program);
  let counted = 0;
  let found = 0;
  const read = zones(program).map((zone) => {
    const walked = lists
      .filter((list) => list.zone === zone.address)
      .map((list): Walked => {
        context.budget.check();
        let blocks = 0;
        const whole = attempt(() => {
          for (const _ of freeListBlocks(program, list)) blocks++;
          return true;
        });
        if (whole === undefined)
          context.problem(
            `zone ${zone.name}: the list of order ${list.order}, ${list.migrateType}, is broken after ${blocks} blocks`,
          );
        found += blocks * 2 ** list.order;
        return { list, blocks };
      });
    const counts = attempt(() => freeBlocks(program, zone.address));
    counted += counts?.reduce((sum, blocks, order) => sum + blocks * 2 ** order, 0) ?? 0;
    return { zone, walked };
  });
  const verdict = counted === found ? '(verified)' : `(the lists have ${found})`;
  if (counted !== found) context.problem(`the free lists have ${found} pages, and nr_free counts ${counted}`);
  return {
    shape: 'lines',
    lines: [...read.flatMap((each) => [...zoneLines(context, each), '']), `nr_free_pages: ${counted}  ${verdict}`],
    data: () => ({ zones: read.map(zoneData), free: counted, walked: found }),
  };
}

function zoneLines(context: CommandContext, { zone, walked }: { zone: Zone; walked: readonly Walked[] }): string[] {
  const { program } = context;
  const free = walked.reduce((sum, { list, blocks }) => sum + blocks * 2 ** list.order, 0);
  const map = zone.spanned === 0 ? 0n : (attempt(() => pageOfFrame(program, pfn(zone.startPfn))) ?? 0n);
  const start = (zone.spanned === 0 ? 0 : zone.startPfn) * program.pageSize;
  const index = zones(program)
    .filter(({ node }) => node === zone.node)
    .findIndex(({ address: at }) => at === zone.address);
  const center = (text: string, width: number): string => {
    const left = Math.floor((width - text.length) / 2);
    return `${' '.repeat(Math.max(0, left))}${text}`.padEnd(width);
  };
  const lines = [
    'ZONE  NAME        SIZE    FREE      MEM_MAP       START_PADDR  START_MAPNR',
    `${String(index).padStart(3)}   ${zone.name.padEnd(9)}${String(zone.spanned).padStart(7)}${String(free).padStart(8)}  ${center(
      map === 0n ? '0' : hex16(map),
      16,
    )}  ${center(start.toString(16), 12)}  ${center(String(start / program.pageSize), 10)}`,
  ];
  if (zone.spanned === 0) return lines;
  lines.push('AREA    SIZE  FREE_AREA_STRUCT  BLOCKS  PAGES  MIGRATE_TYPE');
  for (const { list, blocks } of walked) {
    const size = `${(program.pageSize * 2 ** list.order) / 1024}k`;
    lines.push(
      `${String(list.order).padStart(3)}  ${size.padStart(7)}  ${hex16(list.head)}  ${String(blocks).padStart(6)}  ${String(
        blocks * 2 ** list.order,
      ).padStart(5)}  ${list.migrateType}`,
    );
  }
  return lines;
}

function zoneData({ zone, walked }: { readonly zone: Zone; readonly walked: readonly Walked[] }): Data {
  return {
    node: zone.node,
    name: name(zone.name),
    address: address(zone.address),
    lists: walked.map(({ list, blocks }) => ({
      order: list.order,
      migrateType: list.migrateType,
      head: address(list.head),
      blocks,
      pages: blocks * 2 ** list.order,
    })),
  };
}

/** @param wanted - an address inside of the area that is shown; all when it is undefined */
export function vmallocTable(context: CommandContext, wanted: VirtAddr | undefined): Shape {
  const { program } = context;
  const rows: Cell[][] = [];
  let total = 0;
  for (const area of inOrder(vmallocAreas(program))) {
    context.budget.check();
    const end = virt(area.start + BigInt(area.size));
    if (wanted !== undefined && (wanted < area.start || wanted >= end)) continue;
    total += area.pageCount;
    const caller = area.caller === undefined ? undefined : program.symbols.at(area.caller);
    rows.push([
      shown(hex16(area.area), address(area.area)),
      area.vm === undefined ? undefined : shown(hex16(area.vm), address(area.vm)),
      shown(`${hex16(area.start)} - ${hex16(end)}`, { start: address(area.start), end: address(end) }),
      area.size,
      area.pageCount,
      caller === undefined ? undefined : { kind: 'symbol', value: caller.name },
    ]);
  }
  if (wanted !== undefined && rows.length === 0) throw new UsageError(`no vmalloc area holds ${hex16(wanted)}`);
  return {
    shape: 'table',
    header: '   VMAP_AREA         VM_STRUCT                 ADDRESS RANGE                SIZE   PAGES  CALLER',
    columns: [
      { key: 'area', label: 'VMAP_AREA', align: 'left', width: 16 },
      { key: 'vm', label: 'VM_STRUCT', align: 'left', width: 16 },
      { key: 'range', label: 'ADDRESS RANGE', align: 'left', width: 35 },
      { key: 'size', label: 'SIZE', align: 'right', width: 7 },
      { key: 'pages', label: 'PAGES', align: 'right', width: 6 },
      { key: 'caller', label: 'CALLER', align: 'left' },
    ],
    rows,
  };
}

/** In the order of their addresses, as several trees hold them since 6.9. */
function inOrder(areas: Iterable<VmallocArea>): readonly VmallocArea[] {
  return [...areas].sort((a, b) => (a.start < b.start ? -1 : 1));
}
