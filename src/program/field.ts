/**
 * A member of a type, resolved once and then read at many addresses: what hot loops use. `Obj` is the convenient form.
 */
import { add, virt, type VirtAddr } from '../base/address.ts';
import { cstring, textString } from '../base/bytes.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import type { CType } from '../debuginfo/type.ts';
import { sizeOf, strip, typeName, type MemberPlace } from './types.ts';
import type { VirtualMemory } from './virtual-memory.ts';

export class Field {
  /** 'struct task_struct.pid', for messages. */
  readonly label: string;
  readonly type: CType;
  /** Bytes from the start of the outer type. */
  readonly offset: number;
  /** Bytes of the member. */
  readonly size: number;
  readonly #memory: VirtualMemory;
  readonly #bits: MemberPlace['bits'];
  readonly #signed: boolean;
  readonly #scalar: boolean;
  readonly #offset: bigint;
  /** 64 bits that nothing has to be done with. */
  readonly #plain: boolean;

  constructor(memory: VirtualMemory, label: string, place: MemberPlace) {
    this.#memory = memory;
    this.label = label;
    this.type = place.type;
    this.offset = place.offset;
    this.size = sizeOf(place.type);
    this.#bits = place.bits;
    const bare = strip(place.type);
    this.#signed = (bare.kind === 'int' || bare.kind === 'enum') && bare.signed;
    this.#scalar = bare.kind === 'int' || bare.kind === 'enum' || bare.kind === 'pointer';
    this.#offset = BigInt(place.offset);
    this.#plain = this.#scalar && !this.#signed && this.#bits === undefined && this.size === 8;
  }

  /** Address of the member in the object at `base`. */
  address(base: VirtAddr): VirtAddr {
    return add(base, this.#offset);
  }

  /** Address of the object whose member lies at `member` (container_of). */
  container(member: VirtAddr): VirtAddr {
    return add(member, -this.offset);
  }

  /** The member as an unsigned 64-bit value; negative ones wrap. @throws FaultError */
  u64(base: VirtAddr): bigint {
    if (this.#plain) return this.#memory.readU64(add(base, this.#offset));
    return BigInt.asUintN(64, this.value(base));
  }

  /** The member's value, signed as its type is. @throws FaultError, LookupError when it is no scalar */
  value(base: VirtAddr): bigint {
    const at = add(base, this.#offset);
    if (!this.#scalar) throw new LookupError('member', `${this.label} as a scalar (it is ${typeName(this.type)})`);
    const bits = this.#bits;
    if (bits !== undefined) {
      const raw = BigInt.asUintN(bits.size, this.#unsigned(at) >> BigInt(bits.shift));
      return this.#signed ? BigInt.asIntN(bits.size, raw) : raw;
    }
    const raw = this.#unsigned(at);
    return this.#signed ? BigInt.asIntN(this.size * 8, raw) : raw;
  }

  #unsigned(at: VirtAddr): bigint {
    switch (this.size) {
      case 1:
        return BigInt(this.#memory.readU8(at));
      case 2:
        return BigInt(this.#memory.readU16(at));
      case 4:
        return BigInt(this.#memory.readU32(at));
      case 8:
        return this.#memory.readU64(at);
      default:
        throw new LookupError('member', `${this.label} of ${this.size} bytes as a scalar`);
    }
  }

  /** As a number. @throws FaultError, ValidationError when it does not fit 2^53 */
  number(base: VirtAddr): number {
    if (this.#bits === undefined && this.#scalar) {
      const at = add(base, this.#offset);
      if (this.size === 4) return this.#signed ? this.#memory.readS32(at) : this.#memory.readU32(at);
      if (this.size === 1 && !this.#signed) return this.#memory.readU8(at);
    }
    const value = this.value(base);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw new ValidationError(this.label, base, `${value} is no plausible number`);
    return number;
  }

  /** As a pointer. @throws FaultError */
  pointer(base: VirtAddr): VirtAddr {
    if (this.#plain) return this.#memory.readPointer(add(base, this.#offset));
    return virt(this.value(base));
  }

  /** A char array up to its NUL, as a name out of the dump (UTF-8, else Latin-1). @throws FaultError */
  text(base: VirtAddr): string {
    return textString(this.#memory.readBytes(add(base, this.offset), Math.min(this.size, 1 << 16)));
  }

  /** A `char *`: the string that it points to, at most `max` bytes; undefined for NULL. @throws FaultError */
  string(base: VirtAddr, max = 256): string | undefined {
    const at = this.pointer(base);
    return at === 0n ? undefined : cstring(this.#memory.readCString(at, max));
  }
}
