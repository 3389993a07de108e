/**
 * C types as every source of types delivers them (BTF, DWARF, type packs). A type is a plain object whose
 * references and members are resolved on first use; identity is per source, so `===` tells whether two are the same.
 */

/** Stands in names that could not be read, or not wholly; no C name has it. */
export const LOST_NAME = '?';

export interface VoidType {
  readonly kind: 'void';
}
export interface IntType {
  readonly kind: 'int';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly encoding: 'int' | 'char' | 'bool';
}
export interface FloatType {
  readonly kind: 'float';
  readonly name: string;
  readonly size: number;
}
export interface EnumType {
  readonly kind: 'enum';
  readonly name: string | undefined;
  readonly size: number;
  readonly signed: boolean;
  /** Undefined for a forward declaration. In declaration order; values sign-extended when signed. */
  readonly enumerators: readonly { readonly name: string; readonly value: bigint }[] | undefined;
}
export interface PointerType {
  readonly kind: 'pointer';
  readonly size: number;
  readonly target: CType;
}
export interface ArrayType {
  readonly kind: 'array';
  readonly element: CType;
  /** 0 for a flexible array. */
  readonly length: number;
}
export interface Member {
  /** Undefined for an anonymous struct or union. */
  readonly name: string | undefined;
  readonly type: CType;
  /** From the start of the enclosing type. */
  readonly bitOffset: number;
  /** Undefined unless it is a bit field. */
  readonly bitSize: number | undefined;
}
export interface StructType {
  readonly kind: 'struct' | 'union';
  readonly name: string | undefined;
  readonly size: number;
  /** Undefined for a forward declaration. */
  readonly members: readonly Member[] | undefined;
}
export interface TypedefType {
  readonly kind: 'typedef';
  readonly name: string;
  readonly target: CType;
}
export interface QualifiedType {
  readonly kind: 'const' | 'volatile' | 'restrict' | 'atomic' | 'tag';
  readonly target: CType;
}
export interface FunctionType {
  readonly kind: 'function';
  readonly result: CType;
  readonly parameters: readonly { readonly name: string | undefined; readonly type: CType }[];
}

export type CType =
  | VoidType
  | IntType
  | FloatType
  | EnumType
  | PointerType
  | ArrayType
  | StructType
  | TypedefType
  | QualifiedType
  | FunctionType;

export type NamedKind = 'struct' | 'union' | 'enum' | 'typedef' | 'int';

/** One source of types. Kinds of one name may repeat (file-private types): all are returned, complete ones first. */
export interface TypeSource {
  /** For people: 'BTF of vmlinux', 'BTF of nf_tables'. */
  readonly name: string;
  find(kind: NamedKind, name: string): readonly CType[];
  /** Value of an enumerator of any enum in this source; undefined when there is none. */
  enumerator(name: string): bigint | undefined;
  /** Type of a global variable, where the source has it (mainline BTF: only per-CPU ones). */
  variable(name: string): CType | undefined;
  /** Guessed from what memory holds, a few structures with a few members: not enough for most readers. */
  readonly inferred?: boolean;
  /** Type of a function (`function` kind), where the source has it. */
  func(name: string): FunctionType | undefined;
  /** Names of structs, unions, enums and typedefs, for completion; they may repeat. */
  typeNames?(): Iterable<string>;
  /**
   * True when part of the source is lost and a name of that spelling may have been in it: then that it is not found
   * proves nothing. Missing where sources are always whole.
   */
  mayHaveLost?(name: string): boolean;
}
