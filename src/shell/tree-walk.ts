/**
 * The trees of `tree` with the place of each entry in them: red-black trees node by node, XArrays (radix trees before 4.20)
 * and maple trees by index. Red-black trees are checked as they are walked: every child must name its parent.
 */
import { add, clearBits, hex, isAligned, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import { mapleEntries } from '../kernel/maple-tree.ts';
import { xEntries } from '../kernel/xarray.ts';
import type { Program } from '../program/program.ts';

export interface TreeEntry {
  /** The node of a red-black tree, or what is stored. */
  readonly at: VirtAddr;
  /** 'root/l/r', 'root/0/5', or the range of a maple tree. */
  readonly position: string;
  /** Of an XArray. */
  readonly index?: bigint;
}

/** No red-black tree that fits into memory is deeper. */
const MAX_DEPTH = 128;
const MAX_NODES = 1 << 22;
/** Low bits of `__rb_parent_color`. */
const COLOUR = 3n;

interface Step {
  readonly node: VirtAddr;
  readonly parent: VirtAddr;
  readonly position: string;
  readonly depth: number;
  /** Its left subtree is done. */
  readonly ready: boolean;
}

/**
 * Nodes below and with a `struct rb_node *`.
 * @param sorted - in the order of the tree; else parents first
 * @throws FaultError, LookupError, ValidationError when the tree is damaged
 */
export function* rbPositions(program: Program, top: VirtAddr, sorted: boolean): Generator<TreeEntry> {
  const left = program.field('struct rb_node', 'rb_left');
  const right = program.field('struct rb_node', 'rb_right');
  // `__rb_parent_color` since 3.7, `rb_parent_color` before.
  const parentOf = program.firstField('struct rb_node', ['__rb_parent_color', 'rb_parent_color']);
  const topParent = top === NULL ? NULL : clearBits(parentOf.pointer(top), COLOUR);
  const todo: Step[] = [{ node: top, parent: topParent, position: 'root', depth: 0, ready: false }];
  let count = 0;
  for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
    const { node, parent, position, depth, ready } = step;
    if (node === NULL) continue;
    if (ready) {
      yield { at: node, position };
      continue;
    }
    if (!isKernel(node) || !isAligned(node, 4))
      throw new ValidationError('struct rb_node', node, 'is no kernel pointer');
    if (clearBits(parentOf.pointer(node), COLOUR) !== parent)
      throw new ValidationError('struct rb_node', node, 'its parent is another node');
    if (++count > MAX_NODES || depth > MAX_DEPTH)
      throw new ValidationError('struct rb_node', top, 'the tree does not end');
    const below = { parent: node, depth: depth + 1, ready: false };
    // The last pushed comes first.
    todo.push({ ...below, node: right.pointer(node), position: `${position}/r` });
    if (sorted) todo.push({ ...step, ready: true });
    todo.push({ ...below, node: left.pointer(node), position: `${position}/l` });
    if (!sorted) yield { at: node, position };
  }
}

/**
 * Entries of a `struct xarray *` or `struct radix_tree_root *`.
 * @throws FaultError, LookupError, ValidationError when the tree is damaged
 */
export function* xPositions(program: Program, root: VirtAddr): Generator<TreeEntry> {
  const shift = attempt(() => topShift(program, root));
  for (const { index, value } of xEntries(program, root)) {
    const slots: bigint[] = [];
    for (let at = shift ?? -1; at >= 0; at -= 6) slots.push((index >> BigInt(at)) & 63n);
    yield { at: value, position: ['root', ...slots].join('/'), index };
  }
}

/** Shift of the topmost node; undefined when the root holds the only entry itself, or the layout is older than 4.20. */
function topShift(program: Program, root: VirtAddr): number | undefined {
  const head = program.tryField('struct xarray', 'xa_head')?.pointer(root);
  if (head === undefined || (head & 3n) !== 2n || head <= 4096n) return undefined;
  return program.field('struct xa_node', 'shift').number(clearBits(head, 3n));
}

/**
 * Entries of a `struct maple_tree *`.
 * @throws FaultError, LookupError, ValidationError when the tree is damaged
 */
export function* maplePositions(program: Program, root: VirtAddr): Generator<TreeEntry> {
  for (const { first, last, value } of mapleEntries(program, root))
    if (value !== NULL) yield { at: value, position: `${hex(first)}-${hex(last)}` };
}

/** `rb_node` of a `struct rb_root *` or `struct rb_root_cached *`. @throws FaultError, LookupError */
export function rbTop(program: Program, root: VirtAddr): VirtAddr {
  return program.field('struct rb_root', 'rb_node').pointer(add(root, 0));
}
