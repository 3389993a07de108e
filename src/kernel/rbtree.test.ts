import { describe, expect, it } from 'vitest';
import { KernelImage, ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import { rbEntries, rbNodes } from './rbtree.ts';

/**
 *         d
 *       /   \
 *      b     f
 *     / \   /
 *    a   c e
 */
function tree(parentMember: '__rb_parent_color' | 'rb_parent_color' = '__rb_parent_color'): KernelImage {
  const image = new KernelImage();
  image.struct('rb_node', {
    [parentMember]: 'unsigned long',
    rb_right: 'struct rb_node *',
    rb_left: 'struct rb_node *',
  });
  image.struct('rb_root', { rb_node: 'struct rb_node *' });
  image.struct('thing', { key: 'int', rb: 'struct rb_node' });
  image.place('root', 'struct rb_root', { rb_node: ref('d.rb') });
  const node = (name: string, parent: Value, left?: string, right?: string): void => {
    image.place(name, 'struct thing', {
      key: name.charCodeAt(0),
      [`rb.${parentMember}`]: parent,
      'rb.rb_left': left === undefined ? 0 : ref(`${left}.rb`),
      'rb.rb_right': right === undefined ? 0 : ref(`${right}.rb`),
    });
  };
  node('d', 1, 'b', 'f');
  node('b', ref('d.rb'), 'a', 'c');
  node('f', ref('d.rb', 1), 'e');
  node('a', ref('b.rb', 1));
  node('c', ref('b.rb', 1));
  node('e', ref('f.rb'));
  return image;
}

function walk(image: KernelImage, max?: number): { readonly names: string; readonly error: unknown } {
  const program = programOfImage(image);
  const key = program.field('struct thing', 'key');
  let names = '';
  try {
    for (const thing of rbEntries(program, image.address('root'), 'struct thing', 'rb', max)) {
      names += String.fromCharCode(key.number(thing));
    }
  } catch (error) {
    return { names, error };
  }
  return { names, error: undefined };
}

describe('rbEntries', () => {
  it('gives the entries in order, with either name of the parent member', () => {
    expect(walk(tree())).toEqual({ names: 'abcdef', error: undefined });
    expect(walk(tree('rb_parent_color'))).toEqual({ names: 'abcdef', error: undefined });
  });

  it('gives nothing for an empty tree', () => {
    const image = tree();
    image.write('root.rb_node', 0);
    expect(walk(image).names).toBe('');
  });

  it.each([
    ['a loop back to the root', 'c.rb.rb_right', ref('d.rb'), 'abc'],
    ['a node that is its own child', 'e.rb.rb_left', ref('e.rb'), 'abcd'],
    ['a child that belongs elsewhere', 'f.rb.rb_right', ref('a.rb'), 'abcdef'],
    ['one child on both sides', 'f.rb.rb_right', ref('e.rb'), 'abcde'],
    ['a pointer into user space', 'e.rb.rb_right', 0x1000, 'abcde'],
    ['a crooked pointer', 'e.rb.rb_right', ref('a.rb', 2), 'abcde'],
  ])('ends with ValidationError at %s, after what came before', (_what, member, value, names) => {
    const image = tree();
    image.write(member, value);
    const result = walk(image);
    expect(result.names).toBe(names);
    expect(result.error).toBeInstanceOf(ValidationError);
  });

  it('ends with FaultError at memory that is not there', () => {
    const image = tree();
    image.write('e.rb.rb_right', 0xffff999900000000n);
    expect(walk(image).error).toBeInstanceOf(FaultError);
  });

  it('ends at more entries than asked for, and when the tree is deeper than any real one', () => {
    expect(walk(tree(), 5).error).toBeInstanceOf(ValidationError);
    expect(walk(tree(), 6).error).toBeUndefined();
    const image = tree();
    for (let i = 0; i < 200; i++) {
      const last = i === 0 ? 'a' : `n${i - 1}`;
      image.place(`n${i}`, 'struct thing', { 'rb.__rb_parent_color': ref(`${last}.rb`) });
      image.write(`${last}.rb.rb_left`, ref(`n${i}.rb`));
    }
    expect(String(walk(image).error)).toContain('too deep');
  });

  it('reads no node before it is asked for', () => {
    const image = tree();
    const nodes = rbNodes(programOfImage(image), image.address('root'));
    expect(nodes.next().value).toBe(image.address('a.rb'));
  });
});
