/**
 * C types made of BTF records, on demand: references and member lists are resolved when they are first asked for.
 */
import type { CType, FunctionType, Member, QualifiedType, StructType, VoidType } from './type.ts';

export const VOID: VoidType = Object.freeze({ kind: 'void' });

/** A type that refers to one other. */
abstract class Reference {
  readonly #resolve: () => CType;
  #target: CType | undefined;

  constructor(resolve: () => CType) {
    this.#resolve = resolve;
  }

  protected resolved(): CType {
    this.#target ??= this.#resolve();
    return this.#target;
  }
}

export class BtfPointer extends Reference {
  readonly kind = 'pointer';
  /** BTF of 64-bit kernels. */
  readonly size = 8;
  get target(): CType {
    return this.resolved();
  }
}

export class BtfArray extends Reference {
  readonly kind = 'array';
  readonly length: number;
  constructor(length: number, resolve: () => CType) {
    super(resolve);
    this.length = length;
  }
  get element(): CType {
    return this.resolved();
  }
}

export class BtfTypedef extends Reference {
  readonly kind = 'typedef';
  readonly name: string;
  constructor(name: string, resolve: () => CType) {
    super(resolve);
    this.name = name;
  }
  get target(): CType {
    return this.resolved();
  }
}

export class BtfQualified extends Reference {
  readonly kind: QualifiedType['kind'];
  constructor(kind: QualifiedType['kind'], resolve: () => CType) {
    super(resolve);
    this.kind = kind;
  }
  get target(): CType {
    return this.resolved();
  }
}

export class BtfMember extends Reference {
  readonly name: string | undefined;
  readonly bitOffset: number;
  readonly bitSize: number | undefined;
  constructor(name: string | undefined, bitOffset: number, bitSize: number | undefined, resolve: () => CType) {
    super(resolve);
    this.name = name;
    this.bitOffset = bitOffset;
    this.bitSize = bitSize;
  }
  get type(): CType {
    return this.resolved();
  }
}

export class BtfParameter extends Reference {
  readonly name: string | undefined;
  constructor(name: string | undefined, resolve: () => CType) {
    super(resolve);
    this.name = name;
  }
  get type(): CType {
    return this.resolved();
  }
}

export class BtfStruct {
  readonly kind: StructType['kind'];
  readonly name: string | undefined;
  readonly size: number;
  readonly #read: () => readonly Member[];
  #members: readonly Member[] | undefined;
  constructor(kind: StructType['kind'], name: string | undefined, size: number, read: () => readonly Member[]) {
    this.kind = kind;
    this.name = name;
    this.size = size;
    this.#read = read;
  }
  get members(): readonly Member[] {
    this.#members ??= this.#read();
    return this.#members;
  }
}

export interface Enumerator {
  readonly name: string;
  readonly value: bigint;
}

export class BtfEnum {
  readonly kind = 'enum';
  readonly name: string | undefined;
  readonly size: number;
  readonly signed: boolean;
  readonly #read: () => readonly Enumerator[];
  #enumerators: readonly Enumerator[] | undefined;
  constructor(name: string | undefined, size: number, signed: boolean, read: () => readonly Enumerator[]) {
    this.name = name;
    this.size = size;
    this.signed = signed;
    this.#read = read;
  }
  get enumerators(): readonly Enumerator[] {
    this.#enumerators ??= this.#read();
    return this.#enumerators;
  }
}

export class BtfFunction extends Reference {
  readonly kind = 'function';
  readonly #read: () => FunctionType['parameters'];
  #parameters: FunctionType['parameters'] | undefined;
  constructor(resolve: () => CType, read: () => FunctionType['parameters']) {
    super(resolve);
    this.#read = read;
  }
  get result(): CType {
    return this.resolved();
  }
  get parameters(): FunctionType['parameters'] {
    this.#parameters ??= this.#read();
    return this.#parameters;
  }
}
