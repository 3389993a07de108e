/**
 * XArrays (`struct xarray`, include/linux/xarray.h, since 4.20) and the radix trees before them (`struct
 * radix_tree_root`): look-up by index and all entries. Decides by the types that exist which of the three layouts there
 * is. Walks are bounded and checked: a node must name its parent and its slot, its shift must fall with every level. Marks are not read.
 */
import { add, clearBits, hasBits, isAligned, isKernel, NULL, within, type VirtAddr } from '../base/address.ts';
import { isDataError, type KwhyError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';

export interface XEntry {
  /** `unsigned long`. For an entry that covers several indices, the first. */
  readonly index: bigint;
  /** What is stored, `void *`: a pointer, or an integer as `xa_mk_value` makes it (see `xInteger`). */
  readonly value: VirtAddr;
}

const MAX_ENTRIES = 1 << 28;
const MAX_NODES = 1 << 20;
const POINTER = 8;

/** How the entries of this kernel's trees are tagged, and where the parts of a node are. */
interface Layout {
  readonly type: 'struct xa_node' | 'struct radix_tree_node';
  readonly rootEntry: (root: VirtAddr) => VirtAddr;
  /** Levels below the root, where the nodes do not say it themselves. */
  readonly height: ((root: VirtAddr) => number) | undefined;
  readonly isNode: (entry: VirtAddr) => boolean;
  readonly nodeOf: (entry: VirtAddr) => VirtAddr;
  /** Follows an entry that stands for another slot of the same node; undefined for an entry without meaning. */
  readonly sibling: (entry: VirtAddr, slots: VirtAddr) => number | undefined;
  readonly isInternal: (entry: VirtAddr) => boolean;
  readonly slots: number;
  readonly chunkShift: number;
  readonly slotsOffset: number;
}

function layoutOf(program: Program): Layout {
  // Since 4.20 (commit f8d5d0cc145c) `radix_tree_node` is another name of `xa_node`, and no struct of its own.
  const type = program.types.tryFind('struct xa_node') === undefined ? 'struct radix_tree_node' : 'struct xa_node';
  const slots = program.field(type, 'slots');
  const array = strip(slots.type);
  const count = array.kind === 'array' ? array.length : 0;
  const chunkShift = Math.log2(count);
  if (!Number.isInteger(chunkShift) || chunkShift < 1)
    throw new ValidationError(type, NULL, `has ${count} slots in a node`);
  const common = { type, slots: count, chunkShift, slotsOffset: slots.offset } as const;
  if (type === 'struct xa_node') {
    const head = program.field('struct xarray', 'xa_head');
    // Internal entries end in binary 10; those above 4096 are nodes, the small ones siblings and special values.
    return {
      ...common,
      rootEntry: (root) => head.pointer(root),
      height: undefined,
      isNode: (entry) => (entry & 3n) === 2n && entry > 4096n,
      nodeOf: (entry) => clearBits(entry, 3n),
      sibling: (entry) => (entry >> 2n < BigInt(count) ? Number(entry >> 2n) : undefined),
      isInternal: (entry) => (entry & 3n) === 2n,
    };
  }
  const rnode = program.field('struct radix_tree_root', 'rnode');
  const height = program.tryField('struct radix_tree_root', 'height');
  const tagged = (entry: VirtAddr): boolean => (entry & 3n) === 1n;
  return {
    ...common,
    rootEntry: (root) => rnode.pointer(root),
    // Until 4.6 the root counts the levels, and only its own pointer to a node is tagged; since 4.7 all are, and nodes
    // have a shift.
    height: height === undefined ? undefined : (root) => height.number(root),
    isNode: tagged,
    nodeOf: (entry) => clearBits(entry, 3n),
    sibling: (entry, first) =>
      tagged(entry) && within(first, add(first, count * POINTER), clearBits(entry, 3n))
        ? Number(clearBits(entry, 3n) - first) / POINTER
        : undefined,
    isInternal: tagged,
  };
}

interface Node {
  readonly address: VirtAddr;
  /** Bits of the index below this node. */
  readonly shift: number;
  readonly slots: VirtAddr;
}

class Tree {
  readonly #program: Program;
  readonly #layout: Layout;
  readonly #root: VirtAddr;
  #visited = 0;

  constructor(program: Program, root: VirtAddr) {
    this.#program = program;
    this.#root = root;
    this.#layout = layoutOf(program);
  }

  /** The root's entry: a node, or the only entry, at index 0. */
  top(): { readonly node: Node } | { readonly entry: VirtAddr } {
    const layout = this.#layout;
    const entry = layout.rootEntry(this.#root);
    if (!layout.isNode(entry)) return { entry };
    const levels = layout.height?.(this.#root);
    const shift = levels === undefined ? undefined : (levels - 1) * layout.chunkShift;
    return { node: this.#node(entry, NULL, 0, shift) };
  }

  #node(entry: VirtAddr, parent: VirtAddr, slot: number, expectedShift: number | undefined): Node {
    const { type, nodeOf, chunkShift, slotsOffset } = this.#layout;
    const address = nodeOf(entry);
    if (!isKernel(address) || !isAligned(address, 8)) throw new ValidationError(type, address, 'is no kernel pointer');
    const shift = this.#program.tryField(type, 'shift')?.number(address) ?? expectedShift;
    if (shift === undefined || shift < 0 || shift >= 64 || shift % chunkShift !== 0)
      throw new ValidationError(type, address, `its shift is ${shift}`);
    if (expectedShift !== undefined && shift !== expectedShift)
      throw new ValidationError(type, address, `its shift is ${shift}, and not ${expectedShift}`);
    // `parent` since 3.15, `offset` since 4.7. Together they make sure that no node comes twice; without, the count does.
    const back = this.#program.tryField(type, 'parent')?.pointer(address);
    if (back !== undefined && back !== parent) throw new ValidationError(type, address, 'its parent is another node');
    const offset = this.#program.tryField(type, 'offset')?.number(address);
    // A node that became the root when the tree shrank keeps its offset.
    if (offset !== undefined && parent !== 0n && offset !== slot)
      throw new ValidationError(type, address, 'belongs into another slot');
    if (offset === undefined && ++this.#visited > MAX_NODES)
      throw new ValidationError(type, this.#root, `more than ${MAX_NODES} nodes`);
    return { address, shift, slots: add(address, slotsOffset) };
  }

  /** What a slot holds: a lower node, an entry, or nothing. */
  slot(node: Node, i: number): { readonly node: Node } | { readonly entry: VirtAddr } | undefined {
    const layout = this.#layout;
    const entry = this.#program.memory.readPointer(add(node.slots, i * POINTER));
    if (entry === 0n) return undefined;
    // Nodes that count levels at the root do not tag the pointers inside: all but the last level are nodes.
    const below = layout.height === undefined ? layout.isNode(entry) : node.shift > 0;
    if (below && layout.sibling(entry, node.slots) === undefined) {
      if (node.shift === 0) throw new ValidationError(layout.type, node.address, 'a node below the lowest level');
      return { node: this.#node(entry, node.address, i, node.shift - layout.chunkShift) };
    }
    return { entry };
  }

  /** The slot that a sibling entry stands for. */
  canonical(node: Node, entry: VirtAddr): number | undefined {
    const { isInternal, sibling } = this.#layout;
    return isInternal(entry) ? sibling(entry, node.slots) : undefined;
  }

  /** False for what only the tree itself understands: siblings, retry and zero entries. */
  isOutside(entry: VirtAddr): boolean {
    return !this.#layout.isInternal(entry);
  }

  get slotCount(): number {
    return this.#layout.slots;
  }

  get chunkShift(): number {
    return this.#layout.chunkShift;
  }
}

/**
 * The entry at an index.
 * @param root - `struct xarray *`, or `struct radix_tree_root *` before 4.20
 * @param index - `unsigned long`
 * @returns `void *` as stored; undefined when there is none
 * @throws FaultError, LookupError, ValidationError when the tree contradicts itself
 */
export function xLoad(program: Program, root: VirtAddr, index: bigint): VirtAddr | undefined {
  const tree = new Tree(program, root);
  let at = tree.top();
  if ('entry' in at) return index === 0n && at.entry !== 0n && tree.isOutside(at.entry) ? at.entry : undefined;
  if (index >> BigInt(at.node.shift + tree.chunkShift) !== 0n) return undefined;
  for (;;) {
    const node: Node = at.node;
    const i = Number((index >> BigInt(node.shift)) & BigInt(tree.slotCount - 1));
    let next = tree.slot(node, i);
    if (next !== undefined && 'entry' in next) {
      const other = tree.canonical(node, next.entry);
      if (other !== undefined && other < i) next = tree.slot(node, other);
    }
    if (next === undefined) return undefined;
    if ('entry' in next) return tree.isOutside(next.entry) ? next.entry : undefined;
    at = next;
  }
}

export interface XWalk {
  readonly max?: number;
  /** Told of a slot that cannot be followed, which then is passed over. Without it such a slot ends the walk. */
  readonly onBroken?: (error: KwhyError) => void;
}

/**
 * All entries in order of their indices.
 * @param root - `struct xarray *`, or `struct radix_tree_root *` before 4.20
 * @throws FaultError, LookupError, ValidationError when the tree contradicts itself; what came before was returned
 */
export function* xEntries(
  program: Program,
  root: VirtAddr,
  { max = MAX_ENTRIES, onBroken }: XWalk = {},
): Generator<XEntry> {
  const tree = new Tree(program, root);
  const top = tree.top();
  if ('entry' in top) {
    if (top.entry !== 0n && tree.isOutside(top.entry)) yield { index: 0n, value: top.entry };
    return;
  }
  let n = 0;
  // One frame per level: the shift falls with each, so there are never more than 64.
  const stack: { readonly node: Node; readonly base: bigint; next: number }[] = [{ node: top.node, base: 0n, next: 0 }];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (frame.next >= tree.slotCount) {
      stack.pop();
      continue;
    }
    const i = frame.next++;
    const found = slotOf(tree, frame.node, i, onBroken);
    if (found === undefined) continue;
    const index = frame.base + (BigInt(i) << BigInt(frame.node.shift));
    if ('node' in found) stack.push({ node: found.node, base: index, next: 0 });
    else if (tree.isOutside(found.entry)) {
      if (n++ >= max) throw new ValidationError('struct xarray', root, `more than ${max} entries`);
      yield { index: BigInt.asUintN(64, index), value: found.entry };
    }
  }
}

function slotOf(tree: Tree, node: Node, i: number, onBroken: XWalk['onBroken']): ReturnType<Tree['slot']> {
  if (onBroken === undefined) return tree.slot(node, i);
  try {
    return tree.slot(node, i);
  } catch (error) {
    if (!isDataError(error)) throw error;
    onBroken(error);
    return undefined;
  }
}

/**
 * The integer in a stored `void *` that is no pointer: xa_mk_value() made it, or before 4.20 it is an exceptional entry.
 * @returns undefined for a pointer
 * @throws LookupError when the kernel has neither type
 */
export function xInteger(program: Program, value: VirtAddr): bigint | undefined {
  // Bit 0 and one bit of shift since 4.20 (commit 3159f943aafd); bit 1 and two bits before.
  const isXArray = program.types.tryFind('struct xa_node') !== undefined;
  if (!isXArray) program.types.find('struct radix_tree_node');
  if (!hasBits(value, isXArray ? 1n : 2n)) return undefined;
  return value >> (isXArray ? 1n : 2n);
}
