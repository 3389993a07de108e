import { describe, expect, it } from 'vitest';
import { KernelImage, ref, struct, union, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { FormatError, LookupError, ValidationError } from '../base/errors.ts';
import { mapleEntries, mapleLoad } from './maple-tree.ts';

const DENSE = 0;
const LEAF = 1;
const RANGE = 2;
const ARANGE = 3;
const MAX = (1n << 64n) - 1n;

function empty(): KernelImage {
  const image = new KernelImage();
  image.struct('maple_tree', { ma_lock: 'spinlock_t', ma_flags: 'unsigned int', ma_root: 'void *' });
  image.struct('maple_range_64', { parent: 'void *', pivot: 'unsigned long[15]', slot: 'void *[16]' });
  image.struct('maple_arange_64', {
    parent: 'void *',
    pivot: 'unsigned long[9]',
    slot: 'void *[10]',
    gap: 'unsigned long[10]',
    meta: struct({ end: 'unsigned char', gap: 'unsigned char' }),
  });
  image.struct('maple_node', {
    $1: union({
      $1: struct({ parent: 'void *', slot: 'void *[31]' }),
      mr64: 'struct maple_range_64',
      ma64: 'struct maple_arange_64',
    }),
  });
  image.enum('maple_type', ['maple_dense', 'maple_leaf_64', 'maple_range_64', 'maple_arange_64']);
  image.place('tree', 'struct maple_tree');
  return image;
}

/** A pointer to a node as it stands in a slot: type in bits 3 and up, bit 2 set; the root has bit 1 set. */
const slotRef = (label: string, type: number): Value => ref(label, (type << 3) | 4);
const rootRef = (label: string, type: number): Value => ref(label, (type << 3) | 6);

function node(image: KernelImage, label: string, parent: Value, members: { readonly [path: string]: Value }): void {
  image.place(label, 'struct maple_node', { parent, ...members }, { align: 256 });
}

/** An arange node above a leaf and a range node above a leaf: entries 10-19, 30-30, 1000-1999 and the last index. */
function threeLevels(): KernelImage {
  const image = empty();
  image.write('tree.ma_root', rootRef('top', ARANGE));
  node(image, 'top', ref('tree', 1), {
    'ma64.pivot[0]': 99,
    'ma64.slot[0]': slotRef('low', LEAF),
    'ma64.slot[1]': slotRef('middle', RANGE),
  });
  node(image, 'low', ref('top', 6), {
    'mr64.pivot[0]': 9,
    'mr64.pivot[1]': 19,
    'mr64.slot[1]': 0xffff888000001000n,
    'mr64.pivot[2]': 29,
    'mr64.pivot[3]': 30,
    'mr64.slot[3]': 0xffff888000003000n,
  });
  node(image, 'middle', ref('top', 14), { 'mr64.pivot[0]': MAX, 'mr64.slot[0]': slotRef('high', LEAF) });
  node(image, 'high', ref('middle', 6), {
    'mr64.pivot[0]': 999,
    'mr64.pivot[1]': 1999,
    'mr64.slot[1]': 0xffff888000002000n,
    'mr64.pivot[2]': MAX - 1n,
    // XA_ZERO_ENTRY: reserved, and not an entry.
    'mr64.slot[2]': (257 << 2) | 2,
    'mr64.pivot[3]': MAX,
    'mr64.slot[3]': 0xffff888000004000n,
  });
  return image;
}

const entries = [
  { first: 10n, last: 19n, value: 0xffff888000001000n },
  { first: 30n, last: 30n, value: 0xffff888000003000n },
  { first: 1000n, last: 1999n, value: 0xffff888000002000n },
  { first: MAX, last: MAX, value: 0xffff888000004000n },
];

describe('mapleEntries', () => {
  it('gives the ranges of all kinds of nodes, in order', () => {
    const image = threeLevels();
    expect([...mapleEntries(programOfImage(image), image.address('tree'))]).toEqual(entries);
  });

  it('gives one index per slot of a dense node', () => {
    const image = empty();
    image.write('tree.ma_root', rootRef('dense', DENSE));
    node(image, 'dense', ref('tree', 1), { 'slot[0]': 0x1000, 'slot[30]': 0x2000 });
    expect([...mapleEntries(programOfImage(image), image.address('tree'))]).toEqual([
      { first: 0n, last: 0n, value: 0x1000n },
      { first: 30n, last: 30n, value: 0x2000n },
    ]);
  });

  it('reads the last slot of a full node, which has no pivot', () => {
    const image = empty();
    image.write('tree.ma_root', rootRef('leaf', LEAF));
    node(image, 'leaf', ref('tree', 1), {
      'mr64.pivot': Array.from({ length: 15 }, (_, i) => i),
      'mr64.slot': Array.from({ length: 16 }, (_, i) => 0x1000 * (i + 1)),
    });
    const found = [...mapleEntries(programOfImage(image), image.address('tree'))];
    expect(found).toHaveLength(16);
    expect(found[0]).toEqual({ first: 0n, last: 0n, value: 0x1000n });
    expect(found[15]).toEqual({ first: 15n, last: MAX, value: 0x10000n });
  });

  it('gives the only entry of a tree without nodes, and nothing for an empty one', () => {
    const image = empty();
    expect([...mapleEntries(programOfImage(image), image.address('tree'))]).toEqual([]);
    image.write('tree.ma_root', 0xffff888000001000n);
    expect([...mapleEntries(programOfImage(image), image.address('tree'))]).toEqual([
      { first: 0n, last: 0n, value: 0xffff888000001000n },
    ]);
  });

  it.each([
    ['a node that names another parent', 'high.parent', ref('low', 6)],
    ['a node in another slot than it names', 'top.ma64.slot[1]', slotRef('low', LEAF)],
    ['a dead node, its own parent', 'high.parent', ref('high')],
    ['a node below itself', 'middle.mr64.slot[0]', slotRef('middle', RANGE)],
    ['pivots that fall', 'high.mr64.pivot[1]', 5],
    ['a pivot beyond the range of the node', 'low.mr64.pivot[3]', 100],
    ['a node of an unknown kind', 'middle.mr64.slot[0]', slotRef('high', 9)],
    ['a pointer into user space', 'middle.mr64.slot[0]', 0x7f000000000cn],
    ['nothing where a node must be', 'middle.mr64.slot[0]', 0],
  ])('ends with ValidationError at %s', (_what, member, value) => {
    const image = threeLevels();
    image.write(member, value);
    const seen: bigint[] = [];
    expect(() => {
      for (const { first } of mapleEntries(programOfImage(image), image.address('tree'))) seen.push(first);
    }).toThrow(ValidationError);
    expect(seen).not.toContain(MAX);
  });

  it('ends with LookupError in a kernel that has none', () => {
    const image = new KernelImage();
    const at = image.place('tree', 'u64[2]', [0, 0]);
    expect(() => [...mapleEntries(programOfImage(image), at)]).toThrow(LookupError);
  });
});

describe('mapleLoad', () => {
  it('finds the range of an index', () => {
    const image = threeLevels();
    const program = programOfImage(image);
    const at = (index: bigint): bigint | undefined => mapleLoad(program, image.address('tree'), index)?.value;
    expect([10n, 15n, 19n, 30n, 1500n, MAX].map(at)).toEqual([
      0xffff888000001000n,
      0xffff888000001000n,
      0xffff888000001000n,
      0xffff888000003000n,
      0xffff888000002000n,
      0xffff888000004000n,
    ]);
    expect([0n, 9n, 20n, 31n, 99n, 100n, 2000n, MAX - 1n].map(at)).toEqual(Array(8).fill(undefined));
  });

  it('reads only the nodes on the way', () => {
    const image = threeLevels();
    image.write('high.parent', 0);
    expect(mapleLoad(programOfImage(image), image.address('tree'), 30n)?.first).toBe(30n);
  });
});

describe('a maple tree of damaged types', () => {
  it('is refused by a typed error when its members lie outside of its nodes', () => {
    const image = threeLevels();
    const program = programOfImage(image);
    // Behind the pivots and before the slots.
    Object.defineProperty(program.types.find('struct maple_node'), 'size', { value: 128 });
    expect(() => [...mapleEntries(program, image.address('tree'))]).toThrow(FormatError);
  });
});
