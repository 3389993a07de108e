/**
 * All types of the open dump behind one lookup: names as C writes them, sizes, members by path. Sources (BTF, DWARF, type
 * packs) are asked in order; modules' types only on request. Members are resolved once and remembered.
 */
import { FormatError, isDataError, LookupError } from '../base/errors.ts';
import {
  type CType,
  LOST_NAME,
  type Member,
  type NamedKind,
  type StructType,
  type TypeSource,
} from '../debuginfo/type.ts';

/** A member found by its path, from the start of the outer type. */
export interface MemberPlace {
  readonly type: CType;
  /** Byte offset of the storage unit. */
  readonly offset: number;
  /** For a bit field: position of its lowest bit in the little-endian bits that start at `offset`, and width. */
  readonly bits: { readonly shift: number; readonly size: number } | undefined;
}

const MAX_DEPTH = 32;
const POINTER_SIZE = 8;

/** Removes typedefs and qualifiers. */
export function strip(type: CType): CType {
  let at = type;
  for (let i = 0; i < MAX_DEPTH; i++) {
    switch (at.kind) {
      case 'typedef':
      case 'const':
      case 'volatile':
      case 'restrict':
      case 'atomic':
      case 'tag':
        at = at.target;
        break;
      default:
        return at;
    }
  }
  throw new LookupError('type', 'a chain of typedefs without end');
}

/** C spelling of a type: 'struct task_struct *'. */
export function typeName(type: CType, depth = 0): string {
  if (depth > MAX_DEPTH) return '...';
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'int':
    case 'float':
    case 'typedef':
      return type.name;
    case 'struct':
    case 'union':
    case 'enum':
      return `${type.kind} ${type.name ?? '{...}'}`;
    case 'pointer': {
      const inner = typeName(type.target, depth + 1);
      return inner.endsWith('*') ? `${inner}*` : `${inner} *`;
    }
    case 'array': {
      // The outermost dimension comes first: int[2][3] is 2 times int[3].
      const [, element = '', inner = ''] = /^(.*?)((?:\[\d*\])*)$/.exec(typeName(type.element, depth + 1)) ?? [];
      return `${element}[${type.length === 0 ? '' : type.length}]${inner}`;
    }
    case 'function':
      return `${typeName(type.result, depth + 1)} (...)`;
    case 'const':
    case 'volatile':
      return `${type.kind} ${typeName(type.target, depth + 1)}`;
    default:
      return typeName(type.target, depth + 1);
  }
}

/**
 * Bytes; 0 for void, functions and forward declarations.
 * @throws LookupError for a type that no memory could hold
 */
export function sizeOf(type: CType): number {
  return sizeWithin(type, 0);
}

function sizeWithin(type: CType, depth: number): number {
  const bare = strip(type);
  switch (bare.kind) {
    case 'int':
    case 'float':
    case 'enum':
    case 'struct':
    case 'union':
    case 'pointer':
      return bare.size;
    case 'array': {
      if (depth > MAX_DEPTH) throw new LookupError('type', 'an array of arrays without end');
      const size = bare.length * sizeWithin(bare.element, depth + 1);
      if (!Number.isSafeInteger(size)) throw new LookupError('type', `${typeName(bare)}: too large for any memory`);
      return size;
    }
    default:
      return 0;
  }
}

export class Types {
  readonly #sources: TypeSource[] = [];
  readonly #supplements: TypeSource[] = [];
  readonly #byName = new Map<string, CType | undefined>();
  readonly #members = new WeakMap<StructType, Map<string, MemberPlace | undefined>>();

  get sources(): readonly TypeSource[] {
    return [...this.#sources, ...this.#supplements];
  }

  add(source: TypeSource): void {
    this.#sources.push(source);
    this.#byName.clear();
  }

  /**
   * A source that is asked only for what was asked for by `find`, `lookFor` or `variable` and that the others do not have.
   * DWARF beside sound BTF, which was made of it: whoever probes a layout gets his answer from BTF, and the search through
   * the whole of the debug information is made for those who want more.
   */
  addSupplement(source: TypeSource): void {
    this.#supplements.push(source);
  }

  /**
   * 'struct rq', 'atomic_t', 'unsigned long', 'struct list_head *'; to see whether there is one.
   * @throws FormatError when it is not there, but may be among types that are lost
   */
  tryFind(name: string): CType | undefined {
    if (this.#byName.has(name)) return this.#byName.get(name);
    const type = this.#find(name, this.#sources);
    this.#byName.set(name, type);
    return type;
  }

  /** As `tryFind`, in the supplements, too. */
  lookFor(name: string): CType | undefined {
    return this.tryFind(name) ?? this.#find(name, this.#supplements);
  }

  /** @throws LookupError */
  find(name: string): CType {
    const type = this.lookFor(name);
    if (type === undefined) throw new LookupError('type', name);
    return type;
  }

  #find(name: string, sources: readonly TypeSource[]): CType | undefined {
    const text = name.trim().replace(/\s+/g, ' ');
    if (text.endsWith('*')) {
      const target = this.#find(text.slice(0, -1), sources);
      return target === undefined ? undefined : { kind: 'pointer', size: POINTER_SIZE, target };
    }
    if (text === 'void') return { kind: 'void' };
    const tagged = /^(struct|union|enum) (\w+)$/.exec(text);
    if (tagged?.[1] !== undefined && tagged[2] !== undefined)
      return this.#first(tagged[1] as NamedKind, tagged[2], sources) ?? this.#notLost(tagged[2]);
    // BTF has the compiler's spelling of the basic types; 'long' and 'unsigned long' are its 'long int' and so on.
    const basic = BASIC_NAMES[text] ?? text;
    const found =
      this.#first('typedef', text, sources) ?? this.#first('int', basic, sources) ?? this.#first('int', text, sources);
    return found ?? this.#notLost(basic);
  }

  /** Not there, and this proves that there is none. */
  #notLost(name: string): undefined {
    for (const source of this.#sources) {
      if (source.mayHaveLost?.(name) === true)
        throw new FormatError(source.name, `'${name}' may be among the parts that are lost`);
    }
  }

  /** The first complete type of that name, else a forward declaration: what vmlinux only declares, a module defines. */
  #first(kind: NamedKind, name: string, sources: readonly TypeSource[]): CType | undefined {
    let declared: CType | undefined;
    for (const source of sources) {
      const type = source.find(kind, name)[0];
      if (type !== undefined && isComplete(type)) return type;
      declared ??= type;
    }
    return declared;
  }

  /** @throws FormatError when it is not there, but may be among types that are lost */
  enumerator(name: string): bigint | undefined {
    for (const source of this.#sources) {
      const value = source.enumerator(name);
      if (value !== undefined) return value;
    }
    return this.#notLost(name);
  }

  /** As `enumerator`, in the supplements, too. */
  lookForEnumerator(name: string): bigint | undefined {
    const known = this.enumerator(name);
    if (known !== undefined) return known;
    for (const source of this.#supplements) {
      const value = source.enumerator(name);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Type of a global variable, where a source knows it. */
  variable(name: string): CType | undefined {
    for (const source of this.sources) {
      const type = source.variable(name);
      if (type !== undefined) return type;
    }
    return undefined;
  }

  /**
   * A member by path: 'pid', 'se.exec_start', 'count[2].counter'; anonymous structs and unions are looked through.
   * @throws FormatError when it is not there, but may be among members that are lost
   */
  tryMember(type: CType, path: string): MemberPlace | undefined {
    const outer = strip(type);
    if (outer.kind !== 'struct' && outer.kind !== 'union') return undefined;
    const known = this.#members.get(outer) ?? new Map<string, MemberPlace | undefined>();
    if (known.size === 0) this.#members.set(outer, known);
    if (known.has(path)) return known.get(path);
    const place = this.#resolve(outer, path);
    known.set(path, place);
    return place;
  }

  /** @throws LookupError */
  member(type: CType, path: string): MemberPlace {
    const place = this.tryMember(type, path);
    if (place === undefined) throw new LookupError('member', `${typeName(strip(type))}.${path}`);
    return place;
  }

  #resolve(outer: StructType, path: string): MemberPlace | undefined {
    let place: MemberPlace = { type: outer, offset: 0, bits: undefined };
    for (const part of path.split(/\.|(?=\[)/)) {
      const bare = strip(place.type);
      const index = /^\[(\d+)\]$/.exec(part)?.[1];
      if (index !== undefined) {
        // Behind the end of an array lies another member; only that of a flexible array (length 0) is not known.
        if (bare.kind !== 'array' || (bare.length > 0 && Number(index) >= bare.length)) return undefined;
        place = { type: bare.element, offset: place.offset + Number(index) * sizeOf(bare.element), bits: undefined };
        continue;
      }
      if (bare.kind !== 'struct' && bare.kind !== 'union') return undefined;
      const found = findMember(bare, part, new Set());
      // Only a bit field begins inside of a byte; damaged types may say anything.
      if (found === undefined || (found.member.bitSize === undefined && found.bitOffset % 8 !== 0)) return undefined;
      place = placeOf(place.offset, found.bitOffset, found.member);
    }
    return place;
  }
}

function isComplete(type: CType): boolean {
  if (type.kind === 'struct' || type.kind === 'union') return type.members !== undefined;
  return type.kind !== 'enum' || type.enumerators !== undefined;
}

/** @param seen - structs that were searched in vain: no type, however it nests, makes the search long or endless */
function findMember(
  type: StructType,
  name: string,
  seen: Set<StructType>,
): { readonly member: Member; readonly bitOffset: number } | undefined {
  if (seen.has(type)) return undefined;
  seen.add(type);
  let unknown: Error | undefined;
  for (const member of type.members ?? []) {
    if (member.name === name) return { member, bitOffset: member.bitOffset };
    if (member.name?.includes(LOST_NAME) === true)
      unknown ??= new FormatError('types', `${typeName(type)}.${name} may be among the members that are lost`);
    if (member.name !== undefined) continue;
    try {
      const inner = strip(member.type);
      if (inner.kind !== 'struct' && inner.kind !== 'union') continue;
      const found = findMember(inner, name, seen);
      if (found !== undefined) return { member: found.member, bitOffset: member.bitOffset + found.bitOffset };
    } catch (error) {
      // What lies in this one is not known, but another member may be the one that is wanted.
      if (!isDataError(error)) throw error;
      unknown ??= error;
    }
  }
  if (unknown !== undefined) throw unknown;
  return undefined;
}

function placeOf(base: number, bitOffset: number, member: Member): MemberPlace {
  if (member.bitSize === undefined) return { type: member.type, offset: base + bitOffset / 8, bits: undefined };
  // A bit field is read from its storage unit, so that it never crosses the end of the unit's bytes. In a packed struct
  // it may cross the border of two units: then it is read from the byte that it begins in.
  const unit = Math.max(1, sizeOf(member.type)) * 8;
  const aligned = Math.floor(bitOffset / unit) * unit;
  const start = bitOffset + member.bitSize > aligned + unit ? bitOffset - (bitOffset % 8) : aligned;
  return { type: member.type, offset: base + start / 8, bits: { shift: bitOffset - start, size: member.bitSize } };
}

const BASIC_NAMES: { readonly [name: string]: string } = {
  long: 'long int',
  'unsigned long': 'long unsigned int',
  short: 'short int',
  'unsigned short': 'short unsigned int',
  'long long': 'long long int',
  'unsigned long long': 'long long unsigned int',
  unsigned: 'unsigned int',
  bool: '_Bool',
};
