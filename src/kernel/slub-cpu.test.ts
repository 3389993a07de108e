import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../base/errors.ts';
import { cpuFreeObjects, readyObjects } from './slub-cpu.ts';

const RANDOM = 0x123456789abcdef0n;
const AREA = 0xffff888010000000n;
const OFFSET = 32n;

/** How the pointer to the next free object is stored: as it is, or scrambled in the two ways since 4.14. */
type Storing = 'plain' | 'scrambled' | 'swapped';

function image(storing: Storing): KernelImage {
  const built = new KernelImage();
  built.struct('kmem_cache_cpu', { freelist: 'void *', tid: 'unsigned long' });
  built.struct('kmem_cache', {
    cpu_slab: 'struct kmem_cache_cpu *',
    offset: 'unsigned int',
    ...(storing === 'plain' ? {} : { random: 'unsigned long' }),
  });
  built.cpus(2);
  built.bytes('slab', new Uint8Array(4096), { at: AREA });
  built.perCpuPointer('cpus', 'struct kmem_cache_cpu', [{ freelist: AREA }, { freelist: 0 }]);
  built.place('cache', 'struct kmem_cache', {
    cpu_slab: ref('cpus'),
    offset: Number(OFFSET),
    ...(storing === 'plain' ? {} : { random: RANDOM }),
  });
  return built;
}

/** Writes a list of free objects into the slab. */
function link(built: KernelImage, storing: Storing, objects: readonly number[]): void {
  objects.slice(0, new Set(objects).size).forEach((object, i) => {
    const at = AREA + BigInt(object) + OFFSET;
    const next = objects[i + 1];
    const pointer = next === undefined ? 0n : AREA + BigInt(next);
    built.place(`link${object}`, 'unsigned long', scramble(storing, at, pointer), { at });
  });
}

function scramble(storing: Storing, at: bigint, pointer: bigint): bigint {
  if (storing === 'plain') return pointer;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(at);
  return pointer ^ RANDOM ^ (storing === 'swapped' ? bytes.readBigUInt64BE() : at);
}

describe.each(['plain', 'scrambled', 'swapped'] as const)('free objects that a CPU keeps, %s', (storing) => {
  it('are counted', () => {
    const built = image(storing);
    link(built, storing, [0, 192, 64]);
    expect(cpuFreeObjects(programOfImage(built), built.address('cache'))).toBe(3);
  });

  it('and a list without end is an error', () => {
    const built = image(storing);
    link(built, storing, [0, 192, 0]);
    expect(() => cpuFreeObjects(programOfImage(built), built.address('cache'))).toThrow(ValidationError);
  });
});

describe.each(['barn of the node', 'barn beside the node'] as const)('sheaves, %s', (form) => {
  const built = (): KernelImage => {
    const sheaves = new KernelImage();
    sheaves.cpus(2);
    sheaves.struct('slab_sheaf', { barn_list: 'struct list_head', size: 'unsigned int' });
    sheaves.struct('slub_percpu_sheaves', {
      main: 'struct slab_sheaf *',
      spare: 'struct slab_sheaf *',
      rcu_free: 'struct slab_sheaf *',
    });
    sheaves.struct('node_barn', { lock: 'unsigned long', sheaves_full: 'struct list_head' });
    sheaves.struct('kmem_cache_node', { nr_slabs: 'unsigned long', barn: 'struct node_barn *' });
    sheaves.struct('kmem_cache_per_node_ptrs', { barn: 'struct node_barn *', node: 'struct kmem_cache_node *' });
    const beside = form === 'barn beside the node';
    sheaves.struct('kmem_cache', {
      cpu_sheaves: 'struct slub_percpu_sheaves *',
      ...(beside ? { per_node: 'struct kmem_cache_per_node_ptrs[1]' } : { node: 'struct kmem_cache_node *[1]' }),
    });
    sheaves.struct('pglist_data', { node_id: 'int' });
    sheaves.global('contig_page_data', 'struct pglist_data', {});
    for (const [label, size] of [
      ['a', 5],
      ['b', 7],
      ['c', 11],
      ['d', 13],
    ] as const)
      sheaves.place(label, 'struct slab_sheaf', { size });
    sheaves.place('barn', 'struct node_barn', {});
    sheaves.list('barn.sheaves_full', ['c.barn_list', 'd.barn_list']);
    sheaves.place('on node', 'struct kmem_cache_node', { barn: ref('barn') });
    sheaves.perCpuPointer('cpus', 'struct slub_percpu_sheaves', [{ main: ref('a') }, { spare: ref('b') }]);
    sheaves.place('cache', 'struct kmem_cache', {
      cpu_sheaves: ref('cpus'),
      ...(beside ? { 'per_node[0].barn': ref('barn') } : { 'node[0]': ref('on node') }),
    });
    return sheaves;
  };

  it('of CPUs and of the barn are counted', () => {
    const sheaves = built();
    expect(cpuFreeObjects(programOfImage(sheaves), sheaves.address('cache'))).toBe(36);
  });

  it('that are absurd are errors', () => {
    const sheaves = built();
    sheaves.write('a.size', 2 ** 31);
    expect(() => cpuFreeObjects(programOfImage(sheaves), sheaves.address('cache'))).toThrow(ValidationError);
  });
});

it('a kernel that keeps them otherwise says so', () => {
  const built = new KernelImage();
  built.struct('kmem_cache', { offset: 'unsigned int' });
  built.place('cache', 'struct kmem_cache', {});
  expect(cpuFreeObjects(programOfImage(built), built.address('cache'))).toBeUndefined();
});

it('who keeps each object ready: a list, a sheaf, the barn of a node', () => {
  const built = new KernelImage();
  built.cpus(2);
  built.struct('slab_sheaf', { barn_list: 'struct list_head', size: 'unsigned int', objects: 'void *[4]' });
  built.struct('slub_percpu_sheaves', {
    main: 'struct slab_sheaf *',
    spare: 'struct slab_sheaf *',
    rcu_free: 'struct slab_sheaf *',
  });
  built.struct('node_barn', { sheaves_full: 'struct list_head' });
  built.struct('kmem_cache_node', { barn: 'struct node_barn *' });
  built.struct('kmem_cache', { cpu_sheaves: 'struct slub_percpu_sheaves *', node: 'struct kmem_cache_node *[1]' });
  built.struct('pglist_data', { node_id: 'int' });
  built.global('contig_page_data', 'struct pglist_data', {});
  built.place('a', 'struct slab_sheaf', { size: 2, objects: [0xffff888000001000n, 0xffff888000001040n, 0, 0] });
  built.place('b', 'struct slab_sheaf', { size: 1, objects: [0xffff888000002000n, 0xffff888000002040n, 0, 0] });
  built.place('c', 'struct slab_sheaf', { size: 1, objects: [0xffff888000003000n, 0, 0, 0] });
  built.place('broken', 'struct slab_sheaf', { size: 2 ** 31 });
  built.place('barn', 'struct node_barn', {});
  built.list('barn.sheaves_full', ['c.barn_list']);
  built.place('node', 'struct kmem_cache_node', { barn: ref('barn') });
  built.perCpuPointer('cpus', 'struct slub_percpu_sheaves', [
    { main: ref('a') },
    { rcu_free: ref('b'), main: ref('broken') },
  ]);
  built.place('cache', 'struct kmem_cache', { cpu_sheaves: ref('cpus'), 'node[0]': ref('node') });
  const { objects, problems } = readyObjects(programOfImage(built), built.address('cache'));
  expect([...objects]).toEqual([
    [0xffff888000001000n, { cpu: 0, sheaf: true }],
    [0xffff888000001040n, { cpu: 0, sheaf: true }],
    [0xffff888000002000n, { cpu: 1, sheaf: true }],
    [0xffff888000003000n, { node: 0 }],
  ]);
  expect(problems).toEqual(['a sheaf of CPU 1 breaks off']);
});
