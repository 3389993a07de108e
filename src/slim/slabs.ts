/**
 * Slab pages, found through the page structures of all pages in the dump: whole caches, by the limits of policy.ts, and
 * of the others the slabs that something reached.
 */
import { type Pfn, pfn, type VirtAddr } from '../base/address.ts';
import type { Budget } from '../base/budget.ts';
import { attempt } from '../base/errors.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { slabCaches } from '../kernel/slab.ts';
import type { Program } from '../program/program.ts';
import type { Keep } from './keep.ts';
import type { Memmap } from './memmap.ts';
import { CACHE_LIMIT, CORE_CACHES, RECLAIMABLE_CACHE_LIMIT } from './policy.ts';

/** SLAB_RECLAIM_ACCOUNT, a macro until 6.8; since 6.9 (commit cc61eb851461) the number of its bit is an enumerator. */
const RECLAIM_ACCOUNT = 0x20000n;
/** Pages between two questions to the budget. */
const CHECK_EVERY = 4096;

export interface CacheInFile {
  readonly name: string;
  /** Pages of the cache in the dump. */
  readonly pages: number;
  /** False: only slabs that were reached. */
  readonly whole: boolean;
}

/**
 * Keeps the caches that are kept whole.
 * @returns all caches that have pages in the dump, the largest first
 * @throws CancelledError, FaultError, LookupError, ValidationError when the list of caches is broken
 */
export function keepSlabs(program: Program, memmap: Memmap, keep: Keep, budget: Budget): readonly CacheInFile[] {
  const names = slabCaches(program);
  const pages = new Map<VirtAddr, number>();
  for (const { cache } of slabPages(program, memmap, budget)) pages.set(cache, (pages.get(cache) ?? 0) + 1);
  const core = coreCaches(program);
  const isWhole = (cache: VirtAddr): boolean =>
    names.has(cache) && (core.has(cache) || (pages.get(cache) ?? 0) * program.pageSize <= limitOf(program, cache));
  const whole = new Set([...pages.keys()].filter(isWhole));
  for (const { frame, cache } of slabPages(program, memmap, budget)) if (whole.has(cache)) keep.page(frame, 'slabs');
  return [...pages]
    .map(([cache, count]) => ({ name: names.get(cache) ?? '', pages: count, whole: whole.has(cache) }))
    .sort((a, b) => b.pages - a.pages);
}

function limitOf(program: Program, cache: VirtAddr): number {
  const bit = program.enumerator('_SLAB_RECLAIM_ACCOUNT');
  const mask = bit === undefined ? RECLAIM_ACCOUNT : 1n << (bit & 63n);
  const flags = attempt(() => program.field('struct kmem_cache', 'flags').u64(cache));
  return flags === undefined || (flags & mask) !== 0n ? RECLAIMABLE_CACHE_LIMIT : CACHE_LIMIT;
}

function coreCaches(program: Program): ReadonlySet<VirtAddr> {
  const found = new Set<VirtAddr>();
  for (const name of CORE_CACHES) {
    const symbol = program.symbols.kernel.lookup(name);
    const cache = symbol === undefined ? undefined : attempt(() => program.memory.readPointer(symbol.address));
    if (cache !== undefined) found.add(cache);
  }
  // The cache of struct pid belongs to its namespace.
  const pid = attempt(() =>
    program.field('struct pid_namespace', 'pid_cachep').pointer(program.symbol('init_pid_ns').address),
  );
  if (pid !== undefined) found.add(pid);
  return found;
}

interface SlabPage {
  readonly frame: Pfn;
  /** `struct kmem_cache *`. */
  readonly cache: VirtAddr;
}

function* slabPages(program: Program, memmap: Memmap, budget: Budget): Generator<SlabPage> {
  let steps = 0;
  for (const frame of framesOf(program.dump)) {
    if (++steps % CHECK_EVERY === 0) budget.check();
    const cache = memmap.slabCache(frame);
    if (cache !== undefined) yield { frame, cache };
  }
}

/** What is in the file or should be. */
function* framesOf(dump: DumpFile): Generator<Pfn> {
  if (dump.counts.lost === 0) {
    for (let at = dump.nextInFile(pfn(0)); at !== undefined; at = dump.nextInFile(pfn(at + 1))) yield at;
    return;
  }
  // Lost pages are on no index; their page structures still say what they were.
  for (let at = 0; at < dump.maxPfn; at++) {
    const status = dump.status(pfn(at));
    if (status === 'data' || status === 'lost') yield pfn(at);
  }
}

/** Keeps a page; of a slab all of it, so that no object is kept in part. @throws CancelledError */
export function keepWithSlab(frame: Pfn, wanted: 'reached' | 'report', memmap: Memmap, keep: Keep): void {
  const head = memmap.slabCache(frame) === undefined ? undefined : memmap.headOf(frame);
  if (head === undefined) keep.page(frame, wanted);
  else for (const part of memmap.slabFrames(head)) keep.page(part, wanted);
}
