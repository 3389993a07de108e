/**
 * `kmem -s`: the slab caches in crash's columns. Slabs and objects as a cache's own counters and lists tell; where a list is
 * broken or not as long as its count, all page structures are counted, so that nothing is lost. Objects that CPUs keep ready
 * count as free, as in crash.
 */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { pageLedgerFact } from '../diagnosis/facts/page-ledger.ts';
import { slabCaches } from '../kernel/slab.ts';
import { cpuFreeObjects } from '../kernel/slub-cpu.ts';
import { slabCounter } from '../kernel/slab-counts.ts';
import type { CommandContext } from '../model/command.ts';
import { type Cell, type Column, type Shape, shown } from '../model/shape.ts';
import { address, byteCount, type Data, name } from '../model/value.ts';
import { hex16 } from './format.ts';

/** Bits of `kmem_cache_order_objects.x` below the order. */
const OO_SHIFT = 16;
const MAX_ORDER = 20;

/** Whether a word is the name or the address of a cache. */
export function isCache({ program }: CommandContext, text: string): boolean {
  return [...slabCaches(program)].some(([cache, called]) => called === text || cache === parseAddress(text));
}

/**
 * The caches that are meant.
 * @param wanted - names or addresses of caches; all when there are none
 * @param ignored - names of caches that are left out
 * @throws UsageError when none of them is there
 */
export function wantedCaches(
  context: CommandContext,
  wanted: readonly string[],
  ignored: readonly string[] = [],
): ReadonlyMap<VirtAddr, string> {
  const caches = slabCaches(context.program);
  const isThere = (each: string): boolean =>
    [...caches].some(([cache, called]) => called === each || cache === parseAddress(each));
  const unknown = wanted.filter((each) => !isThere(each));
  if (unknown.length > 0 && unknown.length === wanted.length)
    throw new UsageError(`no slab cache is called '${unknown.join("', '")}'`);
  for (const each of unknown) context.failure(`no slab cache is called '${each}'`);
  return new Map(
    [...caches].filter(
      ([cache, called]) =>
        (wanted.length === 0 || wanted.some((each) => each === called || parseAddress(each) === cache)) &&
        !ignored.includes(called),
    ),
  );
}

const COLUMNS: readonly Column[] = [
  { key: 'cache', label: 'CACHE', align: 'left', width: 16 },
  { key: 'objectSize', label: 'OBJSIZE', align: 'right', width: 7 },
  { key: 'allocated', label: 'ALLOCATED', align: 'right', width: 9 },
  { key: 'total', label: 'TOTAL', align: 'right', width: 8 },
  { key: 'slabs', label: 'SLABS', align: 'right', width: 5 },
  { key: 'slabSize', label: 'SSIZE', align: 'right', width: 5 },
  { key: 'name', label: 'NAME', align: 'left' },
];

/** All caches, or some of them: as `wantedCaches`. */
export function slabTable(context: CommandContext, wanted: readonly string[], ignored: readonly string[] = []): Shape {
  const rowOf = slabRows(context);
  const rows = [...wantedCaches(context, wanted, ignored)].map(([cache, called]) => {
    context.budget.check();
    return rowOf(cache, called);
  });
  return { shape: 'table', columns: COLUMNS, rows };
}

/** Names and addresses of all caches: `kmem -s list`. */
export function slabNames(context: CommandContext): Shape {
  return {
    shape: 'table',
    header: false,
    columns: [
      { key: 'cache', label: 'CACHE', align: 'left', width: 16 },
      { key: 'name', label: 'NAME', align: 'left', gap: 1 },
    ],
    rows: [...slabCaches(context.program)].map(([cache, called]) => [
      shown(hex16(cache), address(cache)),
      name(called),
    ]),
  };
}

/** One cache under its header. */
export interface SlabSummary {
  readonly lines: (cache: VirtAddr, called: string) => readonly string[];
  readonly data: (cache: VirtAddr, called: string) => { readonly [key: string]: Data };
}

/** The row of a cache for lines and data of other views. */
export function slabSummary(context: CommandContext): SlabSummary {
  const rowOf = slabRows(context);
  const text = (cell: Cell): string =>
    cell === undefined ? '?' : typeof cell === 'object' ? ('text' in cell ? cell.text : '') : String(cell);
  const padded = (cells: readonly string[]): string =>
    COLUMNS.map(({ align, width = 0 }, i) =>
      align === 'left' ? (cells[i] ?? '').padEnd(width) : (cells[i] ?? '').padStart(width),
    )
      .join('  ')
      .trimEnd();
  const header = padded(COLUMNS.map(({ label }) => label));
  return {
    lines: (cache, called) => [header, padded([...rowOf(cache, called).slice(0, -1).map(text), called])],
    data: (cache, called) => {
      const [, objectSize, allocated, total, slabs, slabSize] = rowOf(cache, called);
      const plain = (cell: Cell): Data => (typeof cell === 'object' ? ('text' in cell ? cell.data : undefined) : cell);
      return {
        cache: address(cache),
        objectSize: plain(objectSize),
        allocated: plain(allocated),
        total: plain(total),
        slabs: plain(slabs),
        slabSize: plain(slabSize),
        name: name(called),
      };
    },
  };
}

function slabRows(context: CommandContext): (cache: VirtAddr, called: string) => Cell[] {
  const { program } = context;
  const countsOf = counting(context);
  const objectSize = program.firstField('struct kmem_cache', ['object_size', 'objsize']);
  const order = program.tryField('struct kmem_cache', 'oo.x');
  return (cache, called) => {
    const { slabs = 0, objects = 0, used } = countsOf(cache);
    const kept = slabs === 0 ? 0 : attempt(() => cpuFreeObjects(program, cache) ?? 0);
    if (kept === undefined) context.problem(`${called}: the free objects that CPUs keep cannot be followed`);
    const size = attempt(() => objectSize.number(cache));
    const shift = attempt(() => (order?.number(cache) ?? 0) >>> OO_SHIFT);
    if (size === undefined || shift === undefined) context.problem(`${called}: its kmem_cache cannot be read`);
    const slabSize = shift === undefined || shift > MAX_ORDER ? undefined : program.pageSize * 2 ** shift;
    return [
      shown(hex16(cache), address(cache)),
      size,
      used === undefined || kept === undefined ? undefined : used - kept,
      objects,
      slabs,
      slabSize === undefined ? undefined : shown(`${slabSize / 1024}k`, byteCount(slabSize)),
      name(called),
    ];
  };
}

/** What is known of a cache: undefined numbers for another allocator than SLUB. */
interface Counts {
  readonly slabs?: number;
  readonly objects?: number | undefined;
  readonly used: number | undefined;
}

function counting(context: CommandContext): (cache: VirtAddr) => Counts {
  const listed = attempt(() => slabCounter(context.program));
  let inPages: ReadonlyMap<VirtAddr, Counts> | undefined;
  return (cache) => {
    const counts = listed === undefined ? undefined : attempt(() => listed(cache));
    if (counts !== undefined) return counts;
    inPages ??= new Map(context.use(pageLedgerFact).slabs.map((slabs) => [slabs.cache, slabs]));
    return inPages.get(cache) ?? { used: 0 };
  };
}
