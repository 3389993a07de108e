import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { SLAB_ERAS, Slabs, type SlabEra } from '../../test/builders/slab.ts';
import { add, virt } from '../base/address.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import { slabCaches, slabObjectAt } from './slab.ts';

const CACHE = { name: 'inode_cache', size: 600, objectSize: 592, objects: 13 };

function world(era: SlabEra) {
  const image = new KernelImage();
  const slabs = new Slabs(image, era);
  slabs.cache('other', { name: 'kmalloc-64', size: 64, objects: 64 });
  slabs.cache('cache', CACHE);
  return { image, slabs, slab: slabs.slab('cache', 2) };
}

describe.each(SLAB_ERAS)('slab objects as in %s', (era) => {
  it('are found in the first and in later pages of a slab', () => {
    const { image, slab } = world(era);
    const program = programOfImage(image);
    const cache = { cache: image.address('cache'), cacheName: 'inode_cache', objectSize: 592 };
    expect(slabObjectAt(program, add(slab, 8))).toEqual({ ...cache, start: slab, offset: 8, index: 0 });
    // Object 6 begins at 3600 and crosses into the second page.
    expect(slabObjectAt(program, add(slab, 4100))).toEqual({
      ...cache,
      start: add(slab, 3600),
      offset: 500,
      index: 6,
    });
    expect(slabObjectAt(program, add(slab, 12 * 600 + 599))?.index).toBe(12);
  });

  it('are none behind the last object, in other pages and in user memory', () => {
    const { image, slab } = world(era);
    const program = programOfImage(image);
    expect(slabObjectAt(program, add(slab, 13 * 600))).toBeUndefined();
    expect(slabObjectAt(program, add(slab, 2 * 4096))).toBeUndefined();
    expect(slabObjectAt(program, add(slab, -(1n << 63n)))).toBeUndefined();
  });
});

describe('slab objects', () => {
  it('begin behind their left red zone', () => {
    const image = new KernelImage();
    const slabs = new Slabs(image, '6.1');
    slabs.cache('cache', { name: 'debugged', size: 256, objectSize: 128, objects: 16, redLeft: 64 });
    const slab = slabs.slab('cache', 1);
    const program = programOfImage(image);
    expect(slabObjectAt(program, add(slab, 256 + 70))).toMatchObject({
      start: add(slab, 256 + 64),
      offset: 6,
      index: 1,
    });
    expect(slabObjectAt(program, add(slab, 256 + 63))).toBeUndefined();
  });

  it('of the SLAB allocator lie from s_mem on', () => {
    const image = new KernelImage();
    const start = virt(0xffff888010000000n);
    image.enum('pageflags', ['PG_locked', 'PG_slab']);
    image.struct('kmem_cache', {
      size: 'unsigned int',
      object_size: 'unsigned int',
      gfporder: 'unsigned int',
      num: 'unsigned int',
      name: 'const char *',
      next: 'struct list_head',
    });
    image.struct('page', {
      flags: 'unsigned long',
      compound_head: 'unsigned long',
      s_mem: 'void *',
      slab_cache: 'struct kmem_cache *',
    });
    image.place('cache', 'struct kmem_cache', { size: 100, object_size: 96, num: 40, name: 'dentry' });
    image.global('cache_chain', 'struct list_head');
    image.list('cache_chain', ['cache.next']);
    const page = image.place('page', 'struct page', { flags: 2, s_mem: start + 32n, slab_cache: ref('cache') });
    image.global('vmemmap_base', 'unsigned long', page - (start >> 12n) * 32n);
    const program = programOfImage(image);
    expect(slabObjectAt(program, add(start, 32 + 250))).toMatchObject({
      cacheName: 'dentry',
      start: add(start, 32 + 200),
      offset: 50,
      index: 2,
    });
    expect(slabObjectAt(program, add(start, 31))).toBeUndefined();
    expect(slabObjectAt(program, add(start, 32 + 40 * 100))).toBeUndefined();
  });

  it('of a cache that is not on the list are a contradiction', () => {
    const { image, slab } = world('6.1');
    image.list('slab_caches', ['other.list']);
    const program = programOfImage(image);
    expect(() => slabObjectAt(program, slab)).toThrow(ValidationError);
  });

  it('of a cache with absurd sizes are a contradiction', () => {
    const { image, slab } = world('6.1');
    image.write('cache.size', 0);
    const program = programOfImage(image);
    expect(() => slabObjectAt(program, slab)).toThrow(ValidationError);
  });

  it('are not known where the page structure is not in the dump', () => {
    const { image } = world('6.1');
    const far = image.place('far', 'long', 0, { at: 0xffff888030000000n });
    const program = programOfImage(image);
    expect(() => slabObjectAt(program, far)).toThrow(FaultError);
  });
});

describe('slabCaches', () => {
  it('has all caches; a name that is no text is empty', () => {
    const { image, slabs } = world('6.1');
    slabs.cache('bad', { name: '\u0007', size: 8, objects: 512 });
    slabs.cache('lost', { name: 'x', size: 8, objects: 512 });
    image.write('lost.name', 0);
    expect([...slabCaches(programOfImage(image)).values()]).toEqual(['kmalloc-64', 'inode_cache', '', '']);
  });
});
