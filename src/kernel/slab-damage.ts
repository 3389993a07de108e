/**
 * Damage to slab objects that memory itself shows (SLUB, mm/slub.c). With slub_debug each object stands between red zones,
 * which hold 0xbb or 0xcc, and a free one is filled with 0x6b: other bytes were written where nobody may write. Without,
 * the pointer to the next free object, inside a free one, gives itself away when it leads out of its slab.
 *
 * Full slabs are listed only with slub_debug=U, so that without it only red zones in partial slabs are seen. Not looked at:
 * the part of a kmalloc object that nobody asked for, sheaves (since 6.18), SLAB and SLOB, and more than 512 MiB of guarded
 * slabs or 4 million free objects.
 */
import { add, contains, distance, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { listEntries } from './list.ts';
import { addressOfFrame, frameOfPage } from './page.ts';
import { slabCaches } from './slab.ts';
import { freeListOrder } from './slub-cpu.ts';
import { memoryNodes } from './zone.ts';

export interface SlabDamage {
  /** `struct kmem_cache *`. */
  readonly cache: VirtAddr;
  readonly cacheName: string;
  /**
   * `before` and `behind`: bytes of the red zone in front of the object or behind it; `freed`: bytes of a free object;
   * `free-list`: a list of free objects leads to no object of its slab.
   */
  readonly kind: 'before' | 'behind' | 'freed' | 'free-list';
  /** The object beside whose end, or into which, was written; of a list the last good one, undefined for its head. */
  readonly object: VirtAddr | undefined;
  /** Number of the object in its slab; undefined where the object is. */
  readonly index: number | undefined;
  /** From the object to the next. */
  readonly stride: number;
  /** The first byte that is wrong; of a list where the pointer lies. */
  readonly from: VirtAddr;
  /** What stands there, to the last byte that is wrong, 64 bytes at most. */
  readonly found: Uint8Array;
  /** What should; undefined for a pointer. */
  readonly wanted: number | undefined;
  /** Where the list leads to, decoded. */
  readonly leadsTo: VirtAddr | undefined;
  /**
   * Of a broken list: the bytes that were written over the pointer, as many as are the same in whichever object it lay;
   * empty where that is not known.
   */
  readonly overwritten: Uint8Array;
  /** Whose list of free objects it is; undefined for that of a slab. */
  readonly cpu: number | undefined;
}

export interface SlabDamages {
  readonly damages: readonly SlabDamage[];
  /** Slabs that were looked at. */
  readonly slabs: number;
  /** Those of them whose red zones or poison were looked at. */
  readonly guarded: number;
}

const MAX_SLABS = 1 << 17;
const MAX_DAMAGES = 64;
/** `objects` of a slab has 15 bits. */
const MAX_OBJECTS = 1 << 15;
const MAX_SLAB_BYTES = 1 << 26;
/** Of slabs with guards, in all; and free objects that are followed. */
const MAX_BYTES = 1 << 29;
const MAX_FREE = 1 << 22;
const MAX_SHOWN = 64;
/** SLUB_RED_INACTIVE, SLUB_RED_ACTIVE, POISON_FREE and POISON_END of include/linux/poison.h. */
const RED_FREE = 0xbb;
const RED_IN_USE = 0xcc;
const POISON = 0x6b;
const POISON_END = 0xa5;

/** Of the caches, what walks need; offsets in bytes. */
interface Cache {
  readonly at: VirtAddr;
  readonly name: string;
  readonly size: number;
  readonly objectSize: number;
  /** Where the object's red zone ends. */
  readonly inuse: number;
  readonly redLeft: number;
  readonly redZone: boolean;
  readonly poison: boolean;
}

/**
 * Looks at the lists of free objects of all caches, and at the red zones and the poison of those that have any.
 * @param caches - `struct kmem_cache *` by name, as `slabCaches`
 * @throws LookupError where this is not SLUB, FaultError
 */
export function slabDamages(
  program: Program,
  caches: ReadonlyMap<VirtAddr, string> = slabCaches(program),
): SlabDamages {
  const walk = new Walk(program);
  for (const [at, name] of caches) {
    const cache = attempt(() => cacheOf(program, at, name));
    if (cache !== undefined) attempt(() => walk.cache(cache));
  }
  return { damages: walk.damages, slabs: walk.slabs, guarded: walk.guarded };
}

function cacheOf(program: Program, at: VirtAddr, name: string): Cache {
  const number = (member: string): number => program.field('struct kmem_cache', member).number(at);
  const flags = program.field('struct kmem_cache', 'flags').u64(at);
  const has = (enumerator: string, before: bigint): boolean => {
    // Numbers of bits since 6.9 (commit cc61eb851461).
    const bit = program.enumerator(enumerator);
    return (flags & (bit === undefined ? before : 1n << bit)) !== 0n;
  };
  const cache = {
    at,
    name,
    size: number('size'),
    objectSize: number('object_size'),
    inuse: number('inuse'),
    redLeft: program.tryField('struct kmem_cache', 'red_left_pad')?.number(at) ?? 0,
    redZone: has('_SLAB_RED_ZONE', 0x400n),
    // __OBJECT_POISON: not for objects with a constructor, or that are read after they were freed.
    poison: has('_SLAB_OBJECT_POISON', 0x8000_0000n),
  };
  const { size, objectSize, inuse, redLeft } = cache;
  if (
    size < 8 ||
    size > MAX_SLAB_BYTES ||
    objectSize < 1 ||
    inuse < objectSize ||
    redLeft < 0 ||
    redLeft + inuse > size
  )
    throw new ValidationError('struct kmem_cache', at, `objects of ${objectSize} bytes every ${size} bytes`);
  return cache;
}

/** Where the objects of a slab lie. */
interface Slab {
  readonly base: VirtAddr;
  readonly objects: number;
  readonly first: VirtAddr;
}

class Walk {
  readonly damages: SlabDamage[] = [];
  slabs = 0;
  guarded = 0;
  #bytes = 0;
  #free = 0;
  readonly #program: Program;
  readonly #type: 'struct slab' | 'struct page';
  readonly #nodes: readonly number[];
  readonly #cpus: readonly number[];

  constructor(program: Program) {
    this.#program = program;
    // struct slab was split from struct page in 5.17 (commit d122019bf061).
    this.#type = program.types.tryFind('struct slab') === undefined ? 'struct page' : 'struct slab';
    this.#nodes = memoryNodes(program).map(({ id }) => id);
    this.#cpus = cpus(program, 'online');
  }

  cache(cache: Cache): void {
    const guarded = cache.redZone || cache.poison;
    for (const head of this.#slabsOf(cache, guarded)) {
      if (this.slabs >= MAX_SLABS || this.damages.length >= MAX_DAMAGES) return;
      const slab = attempt(() => this.#slabOf(cache, head));
      if (slab === undefined) continue;
      this.slabs++;
      const free = this.#follow(cache, slab, slab.first, undefined);
      if (guarded) attempt(() => this.#guards(cache, slab, free));
    }
    this.#cpuLists(cache);
  }

  /** `struct slab *` of the slabs that are listed: with free objects, and with guards also the full ones. */
  *#slabsOf(cache: Cache, guarded: boolean): Generator<VirtAddr> {
    const program = this.#program;
    // slab_list in 5.10; until 5.2 the word had one name, lru, for all.
    const link = program.tryField(this.#type, 'slab_list') === undefined ? 'lru' : 'slab_list';
    for (const id of this.#nodes) {
      const node = program.firstField('struct kmem_cache', [`node[${id}]`, `per_node[${id}].node`]).pointer(cache.at);
      if (!isKernel(node)) continue;
      for (const list of guarded ? ['partial', 'full'] : ['partial']) {
        const head = program.tryField('struct kmem_cache_node', list)?.address(node);
        if (head !== undefined) yield* listEntries(program, head, this.#type, link, MAX_SLABS);
      }
    }
  }

  #slabOf(cache: Cache, head: VirtAddr): Slab {
    const program = this.#program;
    const objects = program.field(this.#type, 'objects').number(head);
    const base = addressOfFrame(program, frameOfPage(program, head));
    if (objects < 1 || objects > MAX_OBJECTS || objects * cache.size > MAX_SLAB_BYTES)
      throw new ValidationError(this.#type, head, `${objects} objects`);
    return { base, objects, first: program.field(this.#type, 'freelist').pointer(head) };
  }

  /** The lists that CPUs have for themselves, until 6.19. */
  #cpuLists(cache: Cache): void {
    const program = this.#program;
    const perCpu = program.tryField('struct kmem_cache', 'cpu_slab')?.pointer(cache.at);
    const first = program.tryField('struct kmem_cache_cpu', 'freelist');
    if (perCpu === undefined || first === undefined) return;
    // page until 5.16.
    const own = program.firstField('struct kmem_cache_cpu', ['slab', 'page']);
    for (const cpu of this.#cpus) {
      attempt(() => {
        const at = program.perCpuAddress(perCpu, cpu);
        const head = own.pointer(at);
        // Taken from the CPU one after the other: without a slab the list is on its way.
        if (head === NULL) return;
        this.#follow(cache, { ...this.#slabOf(cache, head), first: first.pointer(at) }, first.pointer(at), {
          cpu,
          at: first.address(at),
        });
      });
    }
  }

  /** Follows a list of free objects. @returns their numbers */
  #follow(
    cache: Cache,
    slab: Slab,
    first: VirtAddr,
    of: { readonly cpu: number; readonly at: VirtAddr } | undefined,
  ): ReadonlySet<number> {
    const program = this.#program;
    const next = freeListOrder(program, cache.at);
    const free = new Set<number>();
    let last: VirtAddr | undefined;
    for (let object = first; object !== NULL; ) {
      const index = indexOf(cache, slab, object);
      if (index === undefined || free.has(index)) {
        const offset = program.field('struct kmem_cache', 'offset').number(cache.at);
        const from = last === undefined ? of?.at : add(last, offset);
        if (from !== undefined)
          this.damages.push({
            ...named(cache),
            kind: 'free-list',
            object: last,
            index: last === undefined ? undefined : indexOf(cache, slab, last),
            from,
            found: program.memory.readBytes(from, 8),
            wanted: undefined,
            leadsTo: object,
            // Below the head the pointer itself was read.
            overwritten:
              last === undefined ? this.#overwritten(cache, slab, object) : program.memory.readBytes(from, 8),
            cpu: of?.cpu,
          });
        break;
      }
      free.add(index);
      last = object;
      if (++this.#free > MAX_FREE) break;
      const after = attempt(() => next(object));
      // Not in the dump: nothing is known of the rest.
      if (after === undefined) break;
      object = after;
    }
    return free;
  }

  /** The pointer that the head was decoded from, in the object that was taken off the list last, which may be any. */
  #overwritten(cache: Cache, { base, objects }: Slab, decoded: VirtAddr): Uint8Array {
    const offset = this.#program.field('struct kmem_cache', 'offset').number(cache.at);
    const encode = freeListEncoding(this.#program, cache.at);
    const at = (index: number): VirtAddr => add(base, index * cache.size + cache.redLeft + offset);
    const bytesOf = (index: number): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(encode(at(index), decoded));
      return bytes;
    };
    const first = bytesOf(0);
    let same = first.length;
    for (let index = 1; index < objects; index++) {
      const other = bytesOf(index);
      while (same > 0 && first.compare(other, 0, same, 0, same) !== 0) same--;
    }
    return first.subarray(0, same);
  }

  #guards(cache: Cache, { base, objects }: Slab, free: ReadonlySet<number>): void {
    this.#bytes += objects * cache.size;
    if (this.#bytes > MAX_BYTES) return;
    this.guarded++;
    const bytes = this.#program.memory.readBytes(base, objects * cache.size);
    for (let index = 0; index < objects && this.damages.length < MAX_DAMAGES; index++) {
      const start = index * cache.size + cache.redLeft;
      const object = add(base, start);
      const check = (kind: SlabDamage['kind'], from: number, to: number, wanted: readonly number[]): void => {
        const begin = wrong(bytes, from, to, wanted);
        if (begin === undefined) return;
        let end = begin + 1;
        for (let i = end; i < to; i++) if (!wanted.includes(bytes[i] ?? 0)) end = i + 1;
        this.damages.push({
          ...named(cache),
          kind,
          object,
          index,
          from: add(base, begin),
          found: bytes.slice(begin, Math.min(end, begin + MAX_SHOWN)),
          wanted: wanted[0],
          leadsTo: undefined,
          overwritten: new Uint8Array(),
          cpu: undefined,
        });
      };
      if (cache.redZone) {
        const zone = free.has(index) ? [RED_FREE, RED_IN_USE] : [RED_IN_USE, RED_FREE];
        check('before', start - cache.redLeft, start, zone);
        check('behind', start + cache.objectSize, start + cache.inuse, zone);
      }
      if (cache.poison && free.has(index)) {
        check('freed', start, start + cache.objectSize - 1, [POISON]);
        check('freed', start + cache.objectSize - 1, start + cache.objectSize, [POISON_END]);
      }
    }
  }
}

const named = (cache: Cache): Pick<SlabDamage, 'cache' | 'cacheName' | 'stride'> => ({
  cache: cache.at,
  cacheName: cache.name,
  stride: cache.size,
});

/** The first byte that is none of those wanted. */
function wrong(bytes: Uint8Array, from: number, to: number, wanted: readonly number[]): number | undefined {
  for (let i = from; i < to; i++) if (!wanted.includes(bytes[i] ?? 0)) return i;
  return undefined;
}

/**
 * How the pointer to the next free object is stored, `set_freepointer()`: scrambled with CONFIG_SLAB_FREELIST_HARDENED, since
 * 5.7 (commit 1ad53d9fa3f6) with the bytes of its own address swapped.
 */
function freeListEncoding(program: Program, cache: VirtAddr): (at: VirtAddr, next: VirtAddr) => bigint {
  const random = program.tryField('struct kmem_cache', 'random')?.u64(cache);
  if (random === undefined) return (_, next) => next;
  return (at, next) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(at);
    return next ^ random ^ bytes.readBigUInt64BE();
  };
}

/** Number of the object that begins there; undefined where none of this slab does. */
function indexOf(cache: Cache, { base, objects }: Slab, object: VirtAddr): number | undefined {
  if (!contains(base, objects * cache.size, object)) return undefined;
  const index = (distance(object, base) - cache.redLeft) / cache.size;
  return Number.isInteger(index) ? index : undefined;
}
