/**
 * ID allocators, include/linux/idr.h (`struct idr`): all (id, pointer) pairs and look-up by id. On an XArray since 4.20,
 * on a radix tree since 4.11, on its own layers of nodes before.
 */
import { add, isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { xEntries, xLoad, type XWalk } from './xarray.ts';

export interface IdrEntry {
  /** `int`. */
  readonly id: number;
  /** `void *`. */
  readonly value: VirtAddr;
}

const MAX_LAYERS = 8;
/** Nodes of these layers do not name their parents: only their number bounds a walk. */
const MAX_NODES = 1 << 18;

/**
 * All entries in order of their ids.
 * @param idr - `struct idr *`
 * @param walk - as for `xEntries`, since 4.11
 * @throws FaultError, LookupError, ValidationError as `xEntries`
 */
export function* idrEntries(program: Program, idr: VirtAddr, walk: XWalk = {}): Generator<IdrEntry> {
  // `idr_rt` since 4.11 (commit 0a835c4f090a).
  const tree = program.tryField('struct idr', 'idr_rt');
  if (tree === undefined) {
    yield* layerEntries(program, idr);
    return;
  }
  const base = idrBase(program, idr);
  for (const { index, value } of xEntries(program, tree.address(idr), walk)) {
    yield { id: Number(index) + base, value };
  }
}

/**
 * The pointer of an id, `void *`; undefined when the id is not in use.
 * @param idr - `struct idr *`
 * @throws FaultError, LookupError, ValidationError as `xLoad`
 */
export function idrFind(program: Program, idr: VirtAddr, id: number): VirtAddr | undefined {
  const tree = program.tryField('struct idr', 'idr_rt');
  if (tree !== undefined) {
    const index = id - idrBase(program, idr);
    return index < 0 ? undefined : xLoad(program, tree.address(idr), BigInt(index));
  }
  for (const entry of layerEntries(program, idr)) if (entry.id === id) return entry.value;
  return undefined;
}

/** The lowest id, stored at index 0; since 4.16 (commit 6ce711f27500). */
function idrBase(program: Program, idr: VirtAddr): number {
  return program.tryField('struct idr', 'idr_base')?.number(idr) ?? 0;
}

function* layerEntries(program: Program, idr: VirtAddr): Generator<IdrEntry> {
  const slots = program.field('struct idr_layer', 'ary');
  const array = strip(slots.type);
  const count = array.kind === 'array' ? array.length : 0;
  const top = program.field('struct idr', 'top').pointer(idr);
  const level = program.field('struct idr_layer', 'layer');
  if (top !== 0n) yield* below(program, { slots, level, count, visited: 0 }, top, level.number(top), 0);
}

interface LayerWalk {
  readonly slots: Field;
  readonly level: Field;
  readonly count: number;
  visited: number;
}

/** The entries below one layer; each layer's own number must be one less than that of the layer above. */
function* below(
  program: Program,
  fields: LayerWalk,
  layer: VirtAddr,
  expected: number,
  base: number,
): Generator<IdrEntry> {
  if (!isKernel(layer) || !isAligned(layer, 8))
    throw new ValidationError('struct idr_layer', layer, 'is no kernel pointer');
  if (fields.level.number(layer) !== expected || expected < 0 || expected >= MAX_LAYERS)
    throw new ValidationError('struct idr_layer', layer, `is not of layer ${expected}`);
  if (++fields.visited > MAX_NODES) throw new ValidationError('struct idr_layer', layer, `one of ${MAX_NODES} or more`);
  for (let i = 0; i < fields.count; i++) {
    const entry = program.memory.readPointer(add(fields.slots.address(layer), i * 8));
    if (entry === 0n) continue;
    const id = base + i * fields.count ** expected;
    if (expected === 0) yield { id, value: entry };
    else yield* below(program, fields, entry, expected - 1, id);
  }
}
