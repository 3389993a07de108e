/**
 * `kmem -f` and `kmem -F`: the free lists of the buddy allocator, walked and compared with their counts; with each block,
 * or the block in which a page is.
 */
import { pfn, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { freeListBlocks, type FreeList, freeLists } from '../kernel/free-lists.ts';
import { frameOfPage, pageOfFrame } from '../kernel/page.ts';
import { freeBlocks, type Zone, zones } from '../kernel/zone.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { address, type Data, name } from '../model/value.ts';
import { hex16 } from './format.ts';
import { frameOfArgument, offsetOfArgument } from './kmem-pages.ts';

/** JSON of all free pages of a large machine would be larger than most dumps. */
const MAX_DATA = 1 << 16;

interface Walked {
  readonly list: FreeList;
  readonly blocks: number;
  /** `struct page *` of each block's first page, where they are wanted. */
  readonly pages: readonly VirtAddr[];
}

/** @param each - with all blocks (`-F`) */
export function freeAreas(context: CommandContext, each: boolean): Shape {
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
        const pages: VirtAddr[] = [];
        const whole = attempt(() => {
          for (const page of freeListBlocks(program, list)) {
            blocks++;
            if (each) pages.push(page);
          }
          return true;
        });
        if (whole === undefined)
          context.problem(
            `zone ${zone.name}: the list of order ${list.order}, ${list.migrateType}, is broken after ${blocks} blocks`,
          );
        found += blocks * 2 ** list.order;
        return { list, blocks, pages };
      });
    const counts = attempt(() => freeBlocks(program, zone.address));
    counted += counts?.reduce((sum, blocks, order) => sum + blocks * 2 ** order, 0) ?? 0;
    return { zone, walked };
  });
  const verdict = counted === found ? '(verified)' : `(the lists have ${found})`;
  if (counted !== found) context.problem(`the free lists have ${found} pages, and nr_free counts ${counted}`);
  return {
    shape: 'lines',
    lines: [
      ...read.flatMap((zone) => [...(each ? blockLines(context, zone) : zoneLines(context, zone)), '']),
      `nr_free_pages: ${counted}  ${verdict}`,
    ],
    data: () => ({ zones: read.map((zone) => zoneData(zone, each)), free: counted, walked: found }),
  };
}

interface WalkedZone {
  readonly zone: Zone;
  readonly walked: readonly Walked[];
}

/** A zone's name, size and free pages, below crash's header. */
function zoneHead(context: CommandContext, zone: Zone, free: number): string[] {
  const { program } = context;
  const map = zone.spanned === 0 ? 0n : (attempt(() => pageOfFrame(program, pfn(zone.startPfn))) ?? 0n);
  const start = (zone.spanned === 0 ? 0 : zone.startPfn) * program.pageSize;
  const index = zones(program)
    .filter(({ node }) => node === zone.node)
    .findIndex(({ address: at }) => at === zone.address);
  const center = (text: string, width: number): string => {
    const left = Math.floor((width - text.length) / 2);
    return `${' '.repeat(Math.max(0, left))}${text}`.padEnd(width);
  };
  return [
    'ZONE  NAME        SIZE    FREE      MEM_MAP       START_PADDR  START_MAPNR',
    `${String(index).padStart(3)}   ${zone.name.padEnd(9)}${String(zone.spanned).padStart(7)}${String(free).padStart(8)}  ${center(
      map === 0n ? '0' : hex16(map),
      16,
    )}  ${center(start.toString(16), 12)}  ${center(String(start / program.pageSize), 10)}`,
  ];
}

const freePages = (walked: readonly Walked[]): number =>
  walked.reduce((sum, { list, blocks }) => sum + blocks * 2 ** list.order, 0);

function zoneLines(context: CommandContext, { zone, walked }: WalkedZone): string[] {
  const lines = zoneHead(context, zone, freePages(walked));
  if (zone.spanned === 0) return lines;
  lines.push('AREA    SIZE  FREE_AREA_STRUCT  BLOCKS  PAGES  MIGRATE_TYPE');
  for (const { list, blocks } of walked)
    lines.push(
      `${areaLine(context, list)}  ${String(blocks).padStart(6)}  ${String(blocks * 2 ** list.order).padStart(5)}  ${list.migrateType}`,
    );
  return lines;
}

function areaLine({ program }: CommandContext, { order, head }: FreeList): string {
  const size = `${(program.pageSize * 2 ** order) / 1024}k`;
  return `${String(order).padStart(3)}  ${size.padStart(7)}  ${hex16(head)}`;
}

/** Each list with the pages on it. */
function blockLines(context: CommandContext, { zone, walked }: WalkedZone): string[] {
  const lines = zoneHead(context, zone, freePages(walked));
  if (zone.spanned === 0) return lines;
  for (const { list, pages } of walked) {
    lines.push('AREA    SIZE  FREE_AREA_STRUCT', areaLine(context, list));
    for (const page of pages) lines.push(hex16(page));
  }
  return lines;
}

function zoneData({ zone, walked }: WalkedZone, each: boolean): Data {
  return {
    node: zone.node,
    name: name(zone.name),
    address: address(zone.address),
    lists: walked.map(({ list, blocks, pages }) => ({
      order: list.order,
      migrateType: list.migrateType,
      head: address(list.head),
      blocks,
      pages: blocks * 2 ** list.order,
      ...(each ? { first: pages.slice(0, MAX_DATA).map((page) => address(page)) } : {}),
    })),
  };
}

/** A free block with a page in it. */
export interface FoundBlock {
  readonly zone: Zone;
  readonly list: FreeList;
  /** `struct page *` of its first page. */
  readonly page: VirtAddr;
  /** Which page of the block: 0 for the first. */
  readonly index: number;
}

/**
 * The block on a free list that holds a frame; undefined when it is on none. Lists that break off are followed as far as
 * they go.
 * @throws FaultError, LookupError, ValidationError
 */
export function freeBlockOf(context: CommandContext, frame: number): FoundBlock | undefined {
  const { program } = context;
  const zone = zones(program).find(({ startPfn, spanned }) => frame >= startPfn && frame < startPfn + spanned);
  if (zone === undefined) return undefined;
  for (const list of freeLists(program)) {
    if (list.zone !== zone.address) continue;
    context.budget.check();
    let found: FoundBlock | undefined;
    const whole = attempt(() => {
      for (const page of freeListBlocks(program, list)) {
        const index = frame - frameOfPage(program, page);
        if (index >= 0 && index < 2 ** list.order) found = { zone, list, page, index };
        if (found !== undefined) break;
      }
      return true;
    });
    if (whole === undefined) context.problem(`zone ${zone.name}: the list of order ${list.order} is broken`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** 1st, 2nd, 112th. */
function ordinal(n: number): string {
  const last = Math.floor(n / 10) % 10 === 1 ? 0 : n % 10;
  return `${n}${{ 1: 'st', 2: 'nd', 3: 'rd' }[last] ?? 'th'}`;
}

/** A free block in crash's lines. @param inside - the address lies behind the start of its page */
export function freeBlockLines(context: CommandContext, found: FoundBlock, text: string, inside: boolean): string[] {
  const { zone, list, page, index } = found;
  const lists = freeLists(context.program).filter((each) => each.zone === zone.address);
  const free = lists.reduce((sum, each) => {
    let blocks = 0;
    attempt(() => {
      for (const _ of freeListBlocks(context.program, each)) blocks++;
    });
    return sum + blocks * 2 ** each.order;
  }, 0);
  return [
    ...zoneHead(context, zone, free),
    'AREA    SIZE  FREE_AREA_STRUCT',
    areaLine(context, list),
    `${hex16(page)}  (${text} is ${inside ? 'in ' : ''}${ordinal(index + 1)} of ${2 ** list.order} pages)`,
  ];
}

/** As data: undefined for a page that is not free. */
export function freeBlockData(found: FoundBlock | undefined): Data {
  return found === undefined
    ? undefined
    : {
        zone: name(found.zone.name),
        order: found.list.order,
        migrateType: found.list.migrateType,
        first: address(found.page),
        pages: 2 ** found.list.order,
        index: found.index,
      };
}

/** Whether pages are free, and in which blocks. @param wanted - addresses as `frameOfArgument` takes them */
export function freeBlocksAt(context: CommandContext, wanted: readonly string[], physical: boolean): Shape {
  const found = wanted.map((text) => {
    const frame = frameOfArgument(context.program, text, physical);
    const inside = offsetOfArgument(context.program, text, physical) > 0;
    return { text, inside, block: freeBlockOf(context, frame) };
  });
  return {
    shape: 'lines',
    lines: found.flatMap(({ text, inside, block }, i) => [
      ...(i === 0 ? [] : ['']),
      ...(block === undefined ? [`${text} is on no free list`] : freeBlockLines(context, block, text, inside)),
    ]),
    data: () => found.map(({ text, block }) => ({ address: text, free: freeBlockData(block) })),
  };
}
