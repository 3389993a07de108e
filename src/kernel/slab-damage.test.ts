import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { add, type VirtAddr, virt } from '../base/address.ts';
import { type SlabDamages, slabDamages } from './slab-damage.ts';

const SLAB = virt(0xffff888010000000n);
const RANDOM = 0x123456789abcdef0n;

/** With red zones and poison: 8 bytes in front, 64 of the object, 8 behind, the free pointer behind that. */
const GUARDED = { size: 128, object_size: 64, inuse: 72, offset: 72, red_left_pad: 8, flags: 0x8000_0c00 };
const PLAIN = { size: 64, object_size: 64, inuse: 64, offset: 32, red_left_pad: 0, flags: 0 };

interface Cache {
  readonly size: number;
  readonly object_size: number;
  readonly inuse: number;
  readonly offset: number;
  readonly red_left_pad: number;
  readonly flags: number;
}

/** A cache with one slab of 8 objects, of which some are free; what it is then damaged by comes last. */
class World {
  readonly image = new KernelImage();
  readonly #cache: Cache;
  readonly #content: Uint8Array;

  constructor(cache: Cache, free: readonly number[] = [], onCpu: readonly number[] = []) {
    this.#cache = cache;
    this.#content = new Uint8Array(4096);
    const { image } = this;
    image.struct('kmem_cache_cpu', { freelist: 'void *', slab: 'struct slab *' });
    image.struct('kmem_cache_node', { partial: 'struct list_head', full: 'struct list_head' });
    image.struct('kmem_cache', {
      cpu_slab: 'struct kmem_cache_cpu *',
      flags: 'unsigned int',
      size: 'unsigned int',
      object_size: 'unsigned int',
      inuse: 'unsigned int',
      offset: 'unsigned int',
      red_left_pad: 'unsigned int',
      random: 'unsigned long',
      name: 'const char *',
      list: 'struct list_head',
      node: 'struct kmem_cache_node *[1]',
    });
    image.struct('page', { flags: 'unsigned long', pad: 'void *[7]' });
    image.struct('slab', {
      flags: 'unsigned long',
      slab_list: 'struct list_head',
      freelist: 'void *',
      objects: 'unsigned int:15',
    });
    image.struct('pglist_data', { node_id: 'int' });
    image.global('contig_page_data', 'struct pglist_data', {});
    image.global('page_offset_base', 'unsigned long', 0);
    image.cpus(1);
    const slab = image.place('slab', 'struct slab', { freelist: this.#first(free), objects: 8 });
    image.global('vmemmap_base', 'unsigned long', BigInt.asUintN(64, slab - (SLAB >> 12n) * 64n));
    image.perCpuPointer('cpus', 'struct kmem_cache_cpu', [
      onCpu.length === 0 ? {} : { freelist: this.#first(onCpu), slab: ref('slab') },
    ]);
    image.place('node', 'struct kmem_cache_node', {});
    image.list('node.partial', ['slab.slab_list']);
    image.list('node.full');
    image.place('cache', 'struct kmem_cache', {
      ...cache,
      cpu_slab: ref('cpus'),
      random: RANDOM,
      name: 'packets',
      'node[0]': ref('node'),
    });
    image.global('slab_caches', 'struct list_head', {});
    image.list('slab_caches', ['cache.list']);
    if (cache.red_left_pad > 0) for (let index = 0; index < 8; index++) this.#guard(index, free.includes(index));
    for (const list of [free, onCpu]) list.forEach((index, i) => this.link(index, list[i + 1]));
  }

  object(index: number): VirtAddr {
    return add(SLAB, index * this.#cache.size + this.#cache.red_left_pad);
  }

  /** Bytes from an object's begin on. */
  write(index: number, offset: number, bytes: Uint8Array): this {
    this.#content.set(bytes, index * this.#cache.size + this.#cache.red_left_pad + offset);
    return this;
  }

  link(index: number, next: number | undefined): this {
    const at = add(this.object(index), this.#cache.offset);
    const swapped = Buffer.alloc(8);
    swapped.writeBigUInt64LE(at);
    const bytes = Buffer.alloc(8);
    const to = next === undefined ? 0n : this.object(next);
    bytes.writeBigUInt64LE(to ^ RANDOM ^ swapped.readBigUInt64BE());
    return this.write(index, this.#cache.offset, bytes);
  }

  found(): SlabDamages {
    this.image.bytes('objects', this.#content, { at: SLAB });
    return slabDamages(programOfImage(this.image));
  }

  #first([index]: readonly number[]): bigint {
    return index === undefined ? 0n : this.object(index);
  }

  #guard(index: number, free: boolean): void {
    const red = new Uint8Array(8).fill(free ? 0xbb : 0xcc);
    this.write(index, -8, red).write(index, 64, red);
    if (free) this.write(index, 0, new Uint8Array(64).fill(0x6b)).write(index, 63, Uint8Array.of(0xa5));
  }
}

const text = (letters: string): Uint8Array => new TextEncoder().encode(letters);

describe('slabDamages of a cache with red zones and poison', () => {
  it('says nothing of one that is sound', () => {
    expect(new World(GUARDED, [1, 4]).found()).toEqual({ damages: [], slabs: 1, guarded: 1 });
  });

  it('finds a write beyond the end of one object that reaches the next', () => {
    const world = new World(GUARDED, [6]).write(2, 60, text('x'.repeat(64)));
    expect(world.found().damages).toMatchObject([
      {
        kind: 'behind',
        object: world.object(2),
        index: 2,
        from: add(world.object(2), 64),
        wanted: 0xcc,
        found: text('xxxxxxxx'),
      },
      { kind: 'before', object: world.object(3), from: add(world.object(3), -8), found: text('xxxx'), stride: 128 },
    ]);
  });

  it('finds a write into a free object, and the list that it spoils', () => {
    const world = new World(GUARDED, [1, 4]).write(1, 16, text('late'));
    expect(world.found().damages).toMatchObject([
      { kind: 'freed', object: world.object(1), from: add(world.object(1), 16), found: text('late'), wanted: 0x6b },
    ]);
    const further = new World(GUARDED, [1, 4]).write(1, 72, text('AAAAAAAA'));
    expect(further.found().damages).toMatchObject([
      { kind: 'free-list', object: further.object(1), index: 1, cpu: undefined, overwritten: text('AAAAAAAA') },
    ]);
  });

  it('does not take an object that is in use for one that was freed', () => {
    expect(new World(GUARDED, [1]).write(2, 16, text('mine')).found().damages).toEqual([]);
  });
});

describe('slabDamages of lists of free objects', () => {
  it('says nothing of those that are sound', () => {
    expect(new World(PLAIN, [5], [3, 1, 7]).found()).toEqual({ damages: [], slabs: 1, guarded: 0 });
  });

  it('finds the pointer that was written over, in the object that has it', () => {
    const world = new World(PLAIN, [], [3, 1, 7]).write(1, 32, text('AAAAAAAA'));
    expect(world.found().damages).toMatchObject([
      {
        kind: 'free-list',
        cacheName: 'packets',
        object: world.object(1),
        index: 1,
        cpu: 0,
        overwritten: text('AAAAAAAA'),
      },
    ]);
  });

  it('tells what was written from the head alone, once the object was taken off the list', () => {
    const world = new World(PLAIN, [], [3]);
    const at = add(world.object(6), 32);
    const swapped = Buffer.alloc(8);
    swapped.writeBigUInt64LE(at);
    const head = BigInt('0x4141414141414141') ^ RANDOM ^ swapped.readBigUInt64BE();
    world.image.write('cpus@0.freelist', head);
    const [damage, ...more] = world.found().damages;
    expect(more).toEqual([]);
    expect(damage).toMatchObject({ kind: 'free-list', object: undefined, leadsTo: head, cpu: 0 });
    // Which of the 8 objects it was decides on the last two bytes.
    expect(Buffer.from(damage?.overwritten ?? []).toString()).toBe('AAAAAA');
  });

  it.each([
    ['a loop', 3],
    ['the middle of an object', 0.5],
  ])('finds %s', (_, next) => {
    const world = new World(PLAIN, [], [3, 1]).link(1, next);
    expect(world.found().damages).toMatchObject([{ kind: 'free-list', object: world.object(1) }]);
  });
});
