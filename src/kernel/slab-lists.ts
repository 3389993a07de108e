/**
 * The slabs of a cache (SLUB, mm/slub.c) by who has them: the one that each CPU takes from and those that it keeps beside it
 * (`struct kmem_cache_cpu`, until 6.19), and the partial and full ones of each node (`struct kmem_cache_node`). And what of a
 * slab is free. Full slabs are on a list only with SLAB_STORE_USER: of other caches they are known from the page structures.
 */
import { add, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { listNodes } from './list.ts';
import { addressOfFrame, frameOfPage } from './page.ts';
import { layoutOf } from './slab.ts';
import { chain, type ReadyWhere, readyObjects } from './slub-cpu.ts';
import { memoryNodes } from './zone.ts';

/** More slabs than 2^52 bytes hold. */
const MAX_SLABS = 2 ** 40;
/** As in slab-counts.ts. */
const MAX_CPU_PARTIAL = 1 << 16;
/** SLAB_STORE_USER, include/linux/slab.h, where it is no enumerator (until 6.8). */
const STORE_USER = 0x10000n;

/** A list of slabs: `struct slab *`, `struct page *` until 5.16. */
export interface SlabList {
  readonly slabs: readonly VirtAddr[];
  /** Why it is not whole. */
  readonly problem: string | undefined;
}

export interface CpuSlabs {
  readonly cpu: number;
  /** `struct kmem_cache_cpu *`. */
  readonly address: VirtAddr;
  /** The slab that it takes from; undefined for none. */
  readonly own: VirtAddr | undefined;
  readonly partial: SlabList;
}

export interface NodeSlabs {
  readonly node: number;
  /** `struct kmem_cache_node *`. */
  readonly address: VirtAddr;
  /** `nr_slabs`; undefined without CONFIG_SLUB_DEBUG. */
  readonly slabs: number | undefined;
  /** `nr_partial`. */
  readonly counted: number;
  readonly partial: SlabList;
  /** Undefined where this cache does not track them. */
  readonly full: SlabList | undefined;
}

const slabType = (program: Program): string =>
  // struct slab was split from struct page in 5.17 (commit d122019bf061).
  program.types.tryFind('struct slab') === undefined ? 'struct page' : 'struct slab';

/**
 * What the online CPUs have of a cache; nothing since 7.0.
 * @param cache - `struct kmem_cache *`
 * @throws FaultError, LookupError
 */
export function cpuSlabs(program: Program, cache: VirtAddr): readonly CpuSlabs[] {
  const perCpu = program.tryField('struct kmem_cache', 'cpu_slab');
  if (perCpu === undefined || program.types.tryFind('struct kmem_cache_cpu') === undefined) return [];
  const own = program.firstField('struct kmem_cache_cpu', ['slab', 'page']);
  // CONFIG_SLUB_CPU_PARTIAL.
  const partial = program.tryField('struct kmem_cache_cpu', 'partial');
  const next = program.tryField(slabType(program), 'next');
  const base = perCpu.pointer(cache);
  return cpus(program, 'online').map((cpu): CpuSlabs => {
    const address = program.perCpuAddress(base, cpu);
    const slab = own.pointer(address);
    return {
      cpu,
      address,
      own: slab === NULL ? undefined : slab,
      partial: collect(function* () {
        if (partial === undefined || next === undefined) return;
        for (let each = partial.pointer(address), n = 0; each !== NULL; each = next.pointer(each)) {
          if (!isKernel(each) || ++n > MAX_CPU_PARTIAL)
            throw new ValidationError('struct kmem_cache_cpu', address, 'its list of slabs is broken');
          yield each;
        }
      }),
    };
  });
}

/**
 * What the nodes have of a cache.
 * @param cache - `struct kmem_cache *`
 * @throws FaultError, LookupError
 */
export function nodeSlabs(program: Program, cache: VirtAddr): readonly NodeSlabs[] {
  const field = (path: string) => program.field('struct kmem_cache_node', path);
  const link = program.firstField(slabType(program), ['slab_list', 'lru']);
  const counted = field('nr_partial');
  const slabs = program.tryField('struct kmem_cache_node', 'nr_slabs.counter');
  const full = program.tryField('struct kmem_cache_node', 'full');
  const tracked = full !== undefined && tracksFull(program, cache);
  return memoryNodes(program).flatMap(({ id }): NodeSlabs[] => {
    const address = program.firstField('struct kmem_cache', [`node[${id}]`, `per_node[${id}].node`]).pointer(cache);
    if (!isKernel(address)) return [];
    const list = (head: VirtAddr): SlabList =>
      collect(function* () {
        for (const node of listNodes(program, head, MAX_SLABS)) yield link.container(node);
      });
    return [
      {
        node: id,
        address,
        slabs: slabs?.number(address),
        counted: counted.number(address),
        partial: list(field('partial').address(address)),
        full: tracked ? list(full.address(address)) : undefined,
      },
    ];
  });
}

function collect(found: () => Iterable<VirtAddr>): SlabList {
  const slabs: VirtAddr[] = [];
  const whole = attempt(() => {
    for (const slab of found()) slabs.push(slab);
    return true;
  });
  return { slabs, problem: whole === undefined ? `the list breaks off after ${slabs.length} slabs` : undefined };
}

function tracksFull(program: Program, cache: VirtAddr): boolean {
  // A bit number since 6.9 (commit cc61eb85c93e).
  const bit = program.enumerator('_SLAB_STORE_USER');
  const mask = bit === undefined ? STORE_USER : 1n << bit;
  return (program.field('struct kmem_cache', 'flags').u64(cache) & mask) !== 0n;
}

export interface SlabPart {
  /** Where the object begins. */
  readonly address: VirtAddr;
  /** 'used', 'free' in the slab, or who keeps it ready. */
  readonly state: 'used' | 'free' | ReadyWhere;
}

export interface SlabContents {
  /** `struct slab *`, `struct page *` until 5.16. */
  readonly slab: VirtAddr;
  /** Where its memory begins. */
  readonly memory: VirtAddr;
  /** Memory node; undefined when the spans of nodes do not tell. */
  readonly node: number | undefined;
  readonly total: number;
  /** Without what is free and what is kept ready. */
  readonly allocated: number;
  readonly objects: readonly SlabPart[];
  /** Why objects that are free may be shown as used. */
  readonly problem: string | undefined;
}

/**
 * Reads slabs of one cache, one after the other.
 * @param cache - `struct kmem_cache *`
 * @returns `read` gives what is in a slab of it and throws FaultError, ValidationError when its page structure cannot be
 *   read; `problems` say of which objects it is not known whether they are kept ready
 * @throws FaultError, LookupError, ValidationError for a cache that cannot be read
 */
export function slabReader(
  program: Program,
  cache: VirtAddr,
): {
  readonly read: (slab: VirtAddr) => SlabContents;
  /** Objects that are kept ready. */
  readonly ready: ReadonlyMap<VirtAddr, ReadyWhere>;
  readonly problems: readonly string[];
} {
  const type = slabType(program);
  const field = (path: string) => program.field(type, path);
  const [owner, inuse, objects, freelist] = [field('slab_cache'), field('inuse'), field('objects'), field('freelist')];
  const { size, redLeft } = layoutOf(program, cache);
  const ready = readyObjects(program, cache);
  const nodeOf = nodeSpans(program);
  const read = (slab: VirtAddr): SlabContents => {
    const frame = frameOfPage(program, slab);
    if (owner.pointer(slab) !== cache) throw new ValidationError(type, slab, 'belongs to another cache');
    const total = objects.number(slab);
    const start = addressOfFrame(program, frame);
    const free = new Set<VirtAddr>();
    const whole = attempt(() => {
      for (const object of chain(program, cache, freelist.pointer(slab))) free.add(object);
      return true;
    });
    const parts = Array.from({ length: total }, (_, i): SlabPart => {
      const address = add(start, i * size + redLeft);
      return { address, state: ready.objects.get(address) ?? (free.has(address) ? 'free' : 'used') };
    });
    const kept = parts.filter(({ state }) => typeof state === 'object').length;
    return {
      slab,
      memory: start,
      node: nodeOf(frame),
      total,
      allocated: inuse.number(slab) - kept,
      objects: parts,
      problem: whole === undefined ? 'its list of free objects breaks off' : undefined,
    };
  };
  return { read, ready: ready.objects, problems: ready.problems };
}

/** The one node whose span has a frame. */
function nodeSpans(program: Program): (frame: number) => number | undefined {
  const first = program.field('struct pglist_data', 'node_start_pfn');
  const spanned = program.field('struct pglist_data', 'node_spanned_pages');
  const spans = memoryNodes(program).map(({ id, address }) => {
    const start = first.number(address);
    return { id, start, end: start + spanned.number(address) };
  });
  return (frame) => {
    const having = spans.filter(({ start, end }) => frame >= start && frame < end);
    return having.length === 1 ? having[0]?.id : undefined;
  };
}
