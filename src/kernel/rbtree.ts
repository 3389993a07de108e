/**
 * Red-black trees, include/linux/rbtree.h (`struct rb_root`, `struct rb_node`): all entries in the tree's order. A walk
 * is bounded and checked: every child must name its parent and stand on one side of it, so no node comes twice, and a
 * damaged tree ends with ValidationError and not in a loop.
 * Searching by key is left to those who know the key.
 */
import { clearBits, isAligned, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { MAX_LIST } from './list.ts';

/** A red-black tree of n nodes is at most 2 log2(n + 1) deep: no tree that fits into memory is deeper than this. */
const MAX_DEPTH = 128;
/** The low bits of `__rb_parent_color`: the colour, and on some old kernels a flag. */
const COLOUR = 3n;

/**
 * Each node of a tree in order.
 * @param root - `struct rb_root *`; a `struct rb_root_cached *` (since 4.14) begins with its `rb_root` and will do
 * @returns `struct rb_node *` of each entry
 * @throws FaultError, LookupError, ValidationError when a node's parent is another one or the tree does not end; what
 *   came before the damage was returned
 */
export function* rbNodes(program: Program, root: VirtAddr, max = MAX_LIST): Generator<VirtAddr> {
  const left = program.field('struct rb_node', 'rb_left');
  const right = program.field('struct rb_node', 'rb_right');
  // `__rb_parent_color` since 3.7, `rb_parent_color` before.
  const parentOf = program.firstField('struct rb_node', ['__rb_parent_color', 'rb_parent_color']);
  const check = (node: VirtAddr, parent: VirtAddr): void => {
    if (!isKernel(node) || !isAligned(node, 4))
      throw new ValidationError('struct rb_node', node, 'is no kernel pointer');
    if (clearBits(parentOf.pointer(node), COLOUR) !== parent)
      throw new ValidationError('struct rb_node', node, 'its parent is another node');
  };
  const ancestors: VirtAddr[] = [];
  let at = program.field('struct rb_root', 'rb_node').pointer(root);
  let parent = NULL;
  for (let n = 0; ; n++) {
    while (at !== 0n) {
      check(at, parent);
      if (ancestors.length >= MAX_DEPTH) throw new ValidationError('struct rb_root', root, 'is too deep');
      ancestors.push(at);
      parent = at;
      at = left.pointer(at);
    }
    const node = ancestors.pop();
    if (node === undefined) return;
    const next = right.pointer(node);
    if (next !== 0n && next === left.pointer(node))
      throw new ValidationError('struct rb_node', node, 'has one child on both sides');
    if (n >= max) throw new ValidationError('struct rb_root', root, `more than ${max} entries`);
    yield node;
    parent = node;
    at = next;
  }
}

/**
 * Each object in a tree, in order.
 * @param root - `struct rb_root *` or `struct rb_root_cached *`
 * @param type - C type of the entries, such as `struct vm_area_struct`
 * @param member - its `struct rb_node` member, such as 'vm_rb'
 * @returns addresses of the entries
 * @throws FaultError, LookupError, ValidationError as `rbNodes`
 */
export function* rbEntries(
  program: Program,
  root: VirtAddr,
  type: string,
  member: string,
  max = MAX_LIST,
): Generator<VirtAddr> {
  const field = program.field(type, member);
  for (const node of rbNodes(program, root, max)) yield field.container(node);
}
