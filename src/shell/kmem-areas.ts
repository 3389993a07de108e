/** `kmem -v`: the areas of the vmalloc address space, with pages and caller behind crash's columns. */
import { type VirtAddr, virt } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { vmallocAreas, type VmallocArea } from '../kernel/vmalloc.ts';
import type { CommandContext } from '../model/command.ts';
import { type Cell, type Shape, shown } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { hex16 } from './format.ts';

/** The area that holds an address, as a line under crash's header; undefined when none does. */
export function vmallocAreaAt(
  { program }: CommandContext,
  at: VirtAddr,
): { readonly lines: readonly string[]; readonly data: Data } | undefined {
  for (const { area, vm, start, size } of vmallocAreas(program)) {
    const end = virt(start + BigInt(size));
    if (at < start || at >= end) continue;
    return {
      lines: [
        '   VMAP_AREA         VM_STRUCT                 ADDRESS RANGE                SIZE',
        `${hex16(area)}  ${vm === undefined ? ''.padEnd(16) : hex16(vm)}  ${hex16(start)} - ${hex16(end)}  ${String(size).padStart(7)}`,
      ],
      data: { area: address(area), start: address(start), end: address(end), size },
    };
  }
  return undefined;
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
