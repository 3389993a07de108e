import { describe, expect, it } from 'vitest';
import { KernelImage, ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../base/errors.ts';
import { freeBlocks, memoryNodes, zones, zonesOf } from './zone.ts';

const zone: { readonly [member: string]: Value } = {
  name: 'Normal',
  zone_start_pfn: 0x100000,
  spanned_pages: 1000,
  present_pages: 900,
  managed_pages: 800,
  lowmem_reserve: [0, 0, 0],
  'free_area[0].nr_free': 7,
  'free_area[10].nr_free': 3,
};

function modern(): KernelImage {
  const image = new KernelImage();
  image.struct('free_area', { free_list: 'struct list_head[6]', nr_free: 'unsigned long' });
  image.struct('zone', {
    _watermark: 'unsigned long[4]',
    watermark_boost: 'unsigned long',
    nr_reserved_highatomic: 'unsigned long',
    lowmem_reserve: 'long[3]',
    zone_start_pfn: 'unsigned long',
    managed_pages: 'atomic_long_t',
    spanned_pages: 'unsigned long',
    present_pages: 'unsigned long',
    name: 'const char *',
    free_area: 'struct free_area[11]',
  });
  image.struct('pglist_data', { node_zones: 'struct zone[4]', nr_zones: 'int', node_id: 'int' });
  image.enum('zone_watermarks', ['WMARK_MIN', 'WMARK_LOW', 'WMARK_HIGH', 'WMARK_PROMO', 'NR_WMARK']);
  image.place('node0', 'struct pglist_data', {
    nr_zones: 2,
    'node_zones[0]': { name: 'DMA32', managed_pages: 100, lowmem_reserve: [0, 0, 55] },
    'node_zones[1]': { ...zone, _watermark: [10, 20, 30, 40], watermark_boost: 5, nr_reserved_highatomic: 64 },
  });
  return image;
}

/** Nodes 0 and 2; entry 1 is a hole. */
function numa(): KernelImage {
  const image = modern();
  image.place('node2', 'struct pglist_data', { nr_zones: 1, node_id: 2, 'node_zones[0]': { name: 'Movable' } });
  image.global('node_data', 'struct pglist_data *[4]', [ref('node0'), 0, ref('node2')]);
  image.global('nr_node_ids', 'unsigned int', 3);
  return image;
}

describe('memoryNodes', () => {
  it('passes over holes of node_data[]', () => {
    const image = numa();
    expect(memoryNodes(programOfImage(image))).toEqual([
      { id: 0, address: image.address('node0') },
      { id: 2, address: image.address('node2') },
    ]);
  });

  it('passes over nodes that are not online', () => {
    const image = numa();
    image.typedef('nodemask_t', { kind: 'struct', members: { bits: 'unsigned long[1]' } });
    image.enum('node_states', ['N_POSSIBLE', 'N_ONLINE', 'N_NORMAL_MEMORY']);
    image.global('node_states', 'nodemask_t[3]', [{ 'bits[0]': 5 }, { 'bits[0]': 1 }]);
    expect(memoryNodes(programOfImage(image)).map(({ id }) => id)).toEqual([0]);
  });

  it('has one node without NUMA', () => {
    const image = modern();
    image.symbol('contig_page_data', 'node0');
    expect(memoryNodes(programOfImage(image))).toEqual([{ id: 0, address: image.address('node0') }]);
    expect(memoryNodes(programOfImage(modern()))).toEqual([]);
  });

  it('refuses a table that makes no sense', () => {
    const image = numa();
    image.write('nr_node_ids', 1 << 20);
    expect(() => memoryNodes(programOfImage(image))).toThrow(ValidationError);
    image.write('nr_node_ids', 3);
    image.write('node_data[1]', 0x1234);
    expect(() => memoryNodes(programOfImage(image))).toThrow(ValidationError);
  });
});

describe('zones', () => {
  it('reads pages, watermarks with their boost, and reserves', () => {
    const image = numa();
    const [dma, normal, movable, ...rest] = zones(programOfImage(image));
    expect(rest).toEqual([]);
    expect(normal).toEqual({
      node: 0,
      name: 'Normal',
      address: image.address('node0.node_zones[1]'),
      startPfn: 0x100000,
      spanned: 1000,
      present: 900,
      managed: 800,
      watermark: { min: 10, low: 20, high: 30, boost: 5 },
      lowmemReserve: [0, 0, 0],
      reservedHighatomic: 64,
    });
    expect(dma?.lowmemReserve).toEqual([0, 0, 55]);
    expect([movable?.node, movable?.name]).toEqual([2, 'Movable']);
  });

  it('reads zones from before 5.0: watermark[], managed_pages as a number, or none', () => {
    const image = new KernelImage();
    image.struct('zone', {
      watermark: 'unsigned long[3]',
      lowmem_reserve: 'unsigned long[4]',
      zone_start_pfn: 'unsigned long',
      spanned_pages: 'unsigned long',
      present_pages: 'unsigned long',
      name: 'const char *',
    });
    image.struct('pglist_data', { node_zones: 'struct zone[4]', nr_zones: 'int' });
    image.global('contig_page_data', 'struct pglist_data', {
      nr_zones: 1,
      'node_zones[0]': { name: 'Normal', watermark: [1, 2, 3], present_pages: 900 },
    });
    expect(zones(programOfImage(image))[0]).toMatchObject({
      managed: 900,
      watermark: { min: 1, low: 2, high: 3, boost: 0 },
      reservedHighatomic: undefined,
    });
  });

  it('refuses a node with more zones than there are kinds', () => {
    const image = numa();
    image.write('node0.nr_zones', 1000);
    const program = programOfImage(image);
    expect(() => zonesOf(program, { id: 0, address: image.address('node0') })).toThrow(ValidationError);
  });
});

describe('freeBlocks', () => {
  it('counts the free blocks of each order', () => {
    const image = numa();
    const free = freeBlocks(programOfImage(image), image.address('node0.node_zones[1]'));
    expect(free).toEqual([7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
  });
});
