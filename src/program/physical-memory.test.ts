import { describe, expect, it } from 'vitest';
import { PhysicalImage } from '../../test/builders/page-tables.ts';
import { pfn, phys } from '../base/address.ts';

describe('PhysicalMemory', () => {
  const image = new PhysicalImage({ root: 0x1000n });
  image.write(0x1ffcn, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  image.write(0x2ffcn, Uint8Array.of(9, 10, 11, 12));
  image.states.set(4, 'lost');

  it('reads words within a page and across two', () => {
    const memory = image.open();
    expect(memory.readU64(phys(0x1ff8n))).toBe(0x0403020100000000n);
    expect(memory.readU64(phys(0x1ff9n))).toBe(0x0504030201000000n);
    expect(memory.readU64(phys(0x1ffcn))).toBe(0x0807060504030201n);
    expect(() => memory.readU64(phys(0x2ffcn))).toThrow('cannot read physical memory at 0x0000000000003000: absent');
  });

  it('tells without an error whether a page can be read, and counts those that are lost', () => {
    const memory = image.open();
    expect([1, 2, 3, 4].map((frame) => memory.isReadable(pfn(frame)))).toEqual([true, true, false, false]);
    expect(memory.isReadable(pfn(2 ** 52))).toBe(false);
    expect(memory.lostPages).toBe(1);
  });
});
