/**
 * All of the machine's page frames by what they are used for: claims first (page-claims.ts), then the walk over the page
 * structures (page-scan.ts), as far as budget and limit allow.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { type Budget, unlimited } from '../base/budget.ts';
import { attempt, CancelledError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { FrameTable } from './frame-table.ts';
import { type Claims, claimFrames } from './page-claims.ts';
import { PageScan } from './page-scan.ts';
import { Regions } from './page-regions.ts';
import type { Task } from './sched.ts';
import { slabCaches } from './slab.ts';
import { memorySections, Memmap } from './vmemmap.ts';

/** SLAB_RECLAIM_ACCOUNT until 6.8, where no enumerator tells it. */
const RECLAIM_ACCOUNT = 0x20000n;

export interface PageWalk {
  readonly scan: PageScan;
  readonly claims: Claims;
  /** Frames that have a page structure. */
  readonly frames: number;
  /**
   * `all`: every frame was looked at; `sample`: whole sections, evenly over all of them, as a limit asked; `stopped`: the
   * budget ended it, and frames from some point on were not looked at.
   */
  readonly extent: 'all' | 'sample' | 'stopped';
}

export interface PageWalkOptions {
  readonly budget?: Budget;
  /** Most frames to look at; at least one section is. */
  readonly limit?: number;
}

/**
 * Looks at the `struct page` of every frame.
 * @param tasks - all of them: their stacks and page tables are told from others by them
 * @throws FaultError, LookupError, ValidationError when there is no way to the page structures or their layout is not
 *   known; CancelledError when the budget ends it before the first was looked at
 */
export function walkPages(
  program: Program,
  tasks: readonly Task[],
  { budget = unlimited, limit = Number.POSITIVE_INFINITY }: PageWalkOptions = {},
): PageWalk {
  const sections = memorySections(program);
  const frames = new FrameTable(sections);
  const memmap = new Memmap(program);
  const scan = new PageScan(program, frames, memmap, new Regions(program), reclaimable(program));
  const claims = claimFrames(program, frames, memmap, sourcesOf(program, tasks), budget);
  const total = sections.reduce((sum, { count }) => sum + count, 0);
  const step = Math.max(1, Math.ceil(total / limit));
  try {
    scan.run(budget, claims.cpuFreeComplete, (position) => position % step === 0);
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
    return { scan, claims, frames: total, extent: 'stopped' };
  }
  return { scan, claims, frames: total, extent: step === 1 ? 'all' : 'sample' };
}

/** Whether a slab cache's pages count as reclaimable: by `kmem_cache.flags`, as the counters do. */
function reclaimable(program: Program): (cache: VirtAddr) => boolean {
  const caches = attempt(() => slabCaches(program));
  const flags = program.tryField('struct kmem_cache', 'flags');
  // Numbers of bits since 6.9 (commit cc61eb851461).
  const bit = program.enumerator('_SLAB_RECLAIM_ACCOUNT');
  const mask = bit === undefined ? RECLAIM_ACCOUNT : 1n << bit;
  return (cache) => {
    if (flags === undefined || caches?.has(cache) === false) return false;
    return ((attempt(() => flags.u64(cache)) ?? 0n) & mask) !== 0n;
  };
}

function sourcesOf(program: Program, tasks: readonly Task[]): Parameters<typeof claimFrames>[3] {
  const stack = program.tryField('struct task_struct', 'stack');
  const pgd = program.tryField('struct mm_struct', 'pgd');
  const pointer = (read: (() => VirtAddr) | undefined): readonly VirtAddr[] => {
    const found = read === undefined ? undefined : attempt(read);
    return found === undefined || !isKernel(found) ? [] : [found];
  };
  const spaces = new Set(tasks.flatMap(({ mm }) => mm ?? []));
  return {
    stacks: tasks.flatMap(({ address }) => pointer(stack && (() => stack.pointer(address)))),
    roots: [...spaces].flatMap((mm) => pointer(pgd && (() => pgd.pointer(mm)))),
  };
}
