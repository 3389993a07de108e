/**
 * C types from words, for hand-built images: `struct('mutex', { owner: 'atomic_long_t', wait_list: 'struct list_head' })`.
 * Lays members out as a C compiler for x86-64 does (natural alignment, bit fields, anonymous members) and is a TypeSource.
 *
 * A word is a C spelling: 'int', 'unsigned long', 'u64', 'struct rq', 'struct rq *', 'char[16]', 'struct page *[8]',
 * 'unsigned int:5' (bit field), or an inline `struct({...})` / `union({...})`. A member whose name begins with `$` is
 * anonymous. Names may be used before they are declared; a pointer's target need never be. Not handled: function types
 * (write 'void *'), packed structs and forced alignment.
 */
import type {
  CType,
  EnumType,
  FunctionType,
  IntType,
  Member,
  NamedKind,
  StructType,
  TypeSource,
} from '../../src/debuginfo/type.ts';
import { sizeOf, strip } from '../../src/program/types.ts';

export interface InlineType {
  readonly kind: 'struct' | 'union';
  readonly members: Members;
}
export type TypeWord = string | InlineType;
export interface Members {
  readonly [name: string]: TypeWord;
}

export function struct(members: Members): InlineType {
  return { kind: 'struct', members };
}

export function union(members: Members): InlineType {
  return { kind: 'union', members };
}

const INTS: readonly IntType[] = (
  [
    ['char', 1, true],
    ['signed char', 1, true],
    ['unsigned char', 1, false],
    ['short int', 2, true],
    ['short unsigned int', 2, false],
    ['int', 4, true],
    ['unsigned int', 4, false],
    ['long int', 8, true],
    ['long unsigned int', 8, false],
    ['long long int', 8, true],
    ['long long unsigned int', 8, false],
    ['_Bool', 1, false],
  ] as const
).map(([name, size, signed]) => ({
  kind: 'int',
  name,
  size,
  signed,
  encoding: name === '_Bool' ? 'bool' : name === 'char' ? 'char' : 'int',
}));

/** How people write the basic types. */
const ALIASES: { readonly [word: string]: string } = {
  long: 'long int',
  'unsigned long': 'long unsigned int',
  short: 'short int',
  'unsigned short': 'short unsigned int',
  'long long': 'long long int',
  'unsigned long long': 'long long unsigned int',
  unsigned: 'unsigned int',
};

/** Alignment in bytes. */
export function alignOf(type: CType): number {
  const bare = strip(type);
  if (bare.kind === 'array') return alignOf(bare.element);
  if (bare.kind !== 'struct' && bare.kind !== 'union') return Math.max(1, sizeOf(bare));
  return Math.max(1, ...(bare.members ?? []).map((member) => alignOf(member.type)));
}

/** Unlike Array.isArray, also for readonly lists. */
function isList<T>(value: readonly T[] | { readonly [name: string]: unknown }): value is readonly T[] {
  return Array.isArray(value);
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

export class TypeWords implements TypeSource {
  readonly name = 'types of the test';
  /** 'struct mutex' -> how to make it; made on first use. */
  readonly #declared = new Map<string, () => CType>();
  readonly #made = new Map<string, CType>();
  readonly #enums: EnumType[] = [];
  readonly #variables = new Map<string, CType>();

  constructor() {
    for (const int of INTS) this.#made.set(`int ${int.name}`, int);
  }

  #declare(key: string, make: () => CType): void {
    if (this.#made.has(key)) throw new Error(`${key} is in use already: declare it earlier`);
    this.#declared.set(key, make);
  }

  struct(name: string, members: Members): void {
    this.#declare(`struct ${name}`, () => this.#layout('struct', name, members));
  }

  union(name: string, members: Members): void {
    this.#declare(`union ${name}`, () => this.#layout('union', name, members));
  }

  typedef(name: string, word: TypeWord): void {
    this.#declare(`typedef ${name}`, () => ({ kind: 'typedef', name, target: this.of(word) }));
  }

  /** Enumerators as a list that counts from 0, or with their values. */
  enum(name: string | undefined, enumerators: readonly string[] | { readonly [name: string]: number }): void {
    const pairs: (readonly [string, number])[] = isList(enumerators)
      ? enumerators.map((each, index) => [each, index])
      : Object.entries(enumerators);
    const type: EnumType = {
      kind: 'enum',
      name,
      size: 4,
      signed: pairs.some(([, value]) => value < 0),
      enumerators: pairs.map(([each, value]) => ({ name: each, value: BigInt(value) })),
    };
    this.#enums.push(type);
    if (name !== undefined) this.#declare(`enum ${name}`, () => type);
  }

  /** Gives a variable a type, as BTF does for per-CPU variables only. */
  setVariable(name: string, type: CType): void {
    this.#variables.set(name, type);
  }

  /** The type of a word (without a bit field's width). Throws for a name that is not declared. */
  of(word: TypeWord): CType {
    if (typeof word !== 'string') return this.#layout(word.kind, undefined, word.members);
    const text = word.replaceAll(/\b(?:const|volatile)\b/g, '').trim();
    const known = this.#made.get(text);
    if (known !== undefined) return known;
    const made = this.#parse(text);
    this.#made.set(text, made);
    return made;
  }

  #parse(text: string): CType {
    const array = /^(.*?)((?:\[\d*\])+)$/.exec(text);
    if (array?.[1] !== undefined && array[2] !== undefined) {
      const lengths = [...array[2].matchAll(/\[(\d*)\]/g)].map(([, digits]) => Number(digits));
      return lengths.reduceRight<CType>((element, length) => ({ kind: 'array', element, length }), this.of(array[1]));
    }
    if (text.endsWith('*')) {
      const target = (): CType => this.#target(text.slice(0, -1).trim());
      return {
        kind: 'pointer',
        size: 8,
        get target() {
          return target();
        },
      };
    }
    if (text === 'void') return { kind: 'void' };
    const type = this.#named(text);
    if (type === undefined) throw new Error(`the type '${text}' is not declared`);
    return type;
  }

  /** What a pointer points to: a struct that nobody declared is a forward declaration. */
  #target(text: string): CType {
    const tag = /^(struct|union) (\w+)$/.exec(text);
    if (tag === null || this.#named(text) !== undefined) return this.of(text);
    return { kind: tag[1] === 'union' ? 'union' : 'struct', name: tag[2], size: 0, members: undefined };
  }

  #named(text: string): CType | undefined {
    for (const key of [text, `typedef ${text}`, `int ${ALIASES[text] ?? text}`]) {
      const known = this.#made.get(key);
      if (known !== undefined) return known;
      const make = this.#declared.get(key);
      if (make === undefined) continue;
      const type = make();
      this.#made.set(key, type);
      return type;
    }
    return undefined;
  }

  #layout(kind: 'struct' | 'union', name: string | undefined, members: Members): StructType {
    const placed: Member[] = [];
    let next = 0;
    let end = 0;
    for (const [label, word] of Object.entries(members)) {
      const bits = typeof word === 'string' ? /^(.*):\s*(\d+)$/.exec(word) : null;
      const type = this.of(bits?.[1] ?? word);
      const bitSize = bits === null ? undefined : Number(bits[2]);
      const unit = sizeOf(type) * 8;
      let at = kind === 'union' ? 0 : next;
      if (bitSize === undefined) at = roundUp(at, alignOf(type) * 8);
      else if (Math.floor(at / unit) !== Math.floor((at + bitSize - 1) / unit)) at = roundUp(at, unit);
      placed.push({ name: label.startsWith('$') ? undefined : label, type, bitOffset: at, bitSize });
      next = at + (bitSize ?? unit);
      end = Math.max(end, next);
    }
    const align = Math.max(1, ...placed.map((member) => alignOf(member.type)));
    return { kind, name, size: roundUp(Math.ceil(end / 8), align), members: placed };
  }

  find(kind: NamedKind, name: string): readonly CType[] {
    const key = `${kind} ${name}`;
    const type = this.#made.get(key) ?? (this.#declared.has(key) ? this.#named(key) : undefined);
    return type === undefined ? [] : [type];
  }

  enumerator(name: string): bigint | undefined {
    for (const type of this.#enums) {
      const found = type.enumerators?.find((each) => each.name === name);
      if (found !== undefined) return found.value;
    }
    return undefined;
  }

  variable(name: string): CType | undefined {
    return this.#variables.get(name);
  }

  func(_name: string): FunctionType | undefined {
    return undefined;
  }
}
