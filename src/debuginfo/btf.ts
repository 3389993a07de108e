/**
 * BTF as a source of C types: what every distribution kernel since about 2020 carries in its own memory
 * (`__start_BTF` to `__stop_BTF`), and, as split BTF on top of it, what its modules carry (`struct btf.data`).
 * It has all types of the kernel's C code, its functions, and of its variables the per-CPU ones only; no macros.
 * Types are made when they are asked for, once each. Hostile BTF: types that contain themselves by value and chains of
 * references without end are refused; a pointer may still lead back, so printers have to limit their depth.
 */
import { FormatError } from '../base/errors.ts';
import { KIND } from './btf-kinds.ts';
import { type BtfDamage, BtfRecords, FORMAT } from './btf-records.ts';
import {
  BtfArray,
  BtfEnum,
  type Enumerator,
  BtfFunction,
  BtfMember,
  BtfParameter,
  BtfPointer,
  BtfQualified,
  BtfStruct,
  BtfTypedef,
  VOID,
} from './btf-types.ts';
import type { ByteRange } from './memory-scan.ts';
import { NameHash } from './name-hash.ts';
import {
  type CType,
  type FunctionType,
  LOST_NAME,
  type Member,
  type NamedKind,
  type QualifiedType,
  type TypeSource,
} from './type.ts';

/** Longest chain of pointers, arrays, typedefs and qualifiers, and deepest nesting by value; C code has about ten. */
const MAX_CHAIN = 64;

export interface BtfOptions {
  /** BTF of the kernel, under that of a module. */
  readonly base?: Btf | undefined;
  /** For people: 'BTF of nf_tables'. */
  readonly name?: string | undefined;
  /** Parts of the bytes that could not be read; with it, even an empty one, what is left of damaged BTF is read. */
  readonly lost?: readonly ByteRange[] | undefined;
}

/** @throws FormatError when the sections or records do not fit the bytes */
export function parseBtf(bytes: Uint8Array, options: BtfOptions = {}): Btf {
  return new Btf(bytes, options);
}

const NAMED_KINDS: { readonly [K in NamedKind]: readonly number[] } = {
  struct: [KIND.STRUCT, KIND.FWD],
  union: [KIND.UNION, KIND.FWD],
  enum: [KIND.ENUM, KIND.ENUM64],
  typedef: [KIND.TYPEDEF],
  int: [KIND.INT, KIND.FLOAT],
};

export class Btf implements TypeSource {
  readonly name: string;
  /** @internal for split BTF */
  readonly records: BtfRecords;
  readonly #base: Btf | undefined;
  readonly #types = new Map<number, CType>();
  /** Structs known not to contain themselves. */
  readonly #sound = new Set<number>();
  #named: NameHash | undefined;
  #functions: NameHash | undefined;
  #variables: NameHash | undefined;
  #enumerators: EnumeratorIndex | undefined;

  constructor(bytes: Uint8Array, { base, name, lost }: BtfOptions) {
    this.name = name ?? 'BTF';
    this.#base = base;
    this.records = new BtfRecords(bytes, base?.records, lost);
  }

  /** What could not be read of it; undefined when it is whole. */
  get damage(): BtfDamage | undefined {
    return this.records.damage;
  }

  mayHaveLost(name: string): boolean {
    if (this.damage === undefined) return false;
    const { bytes } = this.records.strings;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(`\0${name}\0`, 0, 'latin1');
  }

  /** Ids of the types of this source, without its base: first, and one behind the last. */
  get ids(): { readonly first: number; readonly end: number } {
    return { first: this.records.firstId, end: this.records.endId };
  }

  /**
   * The type of an id; of a function its prototype, of a variable its type.
   * @throws FormatError for ids that do not exist or are no types, and for endless chains
   */
  type(id: number): CType {
    if (id === 0) return VOID;
    if (id < this.records.firstId && this.#base !== undefined) return this.#base.type(id);
    let type = this.#types.get(id);
    if (type === undefined) {
      type = this.#make(id);
      this.#types.set(id, type);
    }
    return type;
  }

  find(kind: NamedKind, name: string): readonly CType[] {
    this.#named ??= this.#index(this.records.named);
    const kinds = NAMED_KINDS[kind];
    const complete: CType[] = [];
    const forward: CType[] = [];
    for (const id of this.#named.find(name)) {
      const found = this.records.kind(id);
      if (!kinds.includes(found)) continue;
      // kind_flag of a forward declaration: 0 struct, 1 union.
      if (found === KIND.FWD) {
        if (this.records.kindFlag(id) === (kind === 'union')) forward.push(this.type(id));
      } else if (kind === 'enum' && this.records.vlen(id) === 0) forward.push(this.type(id));
      else complete.push(this.type(id));
    }
    return [...complete, ...forward];
  }

  enumerator(name: string): bigint | undefined {
    this.#enumerators ??= new EnumeratorIndex(this.records);
    return this.#enumerators.find(name);
  }

  variable(name: string): CType | undefined {
    this.#variables ??= this.#index(this.records.collect(KIND.VAR));
    for (const id of this.#variables.find(name)) return this.type(this.records.sizeOrType(id));
    return undefined;
  }

  func(name: string): FunctionType | undefined {
    this.#functions ??= this.#index(this.records.collect(KIND.FUNC));
    for (const id of this.#functions.find(name)) {
      const type = this.type(id);
      if (type.kind === 'function') return type;
    }
    return undefined;
  }

  *typeNames(): Generator<string> {
    for (const id of this.records.named.ids) {
      const name = this.records.kind(id) === KIND.INT ? undefined : this.records.name(id);
      if (name !== undefined && name !== '') yield name;
    }
  }

  #index(named: { readonly ids: Uint32Array; readonly names: Uint32Array }): NameHash {
    return new NameHash(named.ids, named.names, this.records.strings);
  }

  #make(id: number): CType {
    const { records } = this;
    const kind = records.kind(id);
    const refers = records.sizeOrType(id);
    const target = (): CType => this.type(refers);
    switch (kind) {
      case KIND.INT:
        return this.#makeInt(id);
      case KIND.FLOAT:
        return { kind: 'float', name: records.name(id) ?? '', size: refers };
      case KIND.PTR:
        this.#checkChain(id);
        return new BtfPointer(target);
      case KIND.ARRAY: {
        this.#checkChain(id);
        const element = records.extra(id, 0);
        return new BtfArray(records.extra(id, 2), () => this.type(element));
      }
      case KIND.STRUCT:
      case KIND.UNION:
        return new BtfStruct(kind === KIND.STRUCT ? 'struct' : 'union', records.name(id), refers, () =>
          this.#makeMembers(id),
        );
      case KIND.FWD:
        return {
          kind: records.kindFlag(id) ? 'union' : 'struct',
          name: records.name(id),
          size: 0,
          members: undefined,
        };
      case KIND.ENUM:
      case KIND.ENUM64:
        return this.#makeEnum(id);
      case KIND.TYPEDEF:
        this.#checkChain(id);
        return new BtfTypedef(records.name(id) ?? '', target);
      case KIND.VOLATILE:
      case KIND.CONST:
      case KIND.RESTRICT:
      case KIND.TYPE_TAG:
        this.#checkChain(id);
        return new BtfQualified(QUALIFIERS[kind], target);
      case KIND.FUNC_PROTO:
        return new BtfFunction(target, () => this.#makeParameters(id));
      case KIND.FUNC:
        // Not `this.type` of just anything: a function that refers to itself would not end.
        if (this.#kindOf(refers) !== KIND.FUNC_PROTO) throw new FormatError(FORMAT, `function ${id} has no prototype`);
        return this.type(refers);
      case KIND.VAR:
        this.#checkChain(id);
        return this.type(refers);
      default:
        throw new FormatError(FORMAT, `${id} of kind ${kind} is no type`);
    }
  }

  /** Kind of any id, 0 for void. */
  #kindOf(id: number): number {
    if (id === 0) return 0;
    if (id < this.records.firstId && this.#base !== undefined) return this.#base.#kindOf(id);
    return this.records.kind(id);
  }

  /** @throws FormatError when a chain of references does not end at a type of its own. */
  #checkChain(id: number): void {
    let at = id;
    for (let i = 0; i < MAX_CHAIN; i++) {
      // The base cannot refer to what lies above it, and checks its own.
      if (at < this.records.firstId || this.records.isLost(at)) return;
      switch (this.records.kind(at)) {
        case KIND.PTR:
        case KIND.TYPEDEF:
        case KIND.VOLATILE:
        case KIND.CONST:
        case KIND.RESTRICT:
        case KIND.TYPE_TAG:
        case KIND.VAR:
          at = this.records.sizeOrType(at);
          break;
        case KIND.ARRAY:
          at = this.records.extra(at, 0);
          break;
        default:
          return;
      }
    }
    throw new FormatError(FORMAT, `type ${id} begins a chain without end`);
  }

  /** @throws FormatError when a struct or union contains itself, not through a pointer. */
  #checkNesting(id: number, outer: readonly number[]): void {
    if (id < this.records.firstId || this.#sound.has(id) || this.records.isLost(id)) return;
    if (outer.length > MAX_CHAIN || outer.includes(id)) throw new FormatError(FORMAT, `type ${id} contains itself`);
    switch (this.records.kind(id)) {
      case KIND.TYPEDEF:
      case KIND.VOLATILE:
      case KIND.CONST:
      case KIND.RESTRICT:
      case KIND.TYPE_TAG:
      case KIND.VAR:
        this.#checkNesting(this.records.sizeOrType(id), [...outer, id]);
        break;
      case KIND.ARRAY:
        this.#checkNesting(this.records.extra(id, 0), [...outer, id]);
        break;
      case KIND.STRUCT:
      case KIND.UNION: {
        const inner = [...outer, id];
        for (let i = 0; i < this.records.vlen(id); i++) this.#checkNesting(this.records.extra(id, i * 3 + 1), inner);
        this.#sound.add(id);
        break;
      }
    }
  }

  #makeInt(id: number): CType {
    const { records } = this;
    const name = records.name(id) ?? '';
    const encoding = records.extra(id, 0) >>> 24;
    return {
      kind: 'int',
      name,
      size: records.sizeOrType(id),
      signed: (encoding & 1) !== 0,
      // BTF_INT_CHAR (2) is never set by pahole: the name tells.
      encoding: (encoding & 4) !== 0 ? 'bool' : (encoding & 2) !== 0 || /\bchar$/.test(name) ? 'char' : 'int',
    };
  }

  #makeMembers(id: number): readonly Member[] {
    const { records } = this;
    this.#checkNesting(id, []);
    const hasBits = records.kindFlag(id);
    const members: Member[] = [];
    for (let i = 0; i < records.vlen(id); i++) {
      const type = records.extra(id, i * 3 + 1);
      let offset = records.extra(id, i * 3 + 2);
      // Part of the record was lost: there is a member, and no more is known of it.
      if (records.damage !== undefined && !this.#isMember(id, i)) {
        members.push(new BtfMember(LOST_NAME, 0, undefined, () => VOID));
        continue;
      }
      const name = records.string(records.extra(id, i * 3));
      let bitSize: number | undefined;
      if (hasBits) {
        bitSize = offset >>> 24 === 0 ? undefined : offset >>> 24;
        offset &= 0xffffff;
      } else {
        // Before pahole 1.13 a bit field had an int type of its own, with its width and place.
        const int = this.#narrowInt(type);
        bitSize = int?.bits;
        offset += int?.offset ?? 0;
      }
      members.push(new BtfMember(name, offset, bitSize, () => this.type(type)));
    }
    return members;
  }

  /** False when what stands in the place of a member cannot be one. */
  #isMember(id: number, i: number): boolean {
    const { records } = this;
    const type = records.extra(id, i * 3 + 1);
    const offset = records.extra(id, i * 3 + 2) & (records.kindFlag(id) ? 0xffffff : -1);
    return (
      type > 0 &&
      type < records.endId &&
      records.hasString(records.extra(id, i * 3)) &&
      offset >= 0 &&
      offset <= records.sizeOrType(id) * 8
    );
  }

  /** An int that takes fewer bits than its size. */
  #narrowInt(id: number): { readonly bits: number; readonly offset: number } | undefined {
    if (id === 0) return undefined;
    if (id < this.records.firstId && this.#base !== undefined) return this.#base.#narrowInt(id);
    if (this.records.isLost(id) || this.records.kind(id) !== KIND.INT) return undefined;
    const word = this.records.extra(id, 0);
    const bits = word & 0xff;
    return bits === this.records.sizeOrType(id) * 8 ? undefined : { bits, offset: (word >>> 16) & 0xff };
  }

  #makeParameters(id: number): FunctionType['parameters'] {
    const { records } = this;
    return Array.from({ length: records.vlen(id) }, (_, i) => {
      const type = records.extra(id, i * 2 + 1);
      return new BtfParameter(records.string(records.extra(id, i * 2)), () => this.type(type));
    });
  }

  #makeEnum(id: number): CType {
    const { records } = this;
    const size = records.sizeOrType(id);
    const count = records.vlen(id);
    const name = records.name(id);
    // pahole writes a forward declaration as an enum without values.
    if (count === 0) return { kind: 'enum', name, size, signed: false, enumerators: undefined };
    const signed = isSignedEnum(records, id);
    return new BtfEnum(name, size, signed, () =>
      Array.from(
        { length: count },
        (_, i): Enumerator => ({
          name: records.string(records.extra(id, i * (records.kind(id) === KIND.ENUM64 ? 3 : 2))) ?? '',
          value: enumValue(records, id, i, signed),
        }),
      ),
    );
  }
}

const QUALIFIERS: { readonly [kind: number]: QualifiedType['kind'] } & {
  readonly [K in 9 | 10 | 11 | 18]: QualifiedType['kind'];
} = { 9: 'volatile', 10: 'const', 11: 'restrict', 18: 'tag' };

/**
 * kind_flag says so since pahole 1.24. Before, nothing does: small negative numbers (errors, "none") make an enum
 * signed, while numbers far below zero are likelier flags and masks above 2^31.
 */
function isSignedEnum(records: BtfRecords, id: number): boolean {
  if (records.saysEnumSigns) return records.kindFlag(id);
  for (let i = 0; i < records.vlen(id); i++) {
    const value = enumValue(records, id, i, true);
    if (value < 0n && value >= -4096n) return true;
  }
  return false;
}

function enumValue(records: BtfRecords, id: number, i: number, signed: boolean): bigint {
  if (records.kind(id) === KIND.ENUM64) {
    const value = BigInt(records.extra(id, i * 3 + 1)) | (BigInt(records.extra(id, i * 3 + 2)) << 32n);
    return signed ? BigInt.asIntN(64, value) : value;
  }
  const value = records.extra(id, i * 2 + 1);
  return BigInt(signed ? value | 0 : value);
}

/** Where each enumerator is: id of its enum and number in it. */
class EnumeratorIndex {
  readonly #records: BtfRecords;
  readonly #ids: Uint32Array;
  readonly #numbers: Uint32Array;
  readonly #hash: NameHash;

  constructor(records: BtfRecords) {
    const { enums } = records;
    let total = 0;
    for (const id of enums) total += records.vlen(id);
    const entries = new Uint32Array(total);
    const ids = new Uint32Array(total);
    const numbers = new Uint32Array(total);
    const names = new Uint32Array(total);
    let entry = 0;
    for (const id of enums) {
      const size = records.kind(id) === KIND.ENUM64 ? 3 : 2;
      const count = records.vlen(id);
      for (let i = 0; i < count; i++, entry++) {
        entries[entry] = entry;
        ids[entry] = id;
        numbers[entry] = i;
        names[entry] = records.extra(id, i * size);
      }
    }
    this.#records = records;
    this.#ids = ids;
    this.#numbers = numbers;
    this.#hash = new NameHash(entries, names, records.strings);
  }

  find(name: string): bigint | undefined {
    for (const entry of this.#hash.find(name)) {
      const id = this.#ids[entry] ?? 0;
      const number = this.#numbers[entry] ?? 0;
      return enumValue(this.#records, id, number, isSignedEnum(this.#records, id));
    }
    return undefined;
  }
}
