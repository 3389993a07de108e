import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError } from '../base/errors.ts';
import { slabUsage } from './slab-usage.ts';

function image(node = 'node[0]'): KernelImage {
  const built = new KernelImage();
  built.struct('kmem_cache_order_objects', { x: 'unsigned int' });
  built.struct('kmem_cache_node', { nr_slabs: 'atomic_long_t' });
  built.struct('kmem_cache_per_node_ptrs', { barn: 'void *', node: 'struct kmem_cache_node *' });
  built.struct('kmem_cache', {
    oo: 'struct kmem_cache_order_objects',
    object_size: 'unsigned int',
    name: 'char *',
    list: 'struct list_head',
    ...(node === 'node[0]'
      ? { node: 'struct kmem_cache_node *[2]' }
      : { per_node: 'struct kmem_cache_per_node_ptrs[2]' }),
  });
  built.struct('pglist_data', { node_id: 'int' });
  built.global('contig_page_data', 'struct pglist_data', {});
  for (const [name, order, slabs] of [
    ['small', 0, 3],
    ['large', 3, 100],
  ] as const) {
    built.place(`${name} name`, 'char[16]', name);
    built.place(`${name} node`, 'struct kmem_cache_node', { nr_slabs: slabs });
    built.place(name, 'struct kmem_cache', {
      oo: (order << 16) | 21,
      object_size: 192,
      name: ref(`${name} name`),
      [node]: ref(`${name} node`),
    });
  }
  built.global('slab_caches', 'struct list_head', {});
  built.list('slab_caches', ['small.list', 'large.list']);
  return built;
}

describe('slabUsage', () => {
  it.each(['node[0]', 'per_node[0].node'])('counts slabs times their pages, largest first: %s', (node) => {
    const { caches, unread } = slabUsage(programOfImage(image(node)));
    expect(caches.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['large', 100 * 8 * 4096],
      ['small', 3 * 4096],
    ]);
    expect(unread).toBe(0);
  });

  it('leaves out and counts a cache that cannot be', () => {
    const built = image();
    built.write('large.oo', 0xffff0001);
    built.write('small node.nr_slabs', -5);
    expect(slabUsage(programOfImage(built))).toEqual({ caches: [], unread: 2 });
  });

  it('says that it cannot read another allocator', () => {
    expect(() => slabUsage(programOfImage(new KernelImage()))).toThrow(LookupError);
  });
});
