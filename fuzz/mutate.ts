/**
 * Chooses changes. Half of them set fields that the base knows (lengths, counts, offsets, kinds ...) to extremes, the rest
 * are flips, foreign numbers, pieces copied, inserted, taken out or cut off; text is changed by lines.
 */
import { extremeValue, hexOf, valueAt } from './extremes.ts';
import type { Base, Field, Op } from './input.ts';
import type { Random } from './random.ts';
import { mutateText } from './text.ts';

export class Mutator {
  readonly #base: Base;
  readonly #groups: readonly (readonly Field[])[];
  /** Part names, each as often as its size has digits. */
  readonly #parts: readonly string[];
  readonly #texts: readonly string[];

  constructor(base: Base) {
    this.#base = base;
    const groups = Map.groupBy(base.fields, (field) => field.group);
    this.#groups = [...groups.values()];
    this.#parts = [...base.parts].flatMap(([name, bytes]) => {
      return Array.from({ length: Math.ceil(Math.log2(bytes.length + 2)) }, () => name);
    });
    this.#texts = base.texts ?? [];
  }

  /** One to eight changes, few more often than many. */
  ops(random: Random): readonly Op[] {
    const ops: Op[] = [];
    do ops.push(...this.#one(random));
    while (ops.length < 8 && random.chance(0.45));
    return ops;
  }

  #one(random: Random): readonly Op[] {
    if (this.#base.special !== undefined && random.chance(0.2)) return this.#base.special(random);
    if (this.#texts.length > 0 && random.chance(0.25)) {
      const part = random.pick(this.#texts);
      return [mutateText(random, part, this.#bytes(part))];
    }
    if (this.#groups.length > 0 && random.chance(0.6)) return [this.#field(random)];
    return [this.#raw(random)];
  }

  #bytes(part: string): Uint8Array {
    return this.#base.parts.get(part) ?? new Uint8Array(0);
  }

  #field(random: Random): Op {
    const { part, at, size, role } = random.pick(random.pick(this.#groups));
    const bytes = this.#bytes(part);
    // The value of another field of its kind: a pointer to something else, the offset of a neighbour.
    if (random.chance(0.15)) {
      const other = random.pick(random.pick(this.#groups));
      const taken = valueAt(this.#bytes(other.part), other.at, other.size);
      return { op: 'set', part, at, bytes: hexOf(taken, size) };
    }
    const around = [bytes.length, bytes.length - at, at];
    const value = extremeValue(random, size, role, valueAt(bytes, at, size), around);
    return { op: 'set', part, at, bytes: hexOf(value, size) };
  }

  #raw(random: Random): Op {
    const part = random.pick(this.#parts);
    const bytes = this.#bytes(part);
    const { length } = bytes;
    const at = random.below(length);
    const some = Math.min(length, 1 << random.below(10));
    switch (random.below(this.#base.fixed === true ? 5 : 10)) {
      case 0:
        return { op: 'flip', part, at, bit: random.below(8) };
      case 1: {
        const size = random.pick([1, 2, 4, 8]);
        const place = random.chance(0.7) ? at - (at % size) : at;
        const value = extremeValue(random, size, 'value', valueAt(bytes, place, size), [length, length - place]);
        return { op: 'set', part, at: place, bytes: hexOf(value, size) };
      }
      case 2:
        return { op: 'copy', part, from: random.below(length), at, length: some };
      case 3:
        return { op: 'fill', part, at, length: some, value: random.pick([0, 0, 0xff, 0x41, random.below(256)]) };
      case 4:
        return { op: 'set', part, at, bytes: this.#piece(random, some) };
      case 5:
      case 6:
        return { op: 'insert', part, at: random.chance(0.2) ? length : at, bytes: this.#piece(random, some) };
      case 7:
      case 8:
        return { op: 'delete', part, at, length: some };
      default:
        return { op: 'cut', part, length: random.chance(0.3) ? Math.max(0, length - some) : at };
    }
  }

  /** A piece of any part, or noise. */
  #piece(random: Random, length: number): string {
    const size = Math.min(length, 128);
    if (random.chance(0.3)) return Buffer.from(random.bytes(size)).toString('hex');
    const bytes = this.#bytes(random.pick(this.#parts));
    const at = random.below(bytes.length);
    return Buffer.from(bytes.subarray(at, at + size)).toString('hex');
  }
}
