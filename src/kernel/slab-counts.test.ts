import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { slabCounter } from './slab-counts.ts';

/** 100 slabs of 21 objects; two with free objects on the node's list, one a CPU takes from, two that it keeps. */
function image(): KernelImage {
  const built = new KernelImage();
  built.struct('slab', {
    slab_list: 'struct list_head',
    next: 'struct slab *',
    inuse: 'unsigned int:16',
    objects: 'unsigned int:15',
    frozen: 'unsigned int:1',
  });
  built.struct('kmem_cache_node', {
    nr_partial: 'unsigned long',
    partial: 'struct list_head',
    nr_slabs: 'atomic_long_t',
    total_objects: 'atomic_long_t',
  });
  built.struct('kmem_cache_cpu', { freelist: 'void *', slab: 'struct slab *', partial: 'struct slab *' });
  built.struct('kmem_cache', { cpu_slab: 'struct kmem_cache_cpu *', node: 'struct kmem_cache_node *[2]' });
  built.struct('pglist_data', { node_id: 'int' });
  built.global('contig_page_data', 'struct pglist_data', {});
  built.cpus(2);
  const slab = (name: string, inuse: number, more: object = {}): void => {
    built.place(name, 'struct slab', { inuse, objects: 21, ...more });
  };
  slab('first', 1);
  slab('second', 20);
  slab('current', 21);
  slab('last kept', 11);
  slab('kept', 16, { next: ref('last kept') });
  built.perCpuPointer('cpus', 'struct kmem_cache_cpu', [
    { freelist: 0, slab: ref('current'), partial: ref('kept') },
    { freelist: 0, slab: 0, partial: 0 },
  ]);
  built.place('node', 'struct kmem_cache_node', { nr_partial: 2, nr_slabs: 100, total_objects: 2100 });
  built.list('node.partial', ['first.slab_list', 'second.slab_list']);
  built.place('cache', 'struct kmem_cache', { cpu_slab: ref('cpus'), 'node[0]': ref('node') });
  return built;
}

function counts(built: KernelImage): ReturnType<ReturnType<typeof slabCounter>> {
  return slabCounter(programOfImage(built))(built.address('cache'));
}

describe('slabCounter', () => {
  it('counts all objects but the free ones of slabs on the lists', () => {
    expect(counts(image())).toEqual({ slabs: 100, objects: 2100, used: 2100 - 20 - 1 - 5 - 10 });
  });

  it.each([
    ['a list that is shorter than its count', 'node.nr_partial', 3],
    ['a list that is longer than its count', 'node.nr_partial', 1],
    ['a list that is broken', 'second.slab_list.prev', 0xffff888000000000n],
    ['a list of a CPU that runs in a circle', 'last kept.next', ref('kept')],
    ['a slab with more objects in use than it has', 'first.inuse', 22],
    ['counters that cannot be', 'node.total_objects', 10],
  ] as const)('gives no answer for %s', (_, what, value) => {
    const built = image();
    built.write(what, value);
    expect(() => counts(built)).toThrow(ValidationError);
  });

  it('says that it cannot count another allocator', () => {
    expect(() => slabCounter(programOfImage(new KernelImage()))).toThrow(LookupError);
  });
});
