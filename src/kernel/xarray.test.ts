import { describe, expect, it } from 'vitest';
import { KernelImage, ref, struct, union, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { virt } from '../base/address.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { xEntries, xInteger, xLoad } from './xarray.ts';

type Era = 'xarray' | 'radix 4.19' | 'radix 4.6';

/** How each era tags the pointer to a node. */
const nodeTag = { xarray: 2, 'radix 4.19': 1, 'radix 4.6': 0 } as const;

function types(era: Era): KernelImage {
  const image = new KernelImage();
  if (era === 'xarray') {
    image.struct('xarray', { xa_lock: 'spinlock_t', xa_flags: 'unsigned int', xa_head: 'void *' });
    image.struct('xa_node', {
      shift: 'unsigned char',
      offset: 'unsigned char',
      count: 'unsigned char',
      nr_values: 'unsigned char',
      parent: 'struct xa_node *',
      array: 'struct xarray *',
      $1: union({ private_list: 'struct list_head', callback_head: struct({ next: 'void *', func: 'void *' }) }),
      slots: 'void *[64]',
    });
  } else if (era === 'radix 4.19') {
    image.struct('radix_tree_root', {
      xa_lock: 'spinlock_t',
      gfp_mask: 'unsigned int',
      rnode: 'struct radix_tree_node *',
    });
    image.struct('radix_tree_node', {
      shift: 'unsigned char',
      offset: 'unsigned char',
      count: 'unsigned char',
      exceptional: 'unsigned char',
      parent: 'struct radix_tree_node *',
      slots: 'void *[64]',
    });
  } else {
    image.struct('radix_tree_root', {
      height: 'unsigned int',
      gfp_mask: 'unsigned int',
      rnode: 'struct radix_tree_node *',
    });
    image.struct('radix_tree_node', {
      path: 'unsigned int',
      count: 'unsigned int',
      parent: 'void *',
      slots: 'void *[64]',
    });
  }
  return image;
}

/** Entries 0x...00 at the indices 0, 5, 64 + 3 and 64 * 63 + 63, under one node of two levels. */
function twoLevels(era: Era): KernelImage {
  const image = types(era);
  const tag = nodeTag[era];
  const type = era === 'xarray' ? 'struct xa_node' : 'struct radix_tree_node';
  const shift = (n: number): { readonly [path: string]: Value } => (era === 'radix 4.6' ? {} : { shift: n });
  if (era === 'xarray') image.place('root', 'struct xarray', { xa_head: ref('top', tag) });
  else {
    image.place('root', 'struct radix_tree_root', {
      rnode: ref('top', 1),
      ...(era === 'radix 4.6' ? { height: 2 } : {}),
    });
  }
  const offset = (n: number): { readonly [path: string]: Value } => (era === 'radix 4.6' ? {} : { offset: n });
  const child = (name: string, at: number, slots: { readonly [path: string]: Value }): void => {
    image.place(name, type, { ...shift(0), ...offset(at), parent: ref('top'), ...slots });
  };
  image.place('top', type, {
    ...shift(6),
    'slots[0]': ref('low', tag),
    'slots[1]': ref('middle', tag),
    'slots[63]': ref('high', tag),
  });
  child('low', 0, { 'slots[0]': 0xffff888000001000n, 'slots[5]': 0xffff888000001500n });
  child('middle', 1, { 'slots[3]': 0xffff888000002300n });
  child('high', 63, { 'slots[63]': 0xffff888000003f00n });
  return image;
}

const expected = [
  { index: 0n, value: 0xffff888000001000n },
  { index: 5n, value: 0xffff888000001500n },
  { index: 67n, value: 0xffff888000002300n },
  { index: 4095n, value: 0xffff888000003f00n },
];

describe.each(['xarray', 'radix 4.19', 'radix 4.6'] as const)('%s', (era) => {
  it('gives all entries in order', () => {
    const image = twoLevels(era);
    expect([...xEntries(programOfImage(image), image.address('root'))]).toEqual(expected);
  });

  it('finds entries by index and nothing between or beyond them', () => {
    const image = twoLevels(era);
    const program = programOfImage(image);
    const load = (index: bigint): bigint | undefined => xLoad(program, image.address('root'), index);
    expect(expected.map(({ index }) => load(index))).toEqual(expected.map(({ value }) => value));
    expect([1n, 64n, 128n, 4094n, 4096n, 1n << 63n].map(load)).toEqual(Array(6).fill(undefined));
  });

  it('has one entry at index 0, or none, when there is no node', () => {
    const image = types(era);
    image.place('root', era === 'xarray' ? 'struct xarray' : 'struct radix_tree_root');
    const head = era === 'xarray' ? 'root.xa_head' : 'root.rnode';
    expect([...xEntries(programOfImage(image), image.address('root'))]).toEqual([]);
    expect(xLoad(programOfImage(image), image.address('root'), 0n)).toBeUndefined();
    image.write(head, 0xffff888000001000n);
    expect([...xEntries(programOfImage(image), image.address('root'))]).toEqual([expected[0]]);
    expect(xLoad(programOfImage(image), image.address('root'), 0n)).toBe(0xffff888000001000n);
    expect(xLoad(programOfImage(image), image.address('root'), 1n)).toBeUndefined();
  });

  it('ends with ValidationError when a node names another parent, or is no kernel pointer', () => {
    const image = twoLevels(era);
    image.write('middle.parent', ref('low'));
    const seen: bigint[] = [];
    expect(() => {
      for (const { index } of xEntries(programOfImage(image), image.address('root'))) seen.push(index);
    }).toThrow(ValidationError);
    expect(seen).toEqual([0n, 5n]);
    image.write('top.slots[1]', 0x7f0000000000n + BigInt(nodeTag[era]));
    expect(() => [...xEntries(programOfImage(image), image.address('root'))]).toThrow(ValidationError);
  });

  it('passes over what is broken when somebody wants to hear of it', () => {
    const image = twoLevels(era);
    image.write('middle.parent', ref('low'));
    const told: string[] = [];
    const onBroken = (error: Error): number => told.push(error.message);
    const found = xEntries(programOfImage(image), image.address('root'), { onBroken });
    expect([...found]).toEqual(expected.filter(({ index }) => index !== 67n));
    expect(told).toEqual([expect.stringContaining('its parent is another node')]);
  });

  it('never loops: a node below itself is no node of its level', () => {
    const image = twoLevels(era);
    image.write('top.slots[1]', ref('top', nodeTag[era]));
    expect(() => [...xEntries(programOfImage(image), image.address('root'))]).toThrow(ValidationError);
    expect(() => xLoad(programOfImage(image), image.address('root'), 67n)).toThrow(ValidationError);
  });
});

describe('a node in two slots', () => {
  it.each(['xarray', 'radix 4.19'] as const)('is refused in %s', (era) => {
    const image = twoLevels(era);
    image.write('top.slots[2]', ref('middle', nodeTag[era]));
    expect(() => [...xEntries(programOfImage(image), image.address('root'))]).toThrow(ValidationError);
  });

  it('comes twice in radix 4.6, whose nodes do not say where they are', () => {
    const image = twoLevels('radix 4.6');
    image.write('top.slots[2]', ref('middle'));
    expect([...xEntries(programOfImage(image), image.address('root'))]).toHaveLength(5);
  });

  it('is fine at the root, which keeps its offset when the tree shrinks', () => {
    const image = twoLevels('xarray');
    image.write('top.offset', 5);
    expect([...xEntries(programOfImage(image), image.address('root'))]).toEqual(expected);
  });
});

describe('special entries', () => {
  it('follows siblings when loading and passes over them, and over reserved ones, when walking', () => {
    const image = twoLevels('xarray');
    image.write('low.slots[4]', 0xffff888000001400n);
    image.write('low.slots[5]', (4 << 2) | 2);
    image.write('low.slots[6]', (257 << 2) | 2);
    const program = programOfImage(image);
    expect(xLoad(program, image.address('root'), 5n)).toBe(0xffff888000001400n);
    expect(xLoad(program, image.address('root'), 6n)).toBeUndefined();
    expect([...xEntries(program, image.address('root'))].map(({ index }) => index)).toEqual([0n, 4n, 67n, 4095n]);
    const radix = twoLevels('radix 4.19');
    radix.write('low.slots[4]', 0xffff888000001400n);
    radix.write('low.slots[5]', ref('low.slots[4]', 1));
    const old = programOfImage(radix);
    expect(xLoad(old, radix.address('root'), 5n)).toBe(0xffff888000001400n);
    expect([...xEntries(old, radix.address('root'))].map(({ index }) => index)).toEqual([0n, 4n, 67n, 4095n]);
  });

  it('tells integers from pointers', () => {
    const program = programOfImage(twoLevels('xarray'));
    expect(xInteger(program, virt((42n << 1n) | 1n))).toBe(42n);
    expect(xInteger(program, virt(0xffff888000001000n))).toBeUndefined();
    expect(xInteger(programOfImage(twoLevels('radix 4.19')), virt((42n << 2n) | 2n))).toBe(42n);
    expect(() => xInteger(programOfImage(new KernelImage()), virt(1n))).toThrow(LookupError);
  });

  it('takes no more entries than asked for', () => {
    const image = twoLevels('xarray');
    const program = programOfImage(image);
    expect(() => [...xEntries(program, image.address('root'), { max: 3 })]).toThrow(ValidationError);
    expect([...xEntries(program, image.address('root'), { max: 4 })]).toHaveLength(4);
  });

  it('refuses a shift that no level has', () => {
    const image = twoLevels('xarray');
    image.write('top.shift', 66);
    expect(() => xLoad(programOfImage(image), image.address('root'), 0n)).toThrow(ValidationError);
  });
});
