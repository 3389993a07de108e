/**
 * Free objects that are kept ready for CPUs (SLUB, mm/slub.c), which count as used in the page structures of their slabs: the
 * lists in `kmem_cache_cpu.freelist`, and in their place since 7.0 arrays of objects, `struct slab_sheaf`, of each CPU and in
 * the barn of each node.
 */
import { add, isKernel, NULL, type VirtAddr, virt } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { listEntries } from './list.ts';
import { memoryNodes } from './zone.ts';

/** `objects` of a slab has 15 bits. */
const MAX_OBJECTS = 1 << 15;

/** Sheaves of a barn: the kernel keeps 10 full ones. */
const MAX_SHEAVES = 1 << 12;

/**
 * How many free objects are kept ready for the online CPUs.
 * @param cache - `struct kmem_cache *`
 * @returns undefined where this kernel keeps them otherwise
 * @throws FaultError, LookupError, ValidationError when a list is broken
 */
export function cpuFreeObjects(program: Program, cache: VirtAddr): number | undefined {
  // Both are there in 6.18 and 6.19.
  const lists = listedObjects(program, cache);
  const sheaves = sheafObjects(program, cache);
  return lists === undefined && sheaves === undefined ? undefined : (lists ?? 0) + (sheaves ?? 0);
}

/** Who keeps a free object ready. */
export type ReadyWhere = { readonly cpu: number; readonly sheaf: boolean } | { readonly node: number };

/**
 * The free objects that are kept ready, each with who keeps it: on a CPU's list, in a sheaf of a CPU or of a node's barn.
 * @param cache - `struct kmem_cache *`
 * @returns what was found, and what could not be followed
 * @throws FaultError, LookupError
 */
export function readyObjects(
  program: Program,
  cache: VirtAddr,
): { readonly objects: ReadonlyMap<VirtAddr, ReadyWhere>; readonly problems: readonly string[] } {
  const objects = new Map<VirtAddr, ReadyWhere>();
  const problems = new Set<string>();
  const take = (what: string, where: ReadyWhere, found: () => Iterable<VirtAddr>): void => {
    const whole = attempt(() => {
      for (const object of found()) objects.set(object, where);
      return true;
    });
    if (whole === undefined) problems.add(`${what} breaks off`);
  };
  const cpuSlab = program.tryField('struct kmem_cache', 'cpu_slab');
  const first = program.tryField('struct kmem_cache_cpu', 'freelist');
  const sheaves = program.tryField('struct kmem_cache', 'cpu_sheaves');
  for (const cpu of cpus(program, 'online')) {
    if (cpuSlab !== undefined && first !== undefined)
      take(`the list of free objects of CPU ${cpu}`, { cpu, sheaf: false }, () =>
        chain(program, cache, first.pointer(program.perCpuAddress(cpuSlab.pointer(cache), cpu))),
      );
    if (sheaves === undefined || sheaves.pointer(cache) === NULL) continue;
    const own = program.perCpuAddress(sheaves.pointer(cache), cpu);
    for (const member of ['main', 'spare', 'rcu_free'])
      take(`a sheaf of CPU ${cpu}`, { cpu, sheaf: true }, () =>
        inSheaf(program, program.field('struct slub_percpu_sheaves', member).pointer(own)),
      );
  }
  if (sheaves !== undefined)
    for (const { id } of memoryNodes(program)) {
      const barn = barnOf(program, cache, id);
      if (barn !== undefined)
        take(`the barn of node ${id}`, { node: id }, function* () {
          for (const sheaf of fullSheaves(program, barn)) yield* inSheaf(program, sheaf);
        });
    }
  return { objects, problems: [...problems] };
}

/** A chain of free objects from its first one, `void *`. @throws FaultError, LookupError, ValidationError when it does not end */
export function* chain(program: Program, cache: VirtAddr, start: VirtAddr): Generator<VirtAddr> {
  const next = freeListOrder(program, cache);
  let n = 0;
  for (let object = start; object !== NULL; object = next(object)) {
    if (!isKernel(object) || ++n > MAX_OBJECTS)
      throw new ValidationError('struct kmem_cache', cache, 'a list of free objects is broken');
    yield object;
  }
}

/** `struct slab_sheaf.objects[]`. */
function* inSheaf(program: Program, sheaf: VirtAddr): Generator<VirtAddr> {
  if (!isKernel(sheaf)) return;
  const size = program.field('struct slab_sheaf', 'size').number(sheaf);
  if (size > MAX_OBJECTS) throw new ValidationError('struct slab_sheaf', sheaf, `has ${size} objects`);
  const objects = program.field('struct slab_sheaf', 'objects').address(sheaf);
  for (let i = 0; i < size; i++) yield program.memory.readPointer(add(objects, 8 * i));
}

/** `struct node_barn *` of a node, in kmem_cache_node until 7.0. */
function barnOf(program: Program, cache: VirtAddr, node: number): VirtAddr | undefined {
  const barn =
    program.tryField('struct kmem_cache', `per_node[${node}].barn`)?.pointer(cache) ??
    nodeBarn(program, program.tryField('struct kmem_cache', `node[${node}]`)?.pointer(cache));
  return barn === undefined || !isKernel(barn) ? undefined : barn;
}

function fullSheaves(program: Program, barn: VirtAddr): Iterable<VirtAddr> {
  const full = program.field('struct node_barn', 'sheaves_full').address(barn);
  return listEntries(program, full, 'struct slab_sheaf', 'barn_list', MAX_SHEAVES);
}

/** Objects in the sheaves of the CPUs, those that wait for an RCU grace period among them, and in full ones of the nodes. */
function sheafObjects(program: Program, cache: VirtAddr): number | undefined {
  // Since 6.18 (commit 2d517aa09bbc).
  const perCpu = program.tryField('struct kmem_cache', 'cpu_sheaves');
  if (perCpu === undefined) return undefined;
  const size = program.field('struct slab_sheaf', 'size');
  const sizeOf = (sheaf: VirtAddr): number => {
    const objects = isKernel(sheaf) ? size.number(sheaf) : 0;
    if (objects > MAX_OBJECTS) throw new ValidationError('struct slab_sheaf', sheaf, `has ${objects} objects`);
    return objects;
  };
  const base = perCpu.pointer(cache);
  let count = 0;
  if (base !== NULL) {
    const sheaves = ['main', 'spare', 'rcu_free'].map((member) => program.field('struct slub_percpu_sheaves', member));
    for (const cpu of cpus(program, 'online'))
      for (const sheaf of sheaves) count += sizeOf(sheaf.pointer(program.perCpuAddress(base, cpu)));
  }
  for (const { id } of memoryNodes(program)) {
    const barn = barnOf(program, cache, id);
    if (barn !== undefined) for (const sheaf of fullSheaves(program, barn)) count += sizeOf(sheaf);
  }
  return count;
}

function nodeBarn(program: Program, node: VirtAddr | undefined): VirtAddr | undefined {
  if (node === undefined || !isKernel(node)) return undefined;
  return program.tryField('struct kmem_cache_node', 'barn')?.pointer(node);
}

/** Objects on the CPUs' own lists, until 6.19. */
function listedObjects(program: Program, cache: VirtAddr): number | undefined {
  const cpuSlab = program.tryField('struct kmem_cache', 'cpu_slab');
  const first = program.tryField('struct kmem_cache_cpu', 'freelist');
  if (cpuSlab === undefined || first === undefined) return undefined;
  const base = cpuSlab.pointer(cache);
  const next = freeListOrder(program, cache);
  let count = 0;
  for (const cpu of cpus(program, 'online')) {
    const start = first.pointer(program.perCpuAddress(base, cpu));
    let n = 0;
    for (let object = start; object !== NULL; object = next(object)) {
      if (!isKernel(object) || ++n > MAX_OBJECTS)
        throw new ValidationError('struct kmem_cache', cache, `the list of free objects of CPU ${cpu} is broken`);
    }
    count += n;
  }
  return count;
}

/**
 * Follows a list of free objects: the pointer lies in each at `offset`, scrambled with CONFIG_SLAB_FREELIST_HARDENED.
 * @param cache - `struct kmem_cache *`
 * @throws FaultError, LookupError; the function that it gives, FaultError
 */
export function freeListOrder(program: Program, cache: VirtAddr): (object: VirtAddr) => VirtAddr {
  const offset = program.field('struct kmem_cache', 'offset').number(cache);
  // Since 4.14 (commit 2482ddec670f).
  const random = program.tryField('struct kmem_cache', 'random')?.u64(cache);
  // Since 5.7 (commit 1ad53d9fa3f6) also with the bytes of its own address swapped: free lists end in 0, so one whose
  // next object is none is decoded in the other way.
  return (object) => {
    const at = add(object, offset);
    const stored = program.memory.readPointer(at);
    if (random === undefined) return stored;
    const swapped = virt(stored ^ random ^ swap(at));
    if (swapped === NULL || isKernel(swapped)) return swapped;
    return virt(stored ^ random ^ at);
  };
}

function swap(value: bigint): bigint {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.readBigUInt64BE();
}
