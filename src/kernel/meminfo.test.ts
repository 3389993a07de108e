import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { meminfo, type Meminfo } from './meminfo.ts';

const PAGE = 4096;

/** A kernel of today with 100,000 pages, all of them given out below. */
function machine(): KernelImage {
  const image = new KernelImage();
  image.cpus(2);
  image.enum('zone_stat_item', ['NR_FREE_PAGES', 'NR_MLOCK', 'NR_VM_ZONE_STAT_ITEMS']);
  const node = {
    NR_INACTIVE_ANON: 100,
    NR_ACTIVE_ANON: 200,
    NR_INACTIVE_FILE: 3000,
    NR_ACTIVE_FILE: 5001,
    NR_UNEVICTABLE: 7,
    NR_SLAB_RECLAIMABLE_B: 900,
    NR_SLAB_UNRECLAIMABLE_B: 1100,
    NR_ANON_MAPPED: 250,
    NR_FILE_MAPPED: 60,
    NR_FILE_PAGES: 9000,
    NR_FILE_DIRTY: 5,
    NR_WRITEBACK: 6,
    NR_SHMEM: 400,
    NR_KERNEL_MISC_RECLAIMABLE: 100,
    NR_KERNEL_STACK_KB: 1600,
    NR_PAGETABLE: 70,
    NR_SECONDARY_PAGETABLE: 3,
    NR_SWAPCACHE: 40,
  };
  image.enum('node_stat_item', [...Object.keys(node), 'NR_VM_NODE_STAT_ITEMS']);
  image.global('vm_zone_stat', 'atomic_long_t[2]', [50_000, 8]);
  image.global('vm_node_stat', `atomic_long_t[${Object.keys(node).length}]`, Object.values(node));
  image.struct('zone', {
    _watermark: 'unsigned long[3]',
    watermark_boost: 'unsigned long',
    lowmem_reserve: 'long[2]',
    zone_start_pfn: 'unsigned long',
    spanned_pages: 'unsigned long',
    present_pages: 'unsigned long',
    name: 'const char *',
  });
  image.struct('pglist_data', { node_zones: 'struct zone[2]', nr_zones: 'int' });
  image.global('contig_page_data', 'struct pglist_data', {
    nr_zones: 2,
    'node_zones[0]': { _watermark: [10, 20, 30] },
    'node_zones[1]': { _watermark: [100, 400, 500], watermark_boost: 80 },
  });
  image.global('_totalram_pages', 'atomic_long_t', 100_000);
  image.global('totalreserve_pages', 'unsigned long', 2000);
  image.global('total_swap_pages', 'long', 30_000);
  image.global('nr_swap_pages', 'atomic_long_t', 10_000);
  image.global('min_free_kbytes', 'int', 4000);
  image.global('nr_vmalloc_pages', 'atomic_long_t', 55);
  image.global('pcpu_nr_populated', 'unsigned long', 12);
  image.global('pcpu_nr_units', 'int', 2);
  image.global('sysctl_overcommit_kbytes', 'unsigned long', 0);
  image.global('sysctl_overcommit_ratio', 'int', 50);
  image.struct('percpu_counter', { lock: 'raw_spinlock_t', count: 's64', counters: 's32 *' });
  image.perCpuPointer('as', 's32', [-10, 25]);
  image.global('vm_committed_as', 'struct percpu_counter', { count: 7000, counters: ref('as') });
  image.function('si_mem_available');
  image.struct('hstate', { order: 'unsigned int', nr_huge_pages: 'unsigned long' });
  image.global('hstates', 'struct hstate[2]', [{ order: 9, nr_huge_pages: 4 }, { order: 18 }]);
  image.global('hugetlb_max_hstate', 'int', 2);
  image.struct('address_space', { host: 'void *', nrpages: 'unsigned long' });
  image.struct('inode', { i_mapping: 'struct address_space *', i_sb_list: 'struct list_head' });
  image.struct('super_block', { s_inodes: 'struct list_head' });
  image.place('bdev', 'struct super_block');
  image.global('blockdev_superblock', 'struct super_block *', ref('bdev'));
  for (const [disk, pages] of [
    ['sda', 150],
    ['sdb', 50],
  ] as const) {
    image.place(`${disk} pages`, 'struct address_space', { nrpages: pages });
    image.place(disk, 'struct inode', { i_mapping: ref(`${disk} pages`) });
  }
  image.list('bdev.s_inodes', ['sda.i_sb_list', 'sdb.i_sb_list']);
  return image;
}

const read = (image: KernelImage): Meminfo => meminfo(programOfImage(image));

describe('meminfo', () => {
  it('says what /proc/meminfo says, in bytes', () => {
    const info = read(machine());
    const pages = Object.fromEntries(Object.entries(info).map(([name, { value }]) => [name, (value ?? NaN) / PAGE]));
    expect(pages).toEqual({
      memTotal: 100_000,
      memFree: 50_000,
      // 50000 - 2000; 8001 of file pages less 500 (the low watermarks); 1000 reclaimable less half, which is as much.
      memAvailable: 48_000 + 7501 + 500,
      buffers: 200,
      cached: 9000 - 40 - 200,
      swapCached: 40,
      activeAnon: 200,
      inactiveAnon: 100,
      activeFile: 5001,
      inactiveFile: 3000,
      unevictable: 7,
      mlocked: 8,
      dirty: 5,
      writeback: 6,
      anonPages: 250,
      mapped: 60,
      shmem: 400,
      slab: 2000,
      sReclaimable: 900,
      sUnreclaim: 1100,
      kernelStack: 400,
      pageTables: 70,
      secPageTables: 3,
      vmallocUsed: 55,
      percpu: 24,
      hugetlb: 2048,
      swapTotal: 30_000,
      swapFree: 10_000,
      commitLimit: Math.floor((100_000 - 2048) / 2) + 30_000,
      committedAs: 7015,
      minFree: 1000,
      totalReserve: 2000,
    });
    expect(info.shmem.source).toBe('vm_node_stat[NR_SHMEM]');
    expect(info.memAvailable.source).toBe('si_mem_available()');
  });

  it('knows no amount that is more than the machine has', () => {
    const image = machine();
    image.write('nr_vmalloc_pages', 1n << 50n);
    image.write('pcpu_nr_populated', 0x7fffffff);
    image.write('vm_zone_stat[1]', 300_000);
    image.write('total_swap_pages', 1n << 60n);
    const info = meminfo(programOfImage(image, { dump: { maxPfn: 200_000 } }));
    for (const name of ['vmallocUsed', 'percpu', 'mlocked', 'swapTotal'] as const) {
      expect(info[name]).toMatchObject({
        value: undefined,
        problem: expect.stringMatching(/says [\d.]+(e\+\d+)? bytes/) as string,
      });
    }
    expect(info.swapFree.value).toBe(10_000 * PAGE);
    expect(info.memTotal.value).toBe(100_000 * PAGE);
  });

  it('knows no total that the zones contradict, and nothing that is counted from it', () => {
    const image = machine();
    image.write('contig_page_data.node_zones[0].present_pages', 4000);
    image.write('contig_page_data.node_zones[1].present_pages', 96_000);
    expect(read(image).memTotal.value).toBe(100_000 * PAGE);
    image.write('_totalram_pages', 150_000);
    const info = read(image);
    expect(info.memTotal.problem).toMatch(/the zones were given/);
    expect(info.commitLimit.value).toBeUndefined();
    expect(info.memFree.value).toBe(50_000 * PAGE);
  });

  it('does not take a reserve of nothing for true while the zones keep one', () => {
    const image = machine();
    image.write('min_free_kbytes', 0);
    expect(read(image).minFree.problem).toMatch(/is 0/);
    image.write('contig_page_data.node_zones[0]._watermark[0]', 0);
    image.write('contig_page_data.node_zones[1]._watermark[0]', 0);
    expect(read(image).minFree.value).toBe(0);
  });

  it('takes half of the file pages for granted when the watermarks are high, and never less than nothing', () => {
    const image = machine();
    image.write('contig_page_data.node_zones[1]._watermark[1]', 90_000);
    expect((read(image).memAvailable.value ?? 0) / PAGE).toBe(48_000 + 4001 + 500);
    image.write('totalreserve_pages', 99_000);
    expect(read(image).memAvailable.value).toBe(0);
  });

  it('takes the low watermarks from what is free where si_mem_available() is not (3.14-4.5)', () => {
    const image = machine();
    image.symbols.splice(
      image.symbols.findIndex(({ name }) => name === 'si_mem_available'),
      1,
    );
    expect((read(image).memAvailable.value ?? 0) / PAGE).toBe(49_500 + 7501 + 500);
  });

  it('obeys vm.overcommit_kbytes', () => {
    const image = machine();
    image.write('sysctl_overcommit_kbytes', 40_002);
    expect((read(image).commitLimit.value ?? 0) / PAGE).toBe(10_000 + 30_000);
  });

  it('says of each value that it does not know why', () => {
    const image = machine();
    image.write('blockdev_superblock', 0);
    image.write('hugetlb_max_hstate', 100_000);
    const info = read(image);
    expect(info.buffers.value).toBeUndefined();
    expect(info.buffers.problem).toContain('unmapped');
    expect(info.cached.problem).toContain('blockdev_superblock->s_inodes: cannot read');
    expect(info.hugetlb.problem).toContain('has 100000 entries');
    expect(info.commitLimit.value).toBeUndefined();
    expect(info.memFree.value).toBe(50_000 * PAGE);
    const nothing = meminfo(programOfImage(new KernelImage()));
    // Without CONFIG_HUGETLB_PAGE there are no huge pages; all else is unknown.
    const knownOnes = Object.entries(nothing).filter(([, { value }]) => value !== undefined);
    expect(knownOnes.map(([name]) => name)).toEqual(['hugetlb']);
  });

  it('ends with a list of block devices that loops', () => {
    const image = machine();
    image.write('sdb.i_sb_list.next', ref('sda.i_sb_list'));
    expect(read(image).buffers.problem).toContain('prev does not point back');
  });

  it('reads the swap cache of 4.11 to 5.11 from its address spaces', () => {
    const image = new KernelImage();
    image.struct('address_space', { host: 'void *', nrpages: 'unsigned long' });
    image.global('nr_swapfiles', 'unsigned int', 2);
    image.global('nr_swapper_spaces', 'unsigned int[4]', [0, 3]);
    image.global('swapper_spaces', 'struct address_space *[4]', [0, ref('spaces')]);
    image.place('spaces', 'struct address_space[3]', [{ nrpages: 1 }, { nrpages: 20 }, { nrpages: 300 }]);
    expect(read(image).swapCached).toEqual({ value: 321 * PAGE, source: 'swapper_spaces', problem: undefined });
    image.write('nr_swapper_spaces[1]', 1 << 30);
    expect(read(image).swapCached.problem).toContain('nr_swapper_spaces');
  });

  it('reads the swap cache of 3.9 to 4.10, which has one address space for each swap file', () => {
    const image = new KernelImage();
    image.struct('address_space', { host: 'void *', nrpages: 'unsigned long' });
    image.global('nr_swapfiles', 'unsigned int', 2);
    image.global('swapper_spaces', 'struct address_space[3]', [{ nrpages: 1 }, { nrpages: 20 }, { nrpages: 300 }]);
    expect(read(image).swapCached).toEqual({ value: 21 * PAGE, source: 'swapper_spaces', problem: undefined });
  });

  it('counts kernel stacks by thread where the kernel does (until 4.8)', () => {
    const image = new KernelImage();
    image.enum('zone_stat_item', ['NR_FREE_PAGES', 'NR_KERNEL_STACK', 'NR_VM_ZONE_STAT_ITEMS']);
    image.global('vm_stat', 'atomic_long_t[2]', [5, 100]);
    image.struct('zone', { name: 'const char *' });
    image.struct('pglist_data', { node_zones: 'struct zone[1]', nr_zones: 'int' });
    image.global('contig_page_data', 'struct pglist_data');
    image.symbol('__start_init_task', 0xffffffff82000000n);
    image.symbol('__end_init_task', 0xffffffff82004000n);
    expect(read(image).kernelStack.value).toBe(100 * 16384);
  });
});
