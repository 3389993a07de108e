import { expect, test } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { cpuSlabs, nodeSlabs } from './slab-lists.ts';

/** CPU 0 takes from one slab and keeps two; the node has two partial ones and a full one. */
function image(flags: number, enumerated: boolean): KernelImage {
  const built = new KernelImage();
  if (enumerated) built.enum('_slab_flag_bits', { _SLAB_POISON: 5, _SLAB_STORE_USER: 7 });
  built.struct('slab', { slab_list: 'struct list_head', next: 'struct slab *' });
  built.struct('kmem_cache_node', {
    nr_partial: 'unsigned long',
    partial: 'struct list_head',
    nr_slabs: 'atomic_long_t',
    full: 'struct list_head',
  });
  built.struct('kmem_cache_cpu', { freelist: 'void *', slab: 'struct slab *', partial: 'struct slab *' });
  built.struct('kmem_cache', {
    cpu_slab: 'struct kmem_cache_cpu *',
    flags: 'unsigned int',
    node: 'struct kmem_cache_node *[2]',
  });
  built.struct('pglist_data', { node_id: 'int' });
  built.global('contig_page_data', 'struct pglist_data', {});
  built.cpus(2);
  for (const name of ['current', 'last kept', 'first', 'second', 'full']) built.place(name, 'struct slab', {});
  built.place('kept', 'struct slab', { next: ref('last kept') });
  built.perCpuPointer('cpus', 'struct kmem_cache_cpu', [{ slab: ref('current'), partial: ref('kept') }, {}]);
  built.place('node', 'struct kmem_cache_node', { nr_partial: 2, nr_slabs: 6 });
  built.list('node.partial', ['first.slab_list', 'second.slab_list']);
  built.list('node.full', ['full.slab_list']);
  built.place('cache', 'struct kmem_cache', { cpu_slab: ref('cpus'), flags, 'node[0]': ref('node') });
  return built;
}

test('what each CPU and node has', () => {
  const built = image(0x10000, false);
  const program = programOfImage(built);
  const at = (label: string): bigint => built.address(label);
  expect(
    cpuSlabs(program, built.address('cache')).map(({ cpu, own, partial }) => ({ cpu, own, partial: partial.slabs })),
  ).toEqual([
    { cpu: 0, own: at('current'), partial: [at('kept'), at('last kept')] },
    { cpu: 1, own: undefined, partial: [] },
  ]);
  expect(nodeSlabs(program, built.address('cache'))).toEqual([
    {
      node: 0,
      address: at('node'),
      slabs: 6,
      counted: 2,
      partial: { slabs: [at('first'), at('second')], problem: undefined },
      full: { slabs: [at('full')], problem: undefined },
    },
  ]);
});

// SLAB_STORE_USER was 0x10000 until 6.8, and is a bit of an enumeration since.
test.each([
  [0x10000, false, true],
  [0x80, false, false],
  [0x10000, true, false],
  [0x80, true, true],
])('full slabs are tracked with flags %x, enumerated %s: %s', (flags, enumerated, tracked) => {
  const built = image(flags, enumerated);
  const [node] = nodeSlabs(programOfImage(built), built.address('cache'));
  expect(node?.full !== undefined).toBe(tracked);
});

test('lists that break off keep what came before', () => {
  const built = image(0, false);
  built.write('second.slab_list.next', 5);
  built.write('last kept.next', ref('kept'));
  const program = programOfImage(built);
  const [node] = nodeSlabs(program, built.address('cache'));
  expect(node?.partial).toEqual({
    slabs: [built.address('first'), built.address('second')],
    problem: 'the list breaks off after 2 slabs',
  });
  expect(cpuSlabs(program, built.address('cache'))[0]?.partial.problem).toContain('the list breaks off');
});
