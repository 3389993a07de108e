/**
 * Maple trees, include/linux/maple_tree.h (`struct maple_tree`, since 6.1: virtual memory areas; since 6.5 interrupts):
 * all ranges, and the one at an index. Walks are checked: a node must name its parent and its place in it, so none comes
 * twice; its ranges must rise, and the depth is bounded. Gaps are not read.
 */
import { clearBits, hex, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { ByteView } from '../base/bytes.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { sizeOf, strip } from '../program/types.ts';

export interface MapleEntry {
  /** First index of the range, `unsigned long`. */
  readonly first: bigint;
  /** Last index of the range, inclusive. */
  readonly last: bigint;
  /** What is stored, `void *`. */
  readonly value: VirtAddr;
}

/** MAPLE_HEIGHT_MAX of lib/maple_tree.c. */
const MAX_DEPTH = 31;
const ULONG_MAX = (1n << 64n) - 1n;
/** Nodes are aligned to 256 bytes; the low byte of a pointer holds its type. */
const NODE_MASK = 0xffn;
const SLOT_MASK = 0xf8n;

interface Slots {
  readonly slot: number;
  readonly slots: number;
  readonly pivot: number;
  readonly pivots: number;
  readonly leaf: boolean;
}

/** Offsets and counts of a kind of node, from its C type. */
function slotsOf(program: Program, path: string, leaf: boolean): Slots {
  const part = (member: string): { offset: number; length: number } | undefined => {
    const field = program.tryField('struct maple_node', path === '' ? member : `${path}.${member}`);
    if (field === undefined) return undefined;
    const array = strip(field.type);
    return { offset: field.offset, length: array.kind === 'array' ? array.length : 0 };
  };
  const slot = part('slot') ?? { offset: program.field('struct maple_node', `${path}.slot`).offset, length: 0 };
  const pivot = part('pivot');
  return { slot: slot.offset, slots: slot.length, pivot: pivot?.offset ?? 0, pivots: pivot?.length ?? 0, leaf };
}

class Walk {
  readonly #program: Program;
  readonly #tree: VirtAddr;
  readonly #parent: number;
  readonly #size: number;
  /** By `enum maple_type`: maple_dense, maple_leaf_64, maple_range_64, maple_arange_64. */
  readonly #kinds: ReadonlyMap<number, Slots>;

  constructor(program: Program, tree: VirtAddr) {
    this.#program = program;
    this.#tree = tree;
    this.#parent = program.field('struct maple_node', 'parent').offset;
    this.#size = sizeOf(program.types.find('struct maple_node'));
    const number = (name: string, usual: number): number => Number(program.enumerator(name) ?? usual);
    this.#kinds = new Map([
      [number('maple_dense', 0), slotsOf(program, '', true)],
      [number('maple_leaf_64', 1), slotsOf(program, 'mr64', true)],
      [number('maple_range_64', 2), slotsOf(program, 'mr64', false)],
      [number('maple_arange_64', 3), slotsOf(program, 'ma64', false)],
    ]);
  }

  /** Entries between `from` and `to`, both inclusive. */
  *entries(from: bigint, to: bigint): Generator<MapleEntry> {
    const root = this.#program.field('struct maple_tree', 'ma_root').pointer(this.#tree);
    if (isNode(root)) {
      yield* this.#below(root, virt(this.#tree | 1n), 0n, ULONG_MAX, from, to, 0);
    } else if (from === 0n && isEntry(root)) {
      // Without a node the tree has one entry, at index 0.
      yield { first: 0n, last: 0n, value: root };
    }
  }

  *#below(
    encoded: VirtAddr,
    parent: VirtAddr,
    min: bigint,
    max: bigint,
    from: bigint,
    to: bigint,
    depth: number,
  ): Generator<MapleEntry> {
    const node = clearBits(encoded, NODE_MASK);
    const kind = this.#kinds.get(Number((encoded >> 3n) & 0xfn));
    if (depth > MAX_DEPTH) throw new ValidationError('struct maple_tree', this.#tree, 'is too deep');
    if (!isKernel(node) || kind === undefined)
      throw new ValidationError('struct maple_tree', this.#tree, `holds ${hex(encoded)}, which is no node`);
    // Checked reads: where members lie is what the types say, which come out of the dump as well.
    const view = new ByteView(this.#program.memory.readBytes(node, this.#size), 'struct maple_node');
    const back = view.u64(this.#parent);
    // The root's parent is the tree with bit 0 set; elsewhere bits 3 to 7 tell the slot in the parent.
    const place = depth === 0 ? back : back & ~(NODE_MASK ^ SLOT_MASK);
    if (place !== parent)
      throw new ValidationError('struct maple_node', node, back === node ? 'is dead' : 'its parent is another node');
    let first = min;
    for (let i = 0; i < kind.slots && first <= max; i++) {
      let last = i < kind.pivots ? view.u64(kind.pivot + 8 * i) : max;
      if (kind.pivots === 0) last = first;
      // Pivots after the last one in use are zero, as is the first one of a range that ends at index 0.
      else if (last === 0n && i > 0) last = max;
      if (last < first || last > max) throw new ValidationError('struct maple_node', node, `pivot ${i} does not rise`);
      if (last >= from && first <= to) {
        const entry = virt(view.u64(kind.slot + 8 * i));
        if (kind.leaf) {
          if (isEntry(entry)) yield { first, last, value: entry };
        } else {
          yield* this.#below(entry, virt(node | BigInt(i << 3)), first, last, from, to, depth + 1);
        }
      }
      if (last === max) return;
      first = last + 1n;
    }
  }
}

/** The root's entry is tagged as in an XArray: internal entries end in binary 10, and those above 4096 are nodes. */
function isNode(entry: VirtAddr): boolean {
  return (entry & 3n) === 2n && entry > 4096n;
}

/** Neither empty nor one of the tree's own small values (XA_ZERO_ENTRY: a reserved index). */
function isEntry(entry: VirtAddr): boolean {
  return entry !== 0n && !((entry & 3n) === 2n && entry <= 4096n);
}

/**
 * All ranges that hold something, in order.
 * @param tree - `struct maple_tree *`
 * @throws FaultError, FormatError, LookupError, ValidationError when the tree contradicts itself; what came before was
 *   returned
 */
export function mapleEntries(program: Program, tree: VirtAddr): Generator<MapleEntry> {
  return new Walk(program, tree).entries(0n, ULONG_MAX);
}

/**
 * The range that holds an index; undefined when it is empty.
 * @param tree - `struct maple_tree *`
 * @param index - `unsigned long`
 * @throws FaultError, FormatError, LookupError, ValidationError when the tree contradicts itself
 */
export function mapleLoad(program: Program, tree: VirtAddr, index: bigint): MapleEntry | undefined {
  for (const found of new Walk(program, tree).entries(index, index)) return found;
  return undefined;
}
