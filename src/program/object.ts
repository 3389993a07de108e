/**
 * Typed objects: a C object at an address in the dump. In the spirit of drgn's Object, synchronous: member by name or
 * path, dereference, index, read as number, bigint, pointer or text. Nothing is read before a value is asked for.
 */
import { add, virt, type VirtAddr } from '../base/address.ts';
import { LookupError } from '../base/errors.ts';
import type { CType } from '../debuginfo/type.ts';
import { Field } from './field.ts';
import type { Program } from './program.ts';
import { sizeOf, strip, typeName, type MemberPlace } from './types.ts';

export class Obj {
  readonly program: Program;
  readonly type: CType;
  /** Where the object lies: `&object`. */
  readonly address: VirtAddr;
  readonly #bits: MemberPlace['bits'];

  constructor(program: Program, type: CType, address: VirtAddr, bits?: MemberPlace['bits']) {
    this.program = program;
    this.type = type;
    this.address = address;
    this.#bits = bits;
  }

  get typeName(): string {
    return typeName(this.type);
  }

  /** Bytes. */
  get size(): number {
    return sizeOf(this.type);
  }

  /**
   * A member by name or path ('se.exec_start', 'count[1]'). On a pointer it follows the pointer first, as `->` does.
   * @throws LookupError when there is no such member, FaultError when the pointer cannot be read
   */
  member(path: string): Obj {
    const outer = this.#followed();
    const place = this.program.types.member(outer.type, path);
    return new Obj(this.program, place.type, add(outer.address, place.offset), place.bits);
  }

  /** True when the type (or the type it points to) has such a member; reads nothing. */
  has(path: string): boolean {
    const bare = strip(this.type);
    return this.program.types.tryMember(bare.kind === 'pointer' ? bare.target : bare, path) !== undefined;
  }

  #followed(): Obj {
    return strip(this.type).kind === 'pointer' ? this.deref() : this;
  }

  /** What the pointer points to. @throws FaultError, LookupError when this is no pointer */
  deref(): Obj {
    const bare = strip(this.type);
    if (bare.kind !== 'pointer') throw new LookupError('type', `pointer (this is ${this.typeName})`);
    return new Obj(this.program, bare.target, this.pointer());
  }

  /** Element of an array, or of the array that a pointer points to. Bounds of flexible arrays are not known. */
  index(i: number): Obj {
    const bare = strip(this.type);
    if (bare.kind === 'array') {
      if (i < 0 || (bare.length > 0 && i >= bare.length))
        throw new LookupError('member', `element ${i} of ${this.typeName}`);
      return new Obj(this.program, bare.element, add(this.address, i * sizeOf(bare.element)));
    }
    if (bare.kind === 'pointer')
      return new Obj(this.program, bare.target, add(this.pointer(), i * sizeOf(bare.target)));
    throw new LookupError('type', `array or pointer (this is ${this.typeName})`);
  }

  /** The value of a scalar, signed as its type is. @throws FaultError, LookupError when it is no scalar */
  value(): bigint {
    return this.#field().value(virt(this.address));
  }

  /** @throws FaultError, LookupError, ValidationError when it does not fit 2^53 */
  number(): number {
    return this.#field().number(this.address);
  }

  /** @throws FaultError, LookupError */
  pointer(): VirtAddr {
    return this.#field().pointer(this.address);
  }

  /** A char array, or what a `char *` points to; '' for NULL. @throws FaultError */
  text(max = 256): string {
    if (strip(this.type).kind === 'pointer') return this.#field().string(this.address, max) ?? '';
    return this.#field().text(this.address);
  }

  /** The raw bytes of the object. @throws FaultError */
  bytes(): Uint8Array {
    return this.program.memory.readBytes(this.address, this.size);
  }

  cast(type: string | CType): Obj {
    return new Obj(this.program, typeof type === 'string' ? this.program.types.find(type) : type, this.address);
  }

  /** The object of `type` whose `member` this is (container_of). */
  containerOf(type: string, member: string): Obj {
    return this.program.object(type, this.program.field(type, member).container(this.address));
  }

  #field(): Field {
    return new Field(this.program.memory, this.typeName, { type: this.type, offset: 0, bits: this.#bits });
  }
}
