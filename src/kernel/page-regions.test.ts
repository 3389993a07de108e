import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { MemmapImage } from '../../test/builders/memmap.ts';
import { codeOf } from './page-class.ts';
import { Regions } from './page-regions.ts';
import { walkPages } from './page-walk.ts';

describe('ranges of frames', () => {
  it('are asked in any order', () => {
    const memory = new MemmapImage('6.1', { frames: 512, ram: 300 });
    memory.image.place('more', 'struct resource', {
      start: 400 * 4096,
      // A page of which a part is no memory is none.
      end: 450 * 4096 + 100,
      name: 'System RAM (kmem)',
      parent: ref('iomem_resource'),
    });
    memory.image.write('ram.sibling', ref('more'));
    const regions = new Regions(memory.open());
    expect(regions.memory).toBe(350);
    const expected = new Map([
      [0, true],
      [299, true],
      [300, false],
      [399, false],
      [400, true],
      [449, true],
      [450, false],
      [511, false],
    ]);
    for (const frame of [0, 299, 300, 399, 400, 449, 450, 511, 299, 450, 0, 400, 300])
      expect(regions.isMemory(frame)).toBe(expected.get(frame));
    expect([1, 2, 3, 1].map((frame) => regions.bootCode(frame))).toEqual(
      (['image', 'image', 'boot', 'image'] as const).map(codeOf),
    );
    expect([0, 511, 600].map((frame) => regions.zoneOf(frame))).toEqual([0, 0, -1]);
  });

  it('are not known where the map of addresses is broken: all is memory', () => {
    const memory = new MemmapImage('6.1');
    memory.image.write('iomem_resource.child', 0x1234);
    const regions = new Regions(memory.open());
    expect(regions.memory).toBeUndefined();
    expect(regions.isMemory(100)).toBe(true);
  });
});

describe.each(['one range', 'ranges'] as const)('areas of CMA, %s', (form) => {
  it('hold pages that are told', () => {
    const memory = new MemmapImage('6.12');
    const { image } = memory;
    if (form === 'ranges') {
      image.struct('cma_memrange', { base_pfn: 'unsigned long', count: 'unsigned long' });
      image.struct('cma', { nranges: 'int', ranges: 'struct cma_memrange[8]' });
      image.global('cma_areas', 'struct cma[2]', [{ nranges: 1, 'ranges[0].base_pfn': 64, 'ranges[0].count': 16 }, {}]);
    } else {
      image.struct('cma', { base_pfn: 'unsigned long', count: 'unsigned long' });
      image.global('cma_areas', 'struct cma[2]', [{ base_pfn: 64, count: 16 }, {}]);
    }
    image.global('cma_area_count', 'unsigned int', 1);
    memory.free(72, 3);
    const { scan } = walkPages(memory.open(), []);
    expect([63, 64, 71, 72, 79, 80].map((frame) => scan.frames.get(frame))).toEqual(
      (['unclassified', 'cma', 'cma', 'free', 'free', 'unclassified'] as const).map(codeOf),
    );
  });
});
