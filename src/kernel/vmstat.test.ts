import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { numaCounters, nodeCounters, vmCounters, vmEvents, zoneCounters } from './vmstat.ts';
import { memoryNodes } from './zone.ts';

const ZONE_MEMBERS = {
  _watermark: 'unsigned long[3]',
  lowmem_reserve: 'long[3]',
  zone_start_pfn: 'unsigned long',
  spanned_pages: 'unsigned long',
  present_pages: 'unsigned long',
  name: 'const char *',
} as const;

/** Since 4.8 zones and nodes count apart; since 5.14 the differences of zones are in per_cpu_zonestats. */
function split(era: '4.8' | '5.14'): KernelImage {
  const image = new KernelImage();
  const perCpu = era === '5.14' ? 'per_cpu_zonestats' : 'pageset';
  const type = era === '5.14' ? 'per_cpu_zonestat' : 'per_cpu_pageset';
  const numa: Readonly<Record<string, string>> = era === '5.14' ? {} : { vm_numa_stat_diff: 'u16[2]' };
  image.struct(type, { pcp: 'unsigned long[2]', vm_stat_diff: 's8[2]', ...numa });
  image.struct('per_cpu_nodestat', { stat_threshold: 's8', vm_node_stat_diff: 's8[3]' });
  image.struct('zone', { ...ZONE_MEMBERS, [perCpu]: `struct ${type} *`, vm_stat: 'atomic_long_t[2]' });
  image.struct('pglist_data', {
    node_zones: 'struct zone[2]',
    nr_zones: 'int',
    per_cpu_nodestats: 'struct per_cpu_nodestat *',
    vm_stat: 'atomic_long_t[3]',
  });
  image.enum('zone_stat_item', ['NR_FREE_PAGES', 'NR_MLOCK', 'NR_VM_ZONE_STAT_ITEMS']);
  image.enum('node_stat_item', {
    NR_LRU_BASE: 0,
    NR_INACTIVE_ANON: 0,
    NR_SLAB_RECLAIMABLE_B: 1,
    NR_SHMEM: 2,
    NR_VM_NODE_STAT_ITEMS: 3,
  });
  image.cpus(3, 2);
  image.perCpuPointer('zone0', `struct ${type}`, [
    { vm_stat_diff: [-5, 1] },
    { vm_stat_diff: [2, 0] },
    { vm_stat_diff: [100, 100] },
  ]);
  image.perCpuPointer('zone1', `struct ${type}`, [{ vm_stat_diff: [1, 1] }]);
  image.perCpuPointer('nodestat', 'struct per_cpu_nodestat', [
    { vm_node_stat_diff: [-3, 0, 4] },
    { vm_node_stat_diff: [0, 0, 5] },
  ]);
  image.global('contig_page_data', 'struct pglist_data', {
    nr_zones: 2,
    per_cpu_nodestats: ref('nodestat'),
    vm_stat: [11, 12, 13],
    'node_zones[0]': { [perCpu]: ref('zone0'), vm_stat: [60, 0] },
    'node_zones[1]': { [perCpu]: ref('zone1'), vm_stat: [40, 7] },
  });
  image.global('vm_zone_stat', 'atomic_long_t[2]', [100, 7]);
  image.global('vm_node_stat', 'atomic_long_t[3]', [2, 12, 13]);
  return image;
}

describe('vmCounters', () => {
  it.each(['4.8', '5.14'] as const)('adds what online CPUs have not added yet, as of %s', (era) => {
    const counters = vmCounters(programOfImage(split(era)));
    expect(Object.fromEntries(counters)).toEqual({
      NR_FREE_PAGES: { value: 98, folded: 100, source: 'vm_zone_stat[NR_FREE_PAGES]' },
      NR_MLOCK: { value: 9, folded: 7, source: 'vm_zone_stat[NR_MLOCK]' },
      NR_LRU_BASE: { value: -1, folded: 2, source: 'vm_node_stat[NR_LRU_BASE]' },
      NR_INACTIVE_ANON: { value: -1, folded: 2, source: 'vm_node_stat[NR_INACTIVE_ANON]' },
      NR_SLAB_RECLAIMABLE_B: { value: 12, folded: 12, source: 'vm_node_stat[NR_SLAB_RECLAIMABLE_B]' },
      NR_SHMEM: { value: 22, folded: 13, source: 'vm_node_stat[NR_SHMEM]' },
    });
  });

  it.each([
    ['vm_zone_stat[0]', 5000],
    ['contig_page_data.node_zones[1].vm_stat[0]', 5000],
    ['contig_page_data.node_zones[1].vm_stat[0]', -5000],
    ['vm_node_stat[2]', 1n << 40n],
    ['contig_page_data.vm_stat[1]', 0xffff888012345678n],
  ] as const)('are not believed when %s says otherwise', (counter, value) => {
    const image = split('5.14');
    image.write(counter, value);
    expect(() => vmCounters(programOfImage(image))).toThrow(ValidationError);
  });

  it('may differ by what CPUs are just adding', () => {
    const image = split('5.14');
    image.write('vm_zone_stat[0]', 100 + 127);
    expect(vmCounters(programOfImage(image)).get('NR_FREE_PAGES')?.folded).toBe(227);
    // What only grows may come from a node that was taken out.
    image.write('vm_zone_stat[1]', 1_000_000);
    expect(vmCounters(programOfImage(image)).get('NR_MLOCK')?.folded).toBe(1_000_000);
  });

  it('reads the one array that there was until 4.7', () => {
    const image = new KernelImage();
    image.struct('per_cpu_pageset', { pcp: 'unsigned long', stat_threshold: 's8', vm_stat_diff: 's8[2]' });
    image.struct('zone', { ...ZONE_MEMBERS, pageset: 'struct per_cpu_pageset *', vm_stat: 'atomic_long_t[2]' });
    image.struct('pglist_data', { node_zones: 'struct zone[2]', nr_zones: 'int' });
    image.enum('zone_stat_item', ['NR_FREE_PAGES', 'NR_SHMEM', 'NR_VM_ZONE_STAT_ITEMS']);
    image.cpus(1);
    image.perCpuPointer('pcp', 'struct per_cpu_pageset', [{ vm_stat_diff: [0, -4] }]);
    image.global('contig_page_data', 'struct pglist_data', { nr_zones: 1, 'node_zones[0].pageset': ref('pcp') });
    image.global('vm_stat', 'atomic_long_t[2]', [10, 20]);
    const program = programOfImage(image);
    expect(Object.fromEntries(vmCounters(program))).toEqual({
      NR_FREE_PAGES: { value: 10, folded: 10, source: 'vm_stat[NR_FREE_PAGES]' },
      NR_SHMEM: { value: 16, folded: 20, source: 'vm_stat[NR_SHMEM]' },
    });
    const [node] = memoryNodes(program);
    if (node === undefined) throw new Error('no node');
    expect(nodeCounters(program, node).size).toBe(0);
  });

  it('does without differences where pageset is no per-CPU pointer (until 2.6.33)', () => {
    const image = new KernelImage();
    image.struct('per_cpu_pageset', { vm_stat_diff: 's8[1]' });
    image.struct('zone', { ...ZONE_MEMBERS, pageset: 'struct per_cpu_pageset *[4]', vm_stat: 'atomic_long_t[1]' });
    image.struct('pglist_data', { node_zones: 'struct zone[1]', nr_zones: 'int' });
    image.enum('zone_stat_item', ['NR_FREE_PAGES', 'NR_VM_ZONE_STAT_ITEMS']);
    image.global('contig_page_data', 'struct pglist_data', { nr_zones: 1, 'node_zones[0].pageset': [0x100, 0x200] });
    image.global('vm_stat', 'atomic_long_t[1]', [10]);
    expect(vmCounters(programOfImage(image)).get('NR_FREE_PAGES')?.value).toBe(10);
  });

  it('throws when the arrays are not there', () => {
    expect(() => vmCounters(programOfImage(new KernelImage()))).toThrow(LookupError);
  });
});

describe('numaCounters', () => {
  it('are those of 4.14 to 5.13, with what CPUs have not added', () => {
    const image = split('4.8');
    expect(numaCounters(programOfImage(image)).size).toBe(0);
    image.enum('numa_stat_item', ['NUMA_HIT', 'NUMA_MISS', 'NR_VM_NUMA_STAT_ITEMS']);
    image.perCpuPointer('numa0', 'struct per_cpu_pageset', [
      { vm_numa_stat_diff: [40_000, 0] },
      { vm_numa_stat_diff: [2, 3] },
      { vm_numa_stat_diff: [900, 900] },
    ]);
    image.write('contig_page_data.node_zones[0].pageset', ref('numa0'));
    image.global('vm_numa_stat', 'atomic_long_t[2]', [1000, 5]);
    expect([...numaCounters(programOfImage(image))]).toEqual([
      ['NUMA_HIT', { value: 41_002, folded: 1000, source: 'vm_numa_stat[NUMA_HIT]' }],
      ['NUMA_MISS', { value: 8, folded: 5, source: 'vm_numa_stat[NUMA_MISS]' }],
    ]);
  });
});

describe('zoneCounters and nodeCounters', () => {
  it('read one zone and one node', () => {
    const image = split('5.14');
    const program = programOfImage(image);
    const zone = zoneCounters(program, image.address('contig_page_data.node_zones[0]'));
    expect(zone.get('NR_FREE_PAGES')).toEqual({ value: 57, folded: 60, source: 'zone.vm_stat[NR_FREE_PAGES]' });
    const node = nodeCounters(program, { id: 0, address: image.address('contig_page_data') });
    expect(node.get('NR_SHMEM')).toEqual({ value: 22, folded: 13, source: 'pglist_data.vm_stat[NR_SHMEM]' });
    expect(node.has('NR_FREE_PAGES')).toBe(false);
  });
});

describe('vmEvents', () => {
  it('sums over the online CPUs', () => {
    const image = new KernelImage();
    image.enum('vm_event_item', ['PGPGIN', 'OOM_KILL', 'NR_VM_EVENT_ITEMS']);
    image.struct('vm_event_state', { event: 'unsigned long[2]' });
    image.cpus(3, 2);
    image.perCpu('vm_event_states', 'struct vm_event_state', [
      { event: [1, 2] },
      { event: [10, 0] },
      { event: [100, 100] },
    ]);
    expect(Object.fromEntries(vmEvents(programOfImage(image)))).toEqual({ PGPGIN: 11n, OOM_KILL: 2n });
  });
});
