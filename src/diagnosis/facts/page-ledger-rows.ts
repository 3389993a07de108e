/**
 * The page ledger beside the kernel's own counters: the same quantity counted twice, once in the page structures and once
 * by the kernel (what CPUs have not added yet included), row by row, with the difference.
 */
import { attempt } from '../../base/errors.ts';
import { type Known, known, unknown } from '../../kernel/known.ts';
import { meminfo } from '../../kernel/meminfo.ts';
import type { PageClassId } from '../../kernel/page-class.ts';
import { codeOf } from '../../kernel/page-class.ts';
import type { TallyBit } from '../../kernel/page-tally.ts';
import type { PageWalk } from '../../kernel/page-walk.ts';
import { vmCounters, type VmCounters, vmEvents, zoneCounters } from '../../kernel/vmstat.ts';
import type { Program } from '../../program/program.ts';

export interface LedgerRow {
  /** 'free', 'page tables'. */
  readonly label: string;
  /** Pages by the page structures. */
  readonly pages: number;
  /** Pages by the kernel's counter; unknown where this kernel has none or it cannot be read. */
  readonly counted: Known<number>;
  /** `pages - counted`. */
  readonly difference: number | undefined;
  /** Why the two need not be equal; undefined where they should. */
  readonly note: string | undefined;
}

/** Until 6.14 nothing in its page structure tells kmalloc of several pages, which the counter of slabs has too. */
function largeKmalloc({ scan }: PageWalk): string {
  const compound = scan.unclassified.compound;
  return `the counter has kmalloc of several pages too, which page structures do not tell until 6.14; ${compound} pages of compound pages are unclassified`;
}

/** All rows; `walk` has looked at every frame. */
export function ledgerRows(program: Program, walk: PageWalk): readonly LedgerRow[] {
  const { scan, claims } = walk;
  const rows: LedgerRow[] = [];
  const counters = known('vm_zone_stat', () => vmCounters(program));
  const info = meminfo(program);
  const add = (label: string, pages: number, counted: Known<number>, note?: string): void => {
    const difference = counted.value === undefined ? undefined : pages - counted.value;
    rows.push({ label, pages, counted, difference, note });
  };
  const of = (...ids: readonly PageClassId[]): number =>
    ids.reduce((sum, id) => sum + (scan.pages[codeOf(id)] ?? 0), 0);
  const tally = (all: readonly TallyBit[], none: readonly TallyBit[] = []): number => scan.tally.sum(all, none);
  const counter = (...names: readonly [string, ...string[]]): Known<number> => sumOf(counters, [names]);
  const inPages = (value: Known<number>): Known<number> => ({
    ...value,
    value: value.value === undefined ? undefined : value.value / program.pageSize,
  });

  const managed = scan.regions.zones.reduce((sum, zone) => sum + zone.managed, 0);
  // What a balloon takes is not managed any more.
  const outside = of(
    'hole',
    'device',
    'image',
    'memmap',
    'crashkernel',
    'boot-percpu',
    'boot-tables',
    'boot',
    'balloon',
    'offline',
  );
  const ballooned = of('balloon');
  add(
    'managed by the allocator',
    scan.seen - outside,
    known('zone.managed_pages', () => managed),
    // virtio_balloon with VIRTIO_BALLOON_F_DEFLATE_ON_OOM.
    ballooned > 0 ? 'a balloon that gives pages back when memory is short leaves them among the managed' : undefined,
  );
  add('free', of('free'), counter('NR_FREE_PAGES'));
  scan.regions.zones.forEach((zone, index) => {
    const pages = (scan.freeBlocks[index] ?? new Float64Array()).reduce(
      (sum, blocks, order) => sum + blocks * 2 ** order,
      0,
    );
    const own = attempt(() => zoneCounters(program, zone.address).get('NR_FREE_PAGES'));
    const name = `free in node ${zone.node}, zone ${zone.name}`;
    if (zone.present > 0)
      add(
        name,
        pages,
        known('zone.vm_stat[NR_FREE_PAGES]', () => own?.value),
      );
  });
  add(
    'free, on lists of CPUs',
    of('free-cpu'),
    known('per_cpu_pages.count', () => claims.cpuFree),
  );
  // Renamed in 4.8.
  add('anonymous, mapped', tally(['anon', 'mapped']), counter('NR_ANON_MAPPED', 'NR_ANON_PAGES'));
  add('page cache and swap cache', tally(['file']) + tally(['swapCache']), counter('NR_FILE_PAGES'));
  add('page cache, mapped', tally(['mapped'], ['anon']), counter('NR_FILE_MAPPED'));
  add('tmpfs and shared memory', tally(['shmem']), counter('NR_SHMEM'));
  add('swap cache', tally(['swapCache']), firstOf(counter('NR_SWAPCACHE'), inPages(info.swapCached)));
  add(
    'page cache, dirty',
    tally(['file', 'dirty'], ['shmem']),
    counter('NR_FILE_DIRTY'),
    'a file system without disk has dirty pages that the counter does not have',
  );
  add('being written', tally(['writeback']), counter('NR_WRITEBACK'));
  // With the multi-generational LRU (6.1) the flags do not tell which of the two it is.
  const both = (kind: string): Known<number> => sumOf(counters, [[`NR_ACTIVE_${kind}`], [`NR_INACTIVE_${kind}`]]);
  add('on LRU lists, anonymous and shared', tally(['inactiveAnon']) + tally(['activeAnon']), both('ANON'));
  add('on LRU lists, of files', tally(['inactiveFile']) + tally(['activeFile']), both('FILE'));
  add('on LRU lists, unevictable', tally(['unevictable']), counter('NR_UNEVICTABLE'));
  add('locked by mlock()', tally(['mlocked']), counter('NR_MLOCK'));
  // NR_SLAB_* became NR_SLAB_*_B in 5.9; pages both.
  add('slab, reclaimable', of('slab-reclaimable'), counter('NR_SLAB_RECLAIMABLE_B', 'NR_SLAB_RECLAIMABLE'));
  const marked = program.enumerator('PGTY_large_kmalloc') !== undefined;
  const unreclaimable = counter('NR_SLAB_UNRECLAIMABLE_B', 'NR_SLAB_UNRECLAIMABLE');
  add('slab, not reclaimable', of('slab', 'large-kmalloc'), unreclaimable, marked ? undefined : largeKmalloc(walk));
  // Then all that vmalloc maps is one class, but for the stacks of tasks.
  const noAreas =
    claims.vmallocPages === undefined
      ? 'the vmalloc areas cannot be read: all that is mapped there counts, and stacks of no task are not told'
      : undefined;
  add('kernel stacks', of('stack'), inPages(info.kernelStack), noAreas);
  add('page tables', scan.tables, counter('NR_PAGETABLE'));
  add(
    'vmalloc, with stacks and modules',
    claims.vmallocPages ?? of('vmalloc', 'stack'),
    inPages(info.vmallocUsed),
    noAreas,
  );
  add('per-CPU data', of('percpu', 'boot-percpu'), inPages(info.percpu));
  add('hugetlb pools', of('hugetlb', 'hugetlb-free'), inPages(info.hugetlb));
  add('zsmalloc', of('zsmalloc'), counter('NR_ZSPAGES'));
  add('in balloons', ballooned, balloonPages(program, counters));
  add('not accepted yet', of('unaccepted'), counter('NR_UNACCEPTED'));
  return rows;
}

/**
 * Pages that balloons have taken and not given back: NR_BALLOON_PAGES since 6.17, before by the events (`enum vm_event_item`)
 * that tell it since 3.18.
 * @param counters - `vm_node_stat` and so on, of `vmCounters`
 * @throws nothing
 */
export function balloonPages(
  program: Program,
  counters: Known<VmCounters> = known('vm_zone_stat', () => vmCounters(program)),
): Known<number> {
  const counted = sumOf(counters, [['NR_BALLOON_PAGES']]);
  const events = known('vm_event_states', () => {
    const all = vmEvents(program);
    const taken = all.get('BALLOON_INFLATE');
    return taken === undefined ? undefined : Number(taken - (all.get('BALLOON_DEFLATE') ?? 0n));
  });
  return firstOf(counted, events);
}

function firstOf(first: Known<number>, second: Known<number>): Known<number> {
  return first.value === undefined ? second : first;
}

/** A sum of counters, each under the first of its names that this kernel has. */
function sumOf(counters: Known<VmCounters>, parts: readonly (readonly [string, ...string[]])[]): Known<number> {
  const names = parts.map(([name]) => name).join(' + ');
  if (counters.value === undefined) return unknown(names, counters.problem ?? '');
  let sum = 0;
  const sources: string[] = [];
  for (const part of parts) {
    const found = part.map((name) => counters.value?.get(name)).find((each) => each !== undefined);
    if (found === undefined) return unknown(names, 'this kernel has no such counter');
    sum += found.value;
    sources.push(found.source);
  }
  return { value: sum, source: sources.join(' + '), problem: undefined };
}
