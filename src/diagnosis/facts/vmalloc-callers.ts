/**
 * Areas of vmalloc by who asked for them, without stacks of tasks. Looked for where the counter says that they hold a good
 * part of memory.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt, isDataError } from '../../base/errors.ts';
import { vmallocAreas } from '../../kernel/vmalloc.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { memoryFact } from './memory.ts';
import { tasksFact } from './tasks.ts';
import { VMALLOC_SHARE } from './thresholds.ts';

export interface VmallocCaller {
  /** Return address into whoever asked; undefined when the areas do not tell. */
  readonly address: VirtAddr | undefined;
  /** Its function; 'unknown' when there is no symbol. */
  readonly function: string;
  /** The module that has the function. */
  readonly module: string | undefined;
  readonly areas: number;
  readonly bytes: number;
  /** Bytes of the largest number of areas of one size. */
  readonly usualSize: number;
}

export interface VmallocCallers {
  /** Largest first; empty where vmalloc is a small part of memory. */
  readonly callers: readonly VmallocCaller[];
  /** False when the areas could not be followed to their end: then there is more. */
  readonly whole: boolean;
}

export const vmallocCallersFact = defineFact<VmallocCallers>({
  id: 'vmalloc-callers',
  derive({ program, use, budget, cover }) {
    const { memTotal, vmallocUsed } = use(memoryFact).info;
    // Without a counter (until 5.2) all areas are looked at.
    const used = vmallocUsed.value ?? Number.POSITIVE_INFINITY;
    if (memTotal.value === undefined || used < memTotal.value * VMALLOC_SHARE) return { callers: [], whole: true };
    const stacks = stacksOf(program, attempt(() => use(tasksFact).tasks) ?? []);
    const groups = new Map<VirtAddr | undefined, Map<number, number>>();
    let areas = 0;
    const missing: string[] = [];
    try {
      for (const { start, kind, pageCount, caller } of vmallocAreas(program)) {
        budget.check();
        areas++;
        if (kind !== 'alloc' || stacks.has(start)) continue;
        const sizes = groups.get(caller) ?? new Map<number, number>();
        groups.set(caller, sizes);
        sizes.set(pageCount, (sizes.get(pageCount) ?? 0) + 1);
      }
    } catch (error) {
      if (!isDataError(error)) throw error;
      missing.push(error.message);
    }
    const whole = missing.length === 0;
    cover({ what: 'areas of vmalloc', read: areas, total: whole ? areas : undefined, missing });
    const callers = [...groups].map(([address, sizes]) => callerOf(program, address, sizes));
    return { callers: callers.sort((a, b) => b.bytes - a.bytes), whole };
  },
});

function stacksOf(program: Program, tasks: readonly { readonly address: VirtAddr }[]): ReadonlySet<VirtAddr> {
  const stack = program.tryField('struct task_struct', 'stack');
  if (stack === undefined) return new Set();
  return new Set(tasks.flatMap(({ address }) => attempt(() => stack.pointer(address)) ?? []));
}

/** @param sizes - areas by their pages */
function callerOf(program: Program, address: VirtAddr | undefined, sizes: ReadonlyMap<number, number>): VmallocCaller {
  const symbol = address === undefined ? undefined : program.symbols.atReturn(address);
  let pages = 0;
  let areas = 0;
  let usual: readonly [pages: number, areas: number] = [0, 0];
  for (const [size, count] of sizes) {
    pages += size * count;
    areas += count;
    if (count > usual[1]) usual = [size, count];
  }
  return {
    address,
    function: symbol?.name ?? 'unknown',
    module: symbol?.module,
    areas,
    bytes: pages * program.pageSize,
    usualSize: usual[0] * program.pageSize,
  };
}
