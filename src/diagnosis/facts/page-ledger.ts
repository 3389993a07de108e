/**
 * Where the memory went: every page frame in exactly one class, by the page structures themselves, beside what the kernel's
 * counters say. What fits no class is counted and described, and never got by subtraction.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Balloon } from '../../kernel/page-balloons.ts';
import { codeOf, type PageClass, PAGE_CLASSES, type PageClassId } from '../../kernel/page-class.ts';
import { type PageContents, pageContents } from '../../kernel/page-contents.ts';
import { flagMask } from '../../kernel/page-flags.ts';
import { freeListBlocks, freeLists } from '../../kernel/free-lists.ts';
import type { FrameTable } from '../../kernel/frame-table.ts';
import type { MappingPages } from '../../kernel/page-mappings.ts';
import { type PageWalk, walkPages } from '../../kernel/page-walk.ts';
import type { SlabCachePages } from '../../kernel/page-scan.ts';
import type { Oddity, UnclassifiedBlocks } from '../../kernel/page-unclassified.ts';
import { slabCaches } from '../../kernel/slab.ts';
import { defineFact, type Fact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { type LedgerRow, ledgerRows } from './page-ledger-rows.ts';
import { tasksFact } from './tasks.ts';

/** Blocks of unclassified pages into which the ledger looks. */
const MAX_CONTENTS = 256;
/** Page structures that a report looks at: those of 16 GiB, a second's work. */
const REPORT_FRAMES = 1 << 22;

export interface ClassPages extends PageClass {
  readonly id: PageClassId;
  readonly pages: number;
}

/** A histogram, the most pages first. */
export type PageHistogram = readonly { readonly key: string; readonly pages: number }[];

export interface UnclassifiedPages {
  readonly pages: number;
  readonly blocks: readonly UnclassifiedBlocks[];
  readonly flags: PageHistogram;
  readonly references: PageHistogram;
  readonly oddities: readonly { readonly oddity: Oddity; readonly pages: number }[];
  /** Classes of the frames beside the blocks that were looked at. */
  readonly neighbours: PageHistogram;
  /** Of some blocks, evenly over all of them. */
  readonly contents: PageContents;
}

export interface SlabPages extends SlabCachePages {
  /** '' when it cannot be read. */
  readonly name: string;
}

export interface PageLedger {
  readonly pageSize: number;
  /** Frames with a page structure. */
  readonly frames: number;
  /** Frames that were looked at. */
  readonly seen: number;
  /** See PageWalk. */
  readonly extent: PageWalk['extent'];
  /** Frames that are memory, by the map of addresses; undefined when it cannot be read. */
  readonly memory: number | undefined;
  /** Those that have pages; their sum is `seen`. */
  readonly classes: readonly ClassPages[];
  /** Beside the counters; empty unless every frame was looked at. */
  readonly rows: readonly LedgerRow[];
  /** The slab caches that have pages, the most first. */
  readonly slabs: readonly SlabPages[];
  /** Pages of vmalloc areas by who asked for them, the most first. */
  readonly vmalloc: readonly {
    readonly caller: string;
    readonly class: PageClassId;
    readonly areas: number;
    readonly pages: number;
  }[];
  /** Page cache and tmpfs by type of file system, the most first. */
  readonly fileSystems: readonly {
    readonly type: string;
    readonly files: number;
    readonly pages: number;
    readonly mapped: number;
    readonly dirty: number;
  }[];
  /** The files, block devices and pieces of shared memory with the most pages, these first, and how many there are. */
  files(limit: number): { readonly largest: readonly MappingPages[]; readonly files: number; readonly pages: number };
  /** Balloons whose pages name them, the most pages first. */
  readonly balloons: readonly Balloon[];
  /** Free blocks by zone and order. */
  readonly free: readonly { readonly node: number; readonly zone: string; readonly blocks: readonly number[] }[];
  /** Free pages by migrate type, as the buddy allocator's lists have them; undefined when these cannot be followed. */
  readonly freeByType: PageHistogram | undefined;
  readonly unclassified: UnclassifiedPages;
  /** What could not be followed, and where page structures contradict what claims a frame; one line each. */
  readonly problems: readonly string[];
  /** The class of a frame; undefined when it has no page structure. */
  classOf(frame: number): PageClassId | undefined;
  pages(...ids: readonly PageClassId[]): number;
}

function ledgerFact(id: string, limit: number): Fact<PageLedger> {
  return defineFact<PageLedger>({
    id,
    derive(context) {
      const { program, use, budget, cover } = context;
      const tasks = attempt(() => use(tasksFact).tasks);
      const walk = walkPages(program, tasks ?? [], { budget, limit });
      const ledger = ledgerOf(program, walk);
      const unread = ledger.pages('unread');
      const lost = walk.scan.missing;
      const missing = lost === 0 ? [] : [`${lost} page structures are not in the dump`];
      if (unread > lost) missing.push(`what ${unread - lost} frames more belong to would stand in those`);
      if (tasks === undefined) missing.push('the tasks cannot be read, whose stacks and page tables are told by them');
      if (walk.extent === 'stopped') missing.push('it was ended before all were looked at');
      if (walk.extent === 'sample') missing.push('only some are looked at, evenly over all memory');
      cover({ what: 'page structures', read: ledger.seen - unread, total: ledger.frames, missing });
      return ledger;
    },
  });
}

/** All page frames. */
export const pageLedgerFact = ledgerFact('page-ledger', Number.POSITIVE_INFINITY);
/** All page frames of a machine of up to 16 GiB; of a larger one some, evenly over its memory. */
export const pageSampleFact = ledgerFact('page-sample', REPORT_FRAMES);

/** The ledger of a walk over page structures. */
export function ledgerOf(program: Program, walk: PageWalk): PageLedger {
  const { scan, claims } = walk;
  const pages = (...ids: readonly PageClassId[]): number =>
    ids.reduce((sum, id) => sum + (scan.pages[codeOf(id)] ?? 0), 0);
  const names = attempt(() => slabCaches(program)) ?? new Map<VirtAddr, string>();
  // Where the areas cannot be read, what vmap() maps of others is among what vmalloc seems to have.
  const contradictions = [...scan.contradictions]
    .filter(([what]) => claims.vmallocPages !== undefined || !what.startsWith('vmalloc:'))
    .map(([what, count]) => `${count} frames claimed as ${what}`);
  return {
    pageSize: program.pageSize,
    frames: walk.frames,
    seen: scan.seen,
    extent: walk.extent,
    memory: scan.regions.memory,
    classes: PAGE_CLASSES.flatMap(({ id, group, label }, code) => {
      const count = scan.pages[code] ?? 0;
      return count === 0 ? [] : [{ id, group, label, pages: count }];
    }),
    rows: walk.extent === 'all' ? ledgerRows(program, walk) : [],
    slabs: [...scan.slabCaches()]
      .map((slabs) => ({ ...slabs, name: names.get(slabs.cache) ?? '' }))
      .sort((a, b) => b.pages - a.pages),
    vmalloc: claims.vmalloc
      .map(({ caller, claimed, areas, frames }) => {
        const code = codeOf(claimed);
        return {
          caller,
          class: claimed,
          areas,
          pages: frames.filter((frame) => scan.frames.get(frame) === code).length,
        };
      })
      .sort((a, b) => b.pages - a.pages),
    fileSystems: fileSystemsOf(walk),
    files(limit) {
      const all = [...scan.mappings.entries()].filter(({ pages: count }) => count > 0);
      return {
        largest: all.sort((a, b) => b.pages - a.pages).slice(0, limit),
        files: all.length,
        pages: all.reduce((sum, { pages: count }) => sum + count, 0),
      };
    },
    balloons: scan.balloons.balloons(),
    free: scan.regions.zones.map(({ node, name }, i) => ({
      node,
      zone: name,
      blocks: [...(scan.freeBlocks[i] ?? [])],
    })),
    freeByType: attempt(() => {
      const lists = freeLists(program).map((list): readonly [string, number] => {
        let blocks = 0;
        for (const _ of freeListBlocks(program, list)) blocks++;
        return [list.migrateType, blocks * 2 ** list.order];
      });
      return histogram(lists.filter(([, pages]) => pages > 0));
    }),
    unclassified: describe(program, walk, names),
    problems: [...claims.problems, ...contradictions],
    classOf(frame) {
      const code = scan.frames.get(frame);
      return code === undefined ? undefined : PAGE_CLASSES[code]?.id;
    },
    pages,
  };
}

function fileSystemsOf({ scan }: PageWalk): PageLedger['fileSystems'] {
  const types = new Map<string, { type: string; files: number; pages: number; mapped: number; dirty: number }>();
  for (const { kind, superBlock, pages, mapped, dirty } of scan.mappings.entries()) {
    if (pages === 0) continue;
    const read = superBlock === undefined ? '' : scan.mappings.fsType(superBlock);
    const type = read === '' ? kind : read;
    const sum = types.get(type) ?? { type, files: 0, pages: 0, mapped: 0, dirty: 0 };
    sum.files++;
    sum.pages += pages;
    sum.mapped += mapped;
    sum.dirty += dirty;
    types.set(type, sum);
  }
  return [...types.values()].sort((a, b) => b.pages - a.pages);
}

function describe(program: Program, { scan }: PageWalk, names: ReturnType<typeof slabCaches>): UnclassifiedPages {
  const { unclassified } = scan;
  const { samples } = unclassified;
  const step = Math.max(1, Math.ceil(samples.length / MAX_CONTENTS));
  const looked = samples.filter((_, i) => i % step === 0);
  const flagNames = (
    program.types.tryFind('enum pageflags') as { enumerators?: readonly { name: string; value: bigint }[] } | undefined
  )?.enumerators;
  const named = (flags: number): string => {
    const found = (flagNames ?? []).filter(({ name, value }) => value < 32n && flagMask(program, name) & flags);
    // Several flags share a bit; the first name is the general one.
    const byBit = new Map(found.toReversed().map(({ name, value }) => [value, name]));
    return [...byBit.values()].toReversed().join(' ') || 'none';
  };
  return {
    pages: scan.pages[codeOf('unclassified')] ?? 0,
    blocks: unclassified.blocks(),
    flags: histogram([...unclassified.flags].map(([flags, pages]) => [named(flags), pages])),
    references: histogram([...unclassified.references].map(([count, pages]) => [String(count), pages])),
    oddities: [...unclassified.oddities]
      .map(([oddity, pages]) => ({ oddity, pages }))
      .sort((a, b) => b.pages - a.pages),
    neighbours: neighboursOf(looked, scan.frames),
    contents: pageContents(program, looked, scan.frames, names),
  };
}

function histogram(entries: readonly (readonly [string, number])[]): PageHistogram {
  const sums = new Map<string, number>();
  for (const [key, pages] of entries) sums.set(key, (sums.get(key) ?? 0) + pages);
  return [...sums].map(([key, pages]) => ({ key, pages })).sort((a, b) => b.pages - a.pages);
}

function neighboursOf(frames: readonly number[], classes: FrameTable): PageHistogram {
  return histogram(
    frames.flatMap((frame) => {
      const code = classes.get(frame - 1);
      return code === undefined ? [] : [[PAGE_CLASSES[code]?.id ?? '', 1] as const];
    }),
  );
}
