import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { MEMMAP_FRAME, PageMachine } from '../../test/builders/page-machine.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { SLAB_ERAS, Slabs } from '../../test/builders/slab.ts';
import { add, type Pfn, pfn, type VirtAddr } from '../base/address.ts';
import { Memmap } from './memmap.ts';

function frameOf(address: VirtAddr): Pfn {
  return pfn(Number(address >> 12n));
}

describe.each(SLAB_ERAS)('slabs as in %s', (era) => {
  it('are told by any of their pages, with their cache and their extent', () => {
    const image = new KernelImage();
    const slabs = new Slabs(image, era);
    slabs.cache('cache', { name: 'dentry', size: 192, objects: 84 });
    const slab = frameOf(slabs.slab('cache', 4));
    const memmap = new Memmap(programOfImage(image));
    for (let i = 0; i < 4; i++) {
      const frame = pfn(slab + i);
      expect([memmap.use(frame), memmap.headOf(frame), memmap.slabCache(frame)]).toEqual([
        'slab',
        slab,
        image.address('cache'),
      ]);
    }
    expect([...memmap.slabFrames(slab)]).toEqual([0, 1, 2, 3].map((i) => slab + i));
    const behind = frameOf(add(slabs.start, 4 * 4096));
    expect([memmap.use(behind), memmap.slabCache(behind)]).toEqual(['kernel', undefined]);
  });
});

it('tells memory of programs and of the page cache from that of the kernel', () => {
  const machine = new PageMachine();
  machine.page(1, { flags: ['PG_lru'], mapping: 0xffff888000001001n, mapcount: 0 });
  machine.page(2, { flags: ['PG_swapbacked'] });
  machine.page(3, { mapping: 0xffff888000002000n });
  machine.page(4, { mapcount: 0 });
  machine.page(5, { mapcount: -129 });
  machine.page(6, { flags: ['PG_reserved'], mapcount: 0 });
  machine.page(7, { flags: ['PG_locked'] });
  const memmap = new Memmap(machine.open());
  expect([1, 2, 3, 4, 5, 6, 7].map((frame) => memmap.use(pfn(frame)))).toEqual([
    'user',
    'user',
    'user',
    'user',
    'kernel',
    'reserved',
    'kernel',
  ]);
});

it('knows the pages of a free block, of which only the first is marked', () => {
  const machine = new PageMachine();
  machine.image.vmcoreinfo('NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)', -129);
  machine.page(36, { mapcount: -129, order: 2 });
  machine.page(48, { mapcount: -129, order: 3 });
  machine.page(35, { mapcount: -129, order: 0 });
  const memmap = new Memmap(machine.open());
  const free = Array.from({ length: 32 }, (_, i) => 32 + i).filter((frame) => memmap.use(pfn(frame)) === 'free');
  expect(free).toEqual([35, 36, 37, 38, 39, 48, 49, 50, 51, 52, 53, 54, 55]);
});

it('judges a tail by its head', () => {
  const machine = new PageMachine();
  machine.page(8, { flags: ['PG_lru', 'PG_head'], mapping: 0xffff888000002000n });
  machine.page(9);
  machine.image.write('memmap[9].compound_head', machine.image.address('memmap[8]') + 1n);
  const memmap = new Memmap(machine.open());
  expect(memmap.use(pfn(9))).toBe('user');
});

it('knows nothing of pages whose structures are not in the dump', () => {
  const machine = new PageMachine();
  machine.page(70, { flags: ['PG_lru'] });
  // The structures of the frames 64 to 127.
  machine.states.set(MEMMAP_FRAME + 1, 'excluded');
  const memmap = new Memmap(machine.open());
  expect([memmap.use(pfn(70)), memmap.headOf(pfn(70)), memmap.slabCache(pfn(70))]).toEqual([
    'unknown',
    undefined,
    undefined,
  ]);
  expect(memmap.use(pfn(63))).toBe('kernel');
  expect(memmap.use(pfn(1e9))).toBe('unknown');
});
