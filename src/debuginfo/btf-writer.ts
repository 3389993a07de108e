/**
 * Writes C types as BTF (include/uapi/linux/btf.h), so that what DWARF tells in hundreds of megabytes fits into a few. Types
 * that are alike become one. Of qualifiers BTF has no _Atomic: it is left out.
 */
import { attempt } from '../base/errors.ts';
import { KIND } from './btf-kinds.ts';
import type { CType, EnumType, FunctionType, StructType } from './type.ts';

const SIGNED_OR_BITS = 0x80000000;

export class BtfWriter {
  /** Words of all records, in the order in which they became known; those of `id` begin at `#starts[id]`. */
  #words = new Uint32Array(1 << 16);
  #used = 0;
  readonly #starts: number[] = [0];
  readonly #sizes: number[] = [0];
  /** By what `keyOf` tells of a type. */
  readonly #ids = new Map<unknown, number>();
  /** Of types that are what they refer to: pointers, arrays, prototypes. */
  readonly #alike = new Map<string, number>();
  readonly #strings = new Map<string, number>([['', 0]]);
  #stringsSize = 1;
  readonly #pending: (() => void)[] = [];

  readonly #keyOf: (type: CType) => unknown;

  /** @param keyOf - what is the same for a type that is made anew, so that types need not be kept */
  constructor(keyOf: (type: CType) => unknown = (type) => type) {
    this.#keyOf = keyOf;
  }

  /** Id of a type; all that it refers to is written too. */
  add(type: CType): number {
    const id = this.#idOf(type);
    for (let write = this.#pending.pop(); write !== undefined; write = this.#pending.pop()) write();
    return id;
  }

  variable(name: string, type: CType): void {
    this.#record(this.#next(), name, KIND.VAR, 0, this.add(type), [1]);
  }

  func(name: string, type: FunctionType): void {
    this.#record(this.#next(), name, KIND.FUNC, 1, this.add(type), []);
  }

  bytes(): Uint8Array {
    const types = new Uint32Array(this.#used);
    let at = 0;
    for (const [id, start] of this.#starts.entries()) {
      const size = this.#sizes[id] ?? 0;
      types.set(this.#words.subarray(start, start + size), at);
      at += size;
    }
    const strings = Buffer.from([...this.#strings.keys()].map((text) => `${text}\0`).join(''), 'latin1');
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    header.writeUInt32LE(24, 4);
    header.writeUInt32LE(types.byteLength, 12);
    header.writeUInt32LE(types.byteLength, 16);
    header.writeUInt32LE(strings.length, 20);
    return Buffer.concat([header, Buffer.from(types.buffer), strings]);
  }

  #next(): number {
    this.#sizes.push(0);
    return this.#starts.push(0) - 1;
  }

  #string(text: string): number {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    const at = this.#stringsSize;
    this.#strings.set(text, at);
    this.#stringsSize += text.length + 1;
    return at;
  }

  /** @param vlen - number of elements, with bit 31 for kind_flag */
  #record(
    id: number,
    name: string | undefined,
    kind: number,
    vlen: number,
    sizeOrType: number,
    more: readonly number[],
  ): void {
    const size = 3 + more.length;
    if (this.#used + size > this.#words.length) {
      const grown = new Uint32Array((this.#used + size) * 2);
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#words.set([this.#string(name ?? ''), (vlen | (kind << 24)) >>> 0, sizeOrType >>> 0], this.#used);
    this.#words.set(more, this.#used + 3);
    this.#starts[id] = this.#used;
    this.#sizes[id] = size;
    this.#used += size;
  }

  #idOf(type: CType): number {
    const key = this.#keyOf(type);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#make(type);
    this.#ids.set(key, id);
    return id;
  }

  #make(type: CType): number {
    switch (type.kind) {
      case 'void':
        return 0;
      case 'int': {
        const encoding = (type.signed ? 1 : 0) | (type.encoding === 'char' ? 2 : type.encoding === 'bool' ? 4 : 0);
        return this.#shared(type.name, KIND.INT, 0, type.size, [((encoding << 24) | (type.size * 8)) >>> 0]);
      }
      case 'float':
        return this.#shared(type.name, KIND.FLOAT, 0, type.size, []);
      case 'pointer':
        return this.#shared('', KIND.PTR, 0, this.#idOf(type.target), []);
      case 'array':
        return this.#shared('', KIND.ARRAY, 0, 0, [this.#idOf(type.element), 0, type.length]);
      case 'const':
      case 'volatile':
      case 'restrict':
        return this.#shared('', QUALIFIERS[type.kind], 0, this.#idOf(type.target), []);
      case 'atomic':
      case 'tag':
        return this.#idOf(type.target);
      case 'function': {
        const parameters = type.parameters.flatMap((each) => [this.#string(each.name ?? ''), this.#idOf(each.type)]);
        return this.#shared('', KIND.FUNC_PROTO, type.parameters.length, this.#idOf(type.result), parameters);
      }
      case 'typedef': {
        // What it refers to comes later: it may lead back here.
        const id = this.#next();
        this.#pending.push(() =>
          this.#record(id, type.name, KIND.TYPEDEF, 0, attempt(() => this.#idOf(type.target)) ?? 0, []),
        );
        return id;
      }
      case 'enum':
        return this.#enum(type);
      default:
        return this.#struct(type);
    }
  }

  #shared(name: string, kind: number, vlen: number, sizeOrType: number, more: readonly number[]): number {
    const key = [kind, vlen, sizeOrType, ...more, name].join();
    const known = this.#alike.get(key);
    if (known !== undefined) return known;
    const id = this.#next();
    this.#record(id, name, kind, vlen, sizeOrType, more);
    this.#alike.set(key, id);
    return id;
  }

  #enum({ name, size, signed, enumerators = [] }: EnumType): number {
    const id = this.#next();
    const vlen = (enumerators.length | (signed ? SIGNED_OR_BITS : 0)) >>> 0;
    const values = enumerators.flatMap((each) => {
      const low = Number(BigInt.asUintN(32, each.value));
      const high = Number(BigInt.asUintN(32, each.value >> 32n));
      return size > 4 ? [this.#string(each.name), low, high] : [this.#string(each.name), low];
    });
    this.#record(id, name, size > 4 ? KIND.ENUM64 : KIND.ENUM, vlen, size, values);
    return id;
  }

  #struct(type: StructType): number {
    const id = this.#next();
    const isUnion = type.kind === 'union';
    this.#pending.push(() => {
      const members = attempt(() => type.members);
      const hasBits = members?.some(({ bitSize }) => bitSize !== undefined) === true;
      const fits = members?.every(({ bitOffset }) => bitOffset <= (hasBits ? 0xffffff : 0xffffffff)) === true;
      // One that is damaged or larger than BTF can tell keeps its name.
      if (members === undefined || !fits) {
        this.#record(id, type.name, KIND.FWD, isUnion ? SIGNED_OR_BITS : 0, 0, []);
        return;
      }
      const more = members.flatMap(({ name, type: held, bitOffset, bitSize }) => {
        const place = hasBits ? (((bitSize ?? 0) << 24) | bitOffset) >>> 0 : bitOffset;
        return [this.#string(name ?? ''), attempt(() => this.#idOf(held)) ?? 0, place];
      });
      const vlen = (members.length | (hasBits ? SIGNED_OR_BITS : 0)) >>> 0;
      this.#record(id, type.name, isUnion ? KIND.UNION : KIND.STRUCT, vlen, type.size, more);
    });
    return id;
  }
}

const QUALIFIERS = { const: KIND.CONST, volatile: KIND.VOLATILE, restrict: KIND.RESTRICT } as const;
