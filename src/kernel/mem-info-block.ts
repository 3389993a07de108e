/**
 * The block that show_mem() writes into the log (mm/show_mem.c, until 6.3 mm/page_alloc.c): counters of the whole
 * machine, free memory and watermarks of each zone, free blocks by order. OOM reports and allocation failures hold it.
 */

export interface LoggedZone {
  readonly node: number;
  readonly name: string;
  /** Kilobytes by the kernel's own names: free, min, low, high, present, managed ... */
  readonly kilobytes: ReadonlyMap<string, number>;
  /** Free blocks of 2^i pages; empty when that line is missing. */
  readonly freeBlocks: readonly number[];
  /** Pages that are kept back from allocations that could have come from a higher zone, the most of them. */
  readonly lowmemReserve: number;
}

export interface MemInfoBlock {
  /** Pages by the kernel's own names: active_anon, free, slab_unreclaimable ... */
  readonly pages: ReadonlyMap<string, number>;
  readonly zones: readonly LoggedZone[];
  /** Kilobytes. */
  readonly swapFree: number | undefined;
  readonly swapTotal: number | undefined;
  /** Pages. */
  readonly ram: number | undefined;
}

const MAX_NAMES = 200;
/** `active_anon:646 inactive_anon:69493`, the second line of the block on with a blank before. */
const COUNTERS = /^ ?(?:[a-z_]+(?:\([a-z]+\))?:\d+ ?)+$/;
const ZONE = /^(?:Node (\d+) )?(\w+) free:\d+kB /;
/** '2*4kB (UM) 1*8kB (M) ... = 1168kB'; the letters since 3.9. */
const BLOCKS = /^(?:Node (\d+) )?(\w+): (\d+\*\d+kB .*)= \d+kB/;

/** What show_mem() printed of `struct zone` and the counters; undefined when the lines hold no such block. */
export function memInfoBlock(lines: readonly string[]): MemInfoBlock | undefined {
  const begin = lines.findIndex((line) => /^Mem-[Ii]nfo:/.test(line));
  if (begin < 0) return undefined;
  const pages = new Map<string, number>();
  const zones = new Map<
    string,
    { node: number; name: string; kilobytes: Map<string, number>; freeBlocks: number[]; lowmemReserve: number }
  >();
  let last: { lowmemReserve: number } | undefined;
  let swapFree: number | undefined;
  let swapTotal: number | undefined;
  let ram: number | undefined;
  for (const line of lines.slice(begin + 1)) {
    const zone = ZONE.exec(line);
    const blocks = zone === null ? BLOCKS.exec(line) : null;
    if (zone !== null) {
      const [, node = '0', name = ''] = zone;
      const entry = { node: Number(node), name, kilobytes: kilobytesOf(line), freeBlocks: [], lowmemReserve: 0 };
      last = entry;
      if (zones.size < MAX_NAMES) zones.set(`${node} ${name}`, entry);
    } else if (blocks !== null) {
      const [, node = '0', name = '', text = ''] = blocks;
      const free = [...text.matchAll(/(\d+)\*\d+kB/g)].map(([, count]) => Number(count));
      zones.get(`${node} ${name}`)?.freeBlocks.push(...free.slice(0, 32));
    } else if (line.startsWith('lowmem_reserve[]:')) {
      const reserves = [...line.matchAll(/ (\d{1,12})/g)].map(([, pages]) => Number(pages));
      if (last !== undefined) last.lowmemReserve = Math.max(0, ...reserves.slice(0, 16));
    } else if (COUNTERS.test(line)) {
      for (const [, name = '', value] of line.matchAll(/([a-z_]+(?:\([a-z]+\))?):(\d+)/g))
        if (pages.size < MAX_NAMES && !pages.has(name)) pages.set(name, Number(value));
    } else {
      swapFree ??= numberIn(/^Free swap +(?:=|:) *(\d+)kB/, line);
      swapTotal ??= numberIn(/^Total swap +(?:=|:) *(\d+)kB/, line);
      ram ??= numberIn(/^(\d+) pages (?:of )?RAM/, line);
    }
  }
  return { pages, zones: [...zones.values()], swapFree, swapTotal, ram };
}

function kilobytesOf(line: string): Map<string, number> {
  const out = new Map<string, number>();
  for (const [, name = '', value] of line.matchAll(/([a-z_]+(?:\([a-z]+\))?):(\d+)k?K?B/g))
    if (out.size < MAX_NAMES) out.set(name, Number(value));
  return out;
}

function numberIn(pattern: RegExp, line: string): number | undefined {
  const found = pattern.exec(line);
  return found === null ? undefined : Number(found[1]);
}
