/**
 * `kmem -s`: the slab caches in crash's columns. Slabs and objects as a cache's own counters and lists tell; where a list is
 * broken or not as long as its count, all page structures are counted, so that nothing is lost. Objects that CPUs keep ready
 * count as free, as in crash.
 */
import type { VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { pageLedgerFact } from '../diagnosis/facts/page-ledger.ts';
import { slabCaches } from '../kernel/slab.ts';
import { cpuFreeObjects } from '../kernel/slub-cpu.ts';
import { slabCounter } from '../kernel/slab-counts.ts';
import type { CommandContext } from '../model/command.ts';
import { type Cell, type Shape, shown } from '../model/shape.ts';
import { address, byteCount, name } from '../model/value.ts';
import { hex16 } from './format.ts';

/** Bits of `kmem_cache_order_objects.x` below the order. */
const OO_SHIFT = 16;
const MAX_ORDER = 20;

/**
 * @param wanted - names of caches; all when there are none
 * @param ignored - names of caches that are left out
 */
export function slabTable(context: CommandContext, wanted: readonly string[], ignored: readonly string[] = []): Shape {
  const { program } = context;
  const caches = slabCaches(program);
  const unknown = wanted.filter((each) => ![...caches.values()].includes(each));
  if (unknown.length > 0 && unknown.length === wanted.length)
    throw new UsageError(`no slab cache is called '${unknown.join("', '")}'`);
  for (const each of unknown) context.failure(`no slab cache is called '${each}'`);
  const countsOf = counting(context);
  const objectSize = program.firstField('struct kmem_cache', ['object_size', 'objsize']);
  const order = program.tryField('struct kmem_cache', 'oo.x');
  const rows: Cell[][] = [];
  for (const [cache, called] of caches) {
    if ((wanted.length > 0 && !wanted.includes(called)) || ignored.includes(called)) continue;
    context.budget.check();
    rows.push(row(cache, called));
  }
  return {
    shape: 'table',
    columns: [
      { key: 'cache', label: 'CACHE', align: 'left', width: 16 },
      { key: 'objectSize', label: 'OBJSIZE', align: 'right', width: 7 },
      { key: 'allocated', label: 'ALLOCATED', align: 'right', width: 9 },
      { key: 'total', label: 'TOTAL', align: 'right', width: 8 },
      { key: 'slabs', label: 'SLABS', align: 'right', width: 5 },
      { key: 'slabSize', label: 'SSIZE', align: 'right', width: 5 },
      { key: 'name', label: 'NAME', align: 'left' },
    ],
    rows,
  };

  function row(cache: VirtAddr, called: string): Cell[] {
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
  }
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
