import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import { hlistEntries, listEntries, listNodes } from './list.ts';

function withNodes(labels: readonly string[]): KernelImage {
  const image = new KernelImage();
  image.struct('node', { before: 'u64[3]', list: 'struct list_head', hash: 'struct hlist_node' });
  image.place('head', 'struct list_head');
  image.place('bucket', 'struct hlist_head');
  for (const label of labels) image.place(label, 'struct node');
  image.list(
    'head',
    labels.map((label) => `${label}.list`),
  );
  image.hlist(
    'bucket',
    labels.map((label) => `${label}.hash`),
  );
  return image;
}

const listed = (image: KernelImage, max?: number): readonly bigint[] => [
  ...listEntries(programOfImage(image), image.address('head'), 'struct node', 'list', max),
];
const hashed = (image: KernelImage, max?: number): readonly bigint[] => [
  ...hlistEntries(programOfImage(image), image.address('bucket'), 'struct node', 'hash', max),
];

describe('lists', () => {
  it('give their entries in order', () => {
    const image = withNodes(['a', 'b', 'c']);
    const nodes = ['a', 'b', 'c'].map((label) => image.address(label));
    expect(listed(image)).toEqual(nodes);
    expect([...listNodes(programOfImage(image), image.address('head'))]).toEqual(nodes.map((node) => node + 24n));
    expect(hashed(image)).toEqual(nodes);
    expect([listed(withNodes([])), hashed(withNodes([]))]).toEqual([[], []]);
  });

  it('may be as long as they are said to be, and no longer', () => {
    const image = withNodes(['a', 'b', 'c']);
    expect([listed(image, 3), hashed(image, 3)]).toEqual([listed(image), hashed(image)]);
    expect(() => listed(image, 2)).toThrow('more than 2 entries');
    expect(() => hashed(image, 2)).toThrow('more than 2 entries');
  });
});

describe('damaged lists', () => {
  it('give what lies before the damage', () => {
    const image = withNodes(['a', 'b', 'c']);
    image.write('b.list.next', 0x100);
    const nodes: bigint[] = [];
    const walk = (): void => {
      for (const node of listEntries(programOfImage(image), image.address('head'), 'struct node', 'list'))
        nodes.push(node);
    };
    expect(walk).toThrow('next is no kernel pointer');
    expect(nodes).toEqual(['a', 'b'].map((label) => image.address(label)));
  });

  it('that run into themselves, or into another list, end', () => {
    const loop = withNodes(['a', 'b', 'c']);
    loop.write('c.list.next', ref('b.list'));
    expect(() => listed(loop)).toThrow('prev does not point back');
    const other = withNodes(['a', 'b']);
    other.place('elsewhere', 'struct list_head');
    other.list('elsewhere');
    other.write('b.list.next', ref('elsewhere'));
    expect(() => listed(other)).toThrow(ValidationError);
  });

  it('with odd or missing nodes fail', () => {
    for (const [next, error] of [
      [0xffff888000100001n, ValidationError],
      [0n, ValidationError],
      [0xffff900000000000n, FaultError],
    ] as const) {
      const image = withNodes(['a']);
      image.write('a.list.next', next);
      expect(() => listed(image)).toThrow(error);
    }
  });

  it('of hashes that loop or lead nowhere end', () => {
    const image = withNodes(['a', 'b']);
    image.write('b.hash.next', ref('a.hash'));
    expect(() => hashed(image, 1000)).toThrow('more than 1000 entries');
    for (const odd of [0x78, 0xffff888000100001n]) {
      image.write('b.hash.next', odd);
      expect(() => hashed(image)).toThrow('is no kernel pointer');
    }
  });
});
