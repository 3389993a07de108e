/**
 * DWARF 2 to 5 as a source of C types: all types of the kernel, its global variables and its functions. Names are found
 * by an index; a definition is read when it is asked for. A type that several units define alike is one type.
 * A declaration without members becomes the definition when exactly one of that name exists.
 * Hostile DWARF: types that contain themselves by value and chains of references without end are refused.
 */
import { attempt, FormatError } from '../../base/errors.ts';
import {
  BtfArray,
  BtfEnum,
  BtfFunction,
  BtfMember,
  BtfParameter,
  BtfPointer,
  BtfQualified,
  BtfStruct,
  BtfTypedef,
  type Enumerator,
  VOID,
} from '../btf-types.ts';
import type { BtfWriter } from '../btf-writer.ts';
import type { DebugSections } from '../relocated-image.ts';
import type { CType, FunctionType, Member, NamedKind, QualifiedType, TypeSource } from '../type.ts';
import { AT, TAG } from './constants.ts';
import { DebugInfo } from './debug-info.ts';
import type { Entry } from './entry.ts';
import { arrayLengths, bitFieldOf, byteSize, memberOffset } from './members.ts';
import { DEFINED, NameIndex } from './name-index.ts';

const FORMAT = '.debug_info';
/** Longest chain of pointers, arrays, typedefs and qualifiers, and deepest nesting by value. */
const MAX_CHAIN = 64;
/** Types that are held while all are walked. */
const MAX_HELD = 1 << 12;
/** More than any struct, enum or function of a kernel has. */
const MAX_CHILDREN = 1 << 16;

const KINDS: {
  readonly [K in NamedKind]: { readonly complete: readonly number[]; readonly declared: readonly number[] };
} = {
  struct: { complete: [DEFINED.struct], declared: [DEFINED.structDeclared] },
  union: { complete: [DEFINED.union], declared: [DEFINED.unionDeclared] },
  enum: { complete: [DEFINED.enum], declared: [DEFINED.enumDeclared] },
  typedef: { complete: [DEFINED.typedef], declared: [] },
  int: { complete: [DEFINED.base], declared: [] },
};

export class DwarfTypes implements TypeSource {
  readonly name: string;
  readonly info: DebugInfo;
  readonly #types = new Map<number, CType>();
  /** Where each of them stands: the same type that is made again is another object. */
  readonly #places = new WeakMap<CType, number>();
  /** Structs whose members are being read, the outermost first. */
  readonly #reading: number[] = [];
  #index: NameIndex | undefined;

  /** @throws FormatError when there is no debug information */
  constructor(image: DebugSections, name = `debug information of ${image.name}`) {
    this.name = name;
    this.info = new DebugInfo(image);
  }

  /** Made on first use: one pass over the debug information. */
  get index(): NameIndex {
    this.#index ??= new NameIndex(this.info);
    return this.#index;
  }

  find(kind: NamedKind, name: string): readonly CType[] {
    const { complete, declared } = KINDS[kind];
    const found = this.index.find(name, complete).map((offset) => this.type(offset));
    return found.length > 0 ? found : this.index.find(name, declared).map((offset) => this.type(offset));
  }

  enumerator(name: string): bigint | undefined {
    for (const offset of this.index.enumsWith(name)) {
      const type = this.type(offset);
      const found = type.kind === 'enum' ? type.enumerators?.find((each) => each.name === name) : undefined;
      if (found !== undefined) return found.value;
    }
    return undefined;
  }

  /** A global one before one that is private to a file; of an array whose length is not declared the definition. */
  variable(name: string): CType | undefined {
    for (const kind of [DEFINED.variable, DEFINED.variableDeclared, DEFINED.variableStatic]) {
      for (const offset of this.index.find(name, [kind])) {
        const type = this.#typeOf(this.info.entry(offset));
        if (type !== undefined) return type();
      }
    }
    return undefined;
  }

  func(name: string): FunctionType | undefined {
    // Declarations that calls refer to may lack result and parameters.
    for (const kind of [DEFINED.func, DEFINED.funcDeclared]) {
      for (const offset of this.index.find(name, [kind])) {
        const type = this.type(offset);
        if (type.kind === 'function') return type;
      }
    }
    return undefined;
  }

  typeNames(): Iterable<string> {
    return this.index.names([
      DEFINED.struct,
      DEFINED.union,
      DEFINED.enum,
      DEFINED.typedef,
      DEFINED.structDeclared,
      DEFINED.unionDeclared,
    ]);
  }

  /** All types, variables and functions that have a name, as BTF: alike, and some hundred times smaller. */
  writeTo(writer: BtfWriter): void {
    this.writeTypes(writer);
    for (const name of new Set(
      this.index.names([DEFINED.variable, DEFINED.variableDeclared, DEFINED.variableStatic]),
    )) {
      const type = attempt(() => this.variable(name));
      if (type !== undefined) writer.variable(name, type);
      this.#forgetSome();
    }
    for (const name of new Set(this.index.names([DEFINED.func, DEFINED.funcDeclared]))) {
      const type = attempt(() => this.func(name));
      if (type !== undefined) writer.func(name, type);
      this.#forgetSome();
    }
  }

  /** The same, without variables and functions. */
  writeTypes(writer: BtfWriter): void {
    for (const name of new Set([...this.typeNames(), ...this.index.names([DEFINED.base])])) {
      for (const kind of ['int', 'typedef', 'struct', 'union', 'enum'] as const)
        for (const type of attempt(() => this.find(kind, name)) ?? []) writer.add(type);
      this.#forgetSome();
    }
    for (const offset of this.index.namelessEnums()) {
      const type = attempt(() => this.type(offset));
      if (type !== undefined) writer.add(type);
    }
  }

  /** Types hold the bytes that they are read from: whoever walks all of them would hold all of the file. */
  #forgetSome(): void {
    if (this.#types.size > MAX_HELD) this.#types.clear();
  }

  /** A number that is the same for the same type, whenever it was made; undefined for one of another source. */
  placeOf(type: CType): number | undefined {
    return this.#places.get(type);
  }

  /** True when parts of the debug information are damaged: any name may have stood there. */
  mayHaveLost(_name: string): boolean {
    return this.index.damage.length > 0;
  }

  /**
   * The type of an entry; of a function its prototype.
   * @param offset - of an entry in .debug_info
   * @throws FormatError for offsets of no type, and for endless chains
   */
  type(offset: number): CType {
    let type = this.#types.get(offset);
    if (type === undefined) {
      const kept = this.index.canonical(offset);
      type = kept === offset ? this.#make(this.info.entry(offset)) : this.type(kept);
      this.#types.set(offset, type);
      if (kept === offset && !this.#places.has(type)) this.#places.set(type, offset);
    }
    return type;
  }

  /** What DW_AT_type refers to, also that of the declaration that an entry completes. */
  #typeOf(entry: Entry): (() => CType) | undefined {
    const offset = this.info.throughOrigins(entry, (each) => each.reference(AT.type));
    return offset === undefined ? undefined : () => this.type(offset);
  }

  #make(entry: Entry): CType {
    const target = this.#target(entry);
    switch (entry.tag) {
      case TAG.base_type:
        return makeBase(entry);
      case TAG.unspecified_type:
        return VOID;
      case TAG.pointer_type:
      case TAG.reference_type:
        this.#checkChain(entry);
        return new BtfPointer(target);
      case TAG.typedef:
        this.#checkChain(entry);
        return new BtfTypedef(entry.name ?? '', target);
      case TAG.const_type:
      case TAG.volatile_type:
      case TAG.restrict_type:
      case TAG.atomic_type:
        this.#checkChain(entry);
        return new BtfQualified(QUALIFIERS[entry.tag] ?? 'tag', target);
      case TAG.array_type:
        this.#checkChain(entry);
        return this.#makeArray(entry, target);
      case TAG.structure_type:
      case TAG.class_type:
      case TAG.union_type:
        return this.#makeStruct(entry);
      case TAG.enumeration_type:
        return this.#makeEnum(entry);
      case TAG.subroutine_type:
      case TAG.subprogram:
        return new BtfFunction(this.#typeOf(entry) ?? ((): CType => VOID), () => this.#parameters(entry));
      default:
        throw new FormatError(FORMAT, `tag 0x${entry.tag.toString(16)} is no type`, entry.offset);
    }
  }

  #target(entry: Entry): () => CType {
    const offset = entry.reference(AT.type);
    return offset === undefined ? (): CType => VOID : (): CType => this.type(offset);
  }

  /** @throws FormatError when a chain of references does not end at a type of its own */
  #checkChain(entry: Entry): void {
    let at = entry;
    for (let i = 0; i < MAX_CHAIN; i++) {
      if (!CHAINED.has(at.tag)) return;
      const next = at.reference(AT.type);
      if (next === undefined) return;
      at = this.info.entry(next);
    }
    throw new FormatError(FORMAT, 'a chain of types without end', entry.offset);
  }

  #makeArray(entry: Entry, target: () => CType): CType {
    let make = target;
    // The last dimension is that of the elements.
    for (const length of arrayLengths(this.#children(entry)).reverse()) {
      const element = make;
      make = (): CType => new BtfArray(length, element);
    }
    return make();
  }

  #makeStruct(entry: Entry): CType {
    const kind = entry.tag === TAG.union_type ? 'union' : 'struct';
    const name = entry.name;
    const signature = entry.reference(AT.signature);
    if (signature !== undefined && signature !== entry.offset) return this.type(signature);
    if (entry.flag(AT.declaration)) {
      const only = name === undefined ? [] : this.index.find(name, KINDS[kind].complete);
      const [definition] = only;
      if (definition !== undefined && only.length === 1 && definition !== entry.offset) return this.type(definition);
      return { kind, name, size: 0, members: undefined };
    }
    return new BtfStruct(kind, name, byteSize(entry) ?? 0, () => this.#members(entry));
  }

  /** @throws FormatError when a struct or union contains itself, not through a pointer */
  #members(entry: Entry): Member[] {
    if (this.#reading.includes(entry.offset))
      throw new FormatError(FORMAT, 'a type that contains itself', entry.offset);
    if (this.#reading.length > MAX_CHAIN) throw new FormatError(FORMAT, 'types that nest without end', entry.offset);
    this.#reading.push(entry.offset);
    try {
      const members: Member[] = [];
      for (const child of this.#children(entry)) {
        if (child.tag !== TAG.member) continue;
        const type = this.#target(child);
        const { bitOffset, bitSize } = bitFieldOf(child, memberOffset(child), () => attempt(() => storageSize(type())));
        members.push(new BtfMember(child.name, bitOffset, bitSize, type));
      }
      for (const { type } of members) {
        const held = heldBy(type);
        // Reading the members of that one checks it.
        if (held.kind === 'struct' || held.kind === 'union') void held.members;
      }
      return members;
    } finally {
      this.#reading.pop();
    }
  }

  #makeEnum(entry: Entry): CType {
    const name = entry.name;
    const size = byteSize(entry) ?? 4;
    const signature = entry.reference(AT.signature);
    if (signature !== undefined && signature !== entry.offset) return this.type(signature);
    if (entry.flag(AT.declaration)) {
      const only = name === undefined ? [] : this.index.find(name, KINDS.enum.complete);
      const [definition] = only;
      if (definition !== undefined && only.length === 1 && definition !== entry.offset) return this.type(definition);
      return { kind: 'enum', name, size, signed: false, enumerators: undefined };
    }
    const values = this.#enumerators(entry);
    const base = entry.has(AT.type) ? attempt(() => this.#target(entry)()) : undefined;
    const signed = base?.kind === 'int' ? base.signed : values.some(({ value }) => value < 0n);
    return new BtfEnum(name, size, signed, () =>
      values.map((each) => ({ ...each, value: signed ? BigInt.asIntN(size * 8, each.value) : each.value })),
    );
  }

  #enumerators(entry: Entry): Enumerator[] {
    const values: Enumerator[] = [];
    for (const child of this.#children(entry)) {
      if (child.tag !== TAG.enumerator) continue;
      values.push({ name: child.name ?? '', value: child.constant(AT.const_value) ?? 0n });
    }
    return values;
  }

  #parameters(entry: Entry): FunctionType['parameters'] {
    const parameters: BtfParameter[] = [];
    for (const child of this.#children(entry)) {
      if (child.tag === TAG.formal_parameter)
        parameters.push(new BtfParameter(child.name, this.#typeOf(child) ?? ((): CType => VOID)));
      else if (child.tag === TAG.unspecified_parameters) parameters.push(new BtfParameter(undefined, () => VOID));
    }
    return parameters;
  }

  *#children(entry: Entry): Generator<Entry> {
    let count = 0;
    for (const child of this.info.children(entry)) {
      if (++count > MAX_CHILDREN) throw new FormatError(FORMAT, 'an entry with too many below it', entry.offset);
      yield child;
    }
  }
}

const CHAINED: ReadonlySet<number> = new Set([
  TAG.pointer_type,
  TAG.reference_type,
  TAG.typedef,
  TAG.const_type,
  TAG.volatile_type,
  TAG.restrict_type,
  TAG.atomic_type,
  TAG.array_type,
]);

const QUALIFIERS: { readonly [tag: number]: QualifiedType['kind'] } = {
  [TAG.const_type]: 'const',
  [TAG.volatile_type]: 'volatile',
  [TAG.restrict_type]: 'restrict',
  [TAG.atomic_type]: 'atomic',
};

/** DW_ATE_boolean 2, complex float 3, float 4, signed 5, signed char 6, unsigned 7, unsigned char 8. */
function makeBase(entry: Entry): CType {
  const name = entry.name ?? '';
  const size = byteSize(entry) ?? 0;
  const encoding = entry.number(AT.encoding) ?? 7;
  if (encoding === 3 || encoding === 4) return { kind: 'float', name, size };
  return {
    kind: 'int',
    name,
    size,
    signed: encoding === 5 || encoding === 6,
    encoding: encoding === 2 ? 'bool' : encoding === 6 || encoding === 8 ? 'char' : 'int',
  };
}

/** Without arrays, typedefs and qualifiers. Chains of them are finite: each was checked when it was made. */
function heldBy(type: CType): CType {
  let at = type;
  for (;;) {
    if (at.kind === 'array') at = at.element;
    else if ('target' in at && at.kind !== 'pointer') at = at.target;
    else return at;
  }
}

/** Bytes of the integer that holds a bit field. */
function storageSize(type: CType): number | undefined {
  let at = type;
  for (let i = 0; i < MAX_CHAIN && 'target' in at && at.kind !== 'pointer'; i++) at = at.target;
  return at.kind === 'int' || at.kind === 'enum' ? at.size : undefined;
}
