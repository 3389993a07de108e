import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Slabs } from '../../test/builders/slab.ts';
import { add, type VirtAddr } from '../base/address.ts';
import { vmaOfLock } from './vma-lock.ts';

/** Two mappings, each with a lock of its own, and the lock of something else in another cache. */
function machine(cache = 'vma_lock'): { readonly image: KernelImage; readonly lock: VirtAddr } {
  const image = new KernelImage();
  const slabs = new Slabs(image, '6.1');
  image.struct('rw_semaphore', { words: 'u64[5]' });
  image.struct('vma_lock', { lock: 'struct rw_semaphore' });
  image.struct('vm_area_struct', {
    vm_start: 'unsigned long',
    vm_end: 'unsigned long',
    vm_next: 'struct vm_area_struct *',
    vm_mm: 'void *',
    vm_flags: 'unsigned long',
    vm_pgoff: 'unsigned long',
    vm_file: 'void *',
    vm_lock: 'void *',
  });
  image.struct('mm_struct', { mmap: 'struct vm_area_struct *' });
  slabs.cache('locks', { name: cache, size: 64, objects: 64 });
  const start = slabs.slab('locks', 1);
  const common = { vm_mm: ref('mm') };
  image.place('mm', 'struct mm_struct', { mmap: ref('text') });
  image.place('text', 'struct vm_area_struct', {
    ...common,
    vm_start: 0x400000,
    vm_end: 0x401000,
    vm_lock: start,
    vm_next: ref('table'),
  });
  image.place('table', 'struct vm_area_struct', {
    ...common,
    vm_start: 0x7f0000,
    vm_end: 0x7f1000,
    vm_lock: add(start, 128),
  });
  return { image, lock: add(start, 128) };
}

const find = (image: KernelImage, lock: VirtAddr): bigint | undefined =>
  vmaOfLock(programOfImage(image), lock, [image.address('mm')])?.vma.start;

describe('the lock of a mapping', () => {
  it('is named by the mapping that points to it', () => {
    const { image, lock } = machine();
    expect(find(image, lock)).toBe(0x7f0000n);
    expect(find(image, add(lock, -128))).toBe(0x400000n);
  });

  it('is none that no mapping points to, that begins elsewhere, or that lies in another cache', () => {
    const { image, lock } = machine();
    expect(find(image, add(lock, 64))).toBeUndefined();
    expect(find(image, add(lock, 8))).toBeUndefined();
    const other = machine('kmalloc-64');
    expect(find(other.image, other.lock)).toBeUndefined();
  });

  it('is not found behind mappings that are damaged, nor in another address space', () => {
    const { image, lock } = machine();
    image.place('other mm', 'struct mm_struct');
    expect(vmaOfLock(programOfImage(image), lock, [image.address('other mm')])).toBeUndefined();
    image.write('text.vm_next', 0xffff888077777000n);
    expect(find(image, lock)).toBeUndefined();
  });
});
