import { describe, expect, it } from 'vitest';
import { MEMMAP_ERAS, type MemmapEra, MemmapImage } from '../../test/builders/memmap.ts';
import { ref } from '../../test/builders/image.ts';
import { limitedBudget } from '../base/budget.ts';
import { codeOf, PAGE_CLASSES, type PageClassId } from './page-class.ts';
import { walkPages } from './page-walk.ts';

/** What the walk says of frames, and of all of them together. */
function walked(memory: MemmapImage) {
  const walk = walkPages(memory.open(), []);
  const { scan } = walk;
  return {
    walk,
    of: (frame: number): PageClassId | undefined => PAGE_CLASSES[scan.frames.get(frame) ?? -1]?.id,
    pages: (id: PageClassId): number => scan.pages[codeOf(id)] ?? 0,
    sum: scan.pages.reduce((so, pages) => so + pages, 0),
  };
}

describe.each(MEMMAP_ERAS)('page structures of %s', (era: MemmapEra) => {
  it('puts every frame into one class', () => {
    const memory = new MemmapImage(era, { frames: 512, ram: 500 });
    memory.page(1, { flags: ['PG_reserved'] });
    memory.page(3, { flags: ['PG_reserved'] });
    memory.page(505, { flags: ['PG_reserved'] });
    memory.free(0x40, 4);
    memory.freeOnCpu([0x60, 0x62]);
    memory.cache('dentry', { reclaimable: true });
    memory.cache('kmalloc-64');
    memory.compound(0x80, 1, { type: 'slab', cache: 'dentry' });
    memory.page(0x84, { type: 'slab', cache: 'kmalloc-64' });
    memory.page(0x86, { type: 'table' });
    memory.page(0x87, { type: 'offline' });
    memory.page(0x90, { mapping: 0xffff888000200001n, mappings: 2, flags: ['PG_lru', 'PG_swapbacked'] });
    memory.page(0x91, { mapping: 0xffff888000200001n, flags: ['PG_lru', 'PG_swapbacked'] });
    memory.page(0x92, {
      mapping: 0xffff888000200001n,
      flags: ['PG_lru', 'PG_swapbacked', 'PG_swapcache'],
    });
    memory.page(0x93, { mapping: 0xffff888000200003n, mappings: 3, flags: ['PG_lru', 'PG_swapbacked'] });
    memory.page(0x94, { mappings: 1 });
    memory.page(0x95, { flags: ['PG_lru'] });
    memory.page(0x96, { flags: ['PG_hwpoison'] });
    const { of, sum, walk, pages } = walked(memory);
    expect([1, 3, 505].map(of)).toEqual(['image', 'boot', 'hole']);
    expect([0x40, 0x4f, 0x50, 0x60, 0x61, 0x62].map(of)).toEqual([
      'free',
      'free',
      'unclassified',
      'free-cpu',
      'unclassified',
      'free-cpu',
    ]);
    expect([0x80, 0x81, 0x84, 0x86, 0x87].map(of)).toEqual([
      'slab-reclaimable',
      'slab-reclaimable',
      'slab',
      // Page tables are marked since 4.18, what a balloon took since 3.18.
      era === '3.10' ? 'unclassified' : 'table',
      era === '3.10' ? 'unclassified' : 'offline',
    ]);
    expect([0x90, 0x91, 0x92, 0x93].map(of)).toEqual(['anon', 'anon-unmapped', 'swap-cache', 'ksm']);
    expect([0x94, 0x95, 0x96].map(of)).toEqual(['driver-mapped', 'orphan', 'poisoned']);
    // Of no memory, and not set aside: nothing says what it is, but no memory is missing.
    expect(of(501)).toBe('hole');
    expect(sum).toBe(512);
    expect(pages('free')).toBe(16);
    expect([...walk.scan.slabCaches()].map(({ pages: count }) => count)).toEqual([2, 1]);
    expect(walk.scan.freeBlocks[0]?.[4]).toBe(1);
    expect(walk.scan.contradictions.size).toBe(0);
  });

  it('tells what is in a balloon, and whose it is, from what is offline', () => {
    const memory = new MemmapImage(era);
    memory.balloon('balloon', 'virtballoon_migratepage', [0x10, 0x12]);
    memory.page(0x20, { type: 'offline' });
    // What stands there is no balloon.
    memory.image.place('other', 'unsigned long[4]', [1, 2, 3, 4]);
    memory.page(0x21, { type: 'offline', private: ref('other') });
    const { of, walk } = walked(memory);
    const isOld = era === '3.10';
    expect([0x10, 0x12, 0x20, 0x21].map(of)).toEqual(
      isOld ? Array(4).fill('unclassified') : ['balloon', 'balloon', 'offline', 'offline'],
    );
    expect(walk.scan.balloons.balloons()).toEqual(
      isOld ? [] : [{ device: memory.image.address('balloon'), driver: 'virtio_balloon', pages: 2 }],
    );
  });

  it('counts what the kernel counts', () => {
    const memory = new MemmapImage(era);
    memory.file('data', 'ext4');
    memory.file('shm', 'tmpfs');
    memory.file('disk', 'bdev');
    const page = (frame: number, mapping: string, spec: Parameters<MemmapImage['page']>[1] = {}): void =>
      memory.page(frame, { mapping: ref(mapping), ...spec });
    page(0x10, 'data', { flags: ['PG_lru', 'PG_active'] });
    page(0x11, 'data', { flags: ['PG_lru', 'PG_dirty'], mappings: 1 });
    page(0x12, 'data', { flags: ['PG_lru', 'PG_writeback', 'PG_dirty'] });
    page(0x13, 'data', { mappings: 4 });
    page(0x14, 'shm', { flags: ['PG_lru', 'PG_swapbacked', 'PG_unevictable', 'PG_mlocked'], mappings: 1 });
    page(0x15, 'shm', { flags: ['PG_lru', 'PG_swapbacked', 'PG_dirty'] });
    page(0x16, 'disk', { flags: ['PG_dirty'] });
    const { of, walk } = walked(memory);
    expect([0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16].map(of)).toEqual([
      'cache',
      'dirty',
      'writeback',
      'cache-mapped',
      'shmem-mapped',
      'shmem',
      'buffers',
    ]);
    const { tally, mappings } = walk.scan;
    expect(tally.sum(['file'])).toBe(7);
    expect(tally.sum(['file', 'mapped'])).toBe(3);
    expect(tally.sum(['shmem'])).toBe(2);
    expect(tally.sum(['file', 'dirty'], ['shmem'])).toBe(3);
    expect(tally.sum(['writeback'])).toBe(1);
    expect(tally.sum(['activeFile'])).toBe(1);
    expect(tally.sum(['inactiveFile'])).toBe(2);
    expect(tally.sum(['inactiveAnon'])).toBe(1);
    expect(tally.sum(['unevictable', 'mlocked'])).toBe(1);
    expect([...mappings.entries()].map(({ kind, pages, mapped, dirty }) => [kind, pages, mapped, dirty])).toEqual([
      ['file', 4, 2, 2],
      ['shmem', 2, 1, 1],
      ['block', 1, 0, 1],
    ]);
  });

  it('counts each page of a folio by its own mappings', () => {
    const memory = new MemmapImage(era);
    memory.compound(0x20, 2, { mapping: 0xffff888000200001n, mappings: 1, flags: ['PG_lru', 'PG_swapbacked'] });
    memory.page(0x30, {});
    const { of, walk } = walked(memory);
    expect([0x20, 0x21, 0x23, 0x24].map(of)).toEqual(['anon-large', 'anon-unmapped', 'anon-unmapped', 'unclassified']);
    expect(walk.scan.tally.sum(['anon'])).toBe(4);
    expect(walk.scan.tally.sum(['anon', 'mapped'])).toBe(1);
  });

  it('knows huge pages of a pool, free or in use', () => {
    const memory = new MemmapImage(era);
    const type = ['6.12', '7.1'].includes(era) ? ({ type: 'hugetlb' } as const) : {};
    memory.compound(0x20, 3, { ...type, references: 1 }, { dtor: 2 });
    memory.compound(0x40, 3, { ...type, references: 0 }, { dtor: 2 });
    const { of, pages } = walked(memory);
    expect([0x20, 0x27, 0x40, 0x47, 0x48].map(of)).toEqual([
      'hugetlb',
      'hugetlb',
      'hugetlb-free',
      'hugetlb-free',
      'unclassified',
    ]);
    expect(pages('hugetlb')).toBe(8);
  });

  it('takes what vmalloc areas list, and nothing that a page structure contradicts', () => {
    const memory = new MemmapImage(era);
    memory.free(0x40, 1);
    memory.area('area', [0x21, 0x30, 0x41], 'leaky_init');
    const { of, walk } = walked(memory);
    expect([0x21, 0x22, 0x30, 0x41].map(of)).toEqual(['vmalloc', 'unclassified', 'vmalloc', 'free']);
    expect(walk.claims.vmalloc).toMatchObject([
      { caller: 'leaky_init', claimed: 'vmalloc', areas: 1, frames: [0x21, 0x30, 0x41] },
    ]);
    expect(walk.claims.vmallocPages).toBe(3);
    expect([...walk.scan.contradictions]).toEqual([['vmalloc: free', 1]]);
  });

  it('describes what fits no class', () => {
    const memory = new MemmapImage(era);
    for (let frame = 0; frame < 256; frame++) memory.page(frame, { flags: ['PG_reserved'] });
    // A block that is no compound page, a compound page, and a page alone.
    for (let i = 0; i < 4; i++) memory.page(0x20 + i, { references: i === 0 ? 1 : 0 });
    memory.compound(0x40, 3, { references: 2 });
    memory.page(0x50, { flags: ['PG_locked'], references: 1 });
    const { walk, pages } = walked(memory);
    const { unclassified } = walk.scan;
    expect(pages('unclassified')).toBe(13);
    expect(unclassified.blocks()).toEqual([
      { order: 3, blocks: 1, pages: 8 },
      { order: 2, blocks: 1, pages: 4 },
      { order: 0, blocks: 1, pages: 1 },
    ]);
    expect([...unclassified.references]).toEqual([
      [1, 2],
      [2, 8],
    ]);
    expect(unclassified.samples).toEqual([0x20, 0x40, 0x50]);
  });

  it('says which page structures are missing', () => {
    const memory = new MemmapImage(era, { frames: 512 });
    // Frames 64 to 127 and the rest of the second section.
    memory.image.states.set(Number(memory.address(64) >> 12n), 'lost');
    memory.image.states.set(Number(memory.address(256) >> 12n), 'excluded');
    const { of, pages, sum } = walked(memory);
    expect([63, 64, 127, 128, 255, 256, 319, 320].map(of)).toEqual([
      'unclassified',
      'unread',
      'unread',
      'unclassified',
      'unclassified',
      'unread',
      'unread',
      'unclassified',
    ]);
    expect(pages('unread')).toBe(128);
    expect(sum).toBe(512);
  });
});

describe('page structures that contradict themselves', () => {
  it('are unclassified', () => {
    const memory = new MemmapImage('6.1');
    // No such order, not aligned to its order, a tail that names another head, a mapping that is none.
    memory.page(0x20, { type: 'buddy', private: 200 });
    memory.page(0x31, { type: 'buddy', private: 3 });
    memory.compound(0x40, 2, { mapping: 0xffff888000200001n, mappings: 1 });
    memory.image.write('memmap[65].compound_head', 0xffffea0000000001n);
    memory.page(0x50, { mapping: 0x1234n });
    // An order beyond what the allocator has, and a compound page without tails.
    memory.page(0, { type: 'buddy', private: 12 });
    memory.compound(0x80, 4, {}, { dtor: 2 });
    memory.image.write('memmap[129].compound_head', 0);
    const { of, walk, sum } = walked(memory);
    expect([0x20, 0x31, 0x41, 0x42, 0x50].map(of)).toEqual([
      'unclassified',
      'unclassified',
      'unclassified',
      'anon-unmapped',
      'unclassified',
    ]);
    expect([0, 1, 0x80, 0x81].map(of)).toEqual(['unclassified', 'unclassified', 'hugetlb', 'unclassified']);
    expect(walk.scan.unclassified.oddities.get('bad order')).toBe(3);
    // One names another head, 14 are those of the page without its first tail.
    expect(walk.scan.unclassified.oddities.get('tail without head')).toBe(15);
    expect(walk.scan.unclassified.oddities.get('mapping not known')).toBe(1);
    expect(sum).toBe(256);
  });

  it('do not end the walk when the budget does', () => {
    const memory = new MemmapImage('6.1', { frames: 1024 });
    memory.area('late', [1000], 'late_init');
    const program = memory.open();
    let calls = 0;
    walkPages(program, [], { budget: { check: () => void calls++ } });
    // Claims ask first, then each of the four sections does: it is ended in the third.
    const last = calls - 2;
    calls = 0;
    const walk = walkPages(program, [], { budget: limitedBudget(() => ++calls, last) });
    expect(walk.extent).toBe('stopped');
    const { seen } = walk.scan;
    expect(seen).toBeGreaterThan(0);
    expect(seen).toBeLessThan(1024);
    expect(seen % 256).toBe(0);
    expect([seen - 1, seen, 1000].map((frame) => walk.scan.frames.get(frame))).toEqual([codeOf('unclassified'), 0, 0]);
  });

  it('are looked at in some sections only when a limit says so', () => {
    const memory = new MemmapImage('6.1', { frames: 1024 });
    // In a section that is not looked at, and in one that is.
    memory.area('area', [300, 600], 'caller');
    const walk = walkPages(memory.open(), [], { limit: 512 });
    expect([300, 600].map((frame) => walk.scan.frames.get(frame))).toEqual([0, codeOf('vmalloc')]);
    expect(walk.extent).toBe('sample');
    expect(walk.scan.seen).toBe(512);
    expect(walk.frames).toBe(1024);
  });
});
