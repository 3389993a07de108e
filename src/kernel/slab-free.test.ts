import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { add, type VirtAddr, virt } from '../base/address.ts';
import type { SlabObject } from './slab.ts';
import { isFreeObject } from './slab-free.ts';

const SLAB = virt(0xffff888010000000n);

/** A slab of objects of 64 bytes: numbers 1 and 3 are free by the slab's own list, 5 by that of CPU 1. */
function world(): (index: number) => boolean {
  const image = new KernelImage();
  image.struct('kmem_cache_cpu', { freelist: 'void *', tid: 'unsigned long' });
  image.struct('kmem_cache', { cpu_slab: 'struct kmem_cache_cpu *', offset: 'unsigned int' });
  image.struct('page', { flags: 'unsigned long', compound_head: 'unsigned long', freelist: 'void *', pad: 'void *' });
  image.cpus(2);
  image.bytes('slab', new Uint8Array(4096), { at: SLAB });
  const object = (index: number): VirtAddr => add(SLAB, 64 * index);
  const link = (from: number, to: bigint): void => {
    image.place(`link ${from}`, 'unsigned long', to, { at: add(object(from), 32) });
  };
  link(1, object(3));
  link(3, 0n);
  // Breaks off: what comes before counts.
  link(5, 0x4141414141414141n);
  image.perCpuPointer('cpus', 'struct kmem_cache_cpu', [{ freelist: 0 }, { freelist: object(5) }]);
  image.place('cache', 'struct kmem_cache', { cpu_slab: ref('cpus'), offset: 32 });
  const page = image.place('page', 'struct page', { freelist: object(1) });
  image.global('vmemmap_base', 'unsigned long', page - (SLAB >> 12n) * 32n);
  const program = programOfImage(image);
  return (index) => {
    const found: SlabObject = {
      cache: image.address('cache'),
      cacheName: 'kmalloc-64',
      objectSize: 64,
      start: object(index),
      offset: 0,
      index,
    };
    return isFreeObject(program, found);
  };
}

describe('isFreeObject', () => {
  it('finds free objects on the list of the slab and on those of CPUs', () => {
    const isFree = world();
    expect([0, 1, 2, 3, 4, 5, 6].filter(isFree)).toEqual([1, 3, 5]);
  });
});
