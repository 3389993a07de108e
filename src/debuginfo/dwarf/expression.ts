/**
 * DWARF location expressions (DWARF 5, 2.5 and 2.6): where a variable is at one place of the code. What has been optimised
 * away, and what needs the values that a caller passed (DW_OP_entry_value) or another variable's (DW_OP_implicit_pointer),
 * has no location: nothing is guessed. Not handled: floating point, typed values, thread-local storage.
 */
import { Cursor } from './cursor.ts';
import { FormatError } from '../../base/errors.ts';

const FORMAT = 'a location';
const MAX_STEPS = 1000;
const MAX_STACK = 256;

/** What is known where the code stands. */
export interface Surroundings {
  /** By DWARF's numbers of this architecture. */
  register(number: number): bigint | undefined;
  /** Canonical frame address. */
  readonly cfa: bigint | undefined;
  /** DW_AT_frame_base of the function. */
  frameBase(): bigint | undefined;
  /** Little-endian; undefined where memory cannot be read. */
  read(address: bigint, size: number): bigint | undefined;
  /** What is added to addresses of the file. */
  readonly slide: bigint;
  /** An address by its number (DW_OP_addrx). */
  indexed(index: number): bigint;
}

/** A piece of a variable; sizes in bytes. */
export type Location =
  | { readonly kind: 'memory'; readonly address: bigint }
  | { readonly kind: 'register'; readonly number: number }
  | { readonly kind: 'value'; readonly value: bigint }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'pieces';
      readonly pieces: readonly { readonly size: number; readonly at: Location | undefined }[];
    };

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);

/**
 * @returns undefined when there is none that can be computed
 * @throws FormatError for what is no expression
 */
export function locate(expression: Uint8Array, around: Surroundings): Location | undefined {
  if (expression.length === 0) return undefined;
  const machine = new Machine(expression, around);
  return machine.run();
}

class Machine {
  readonly #cursor: Cursor;
  readonly #around: Surroundings;
  readonly #stack: bigint[] = [];
  readonly #pieces: { readonly size: number; readonly at: Location | undefined }[] = [];
  /** What ends a location: a register, bytes, or that the stack holds the value itself. */
  #ended: Location | undefined;
  #lost = false;

  constructor(expression: Uint8Array, around: Surroundings) {
    this.#cursor = new Cursor(expression, FORMAT);
    this.#around = around;
  }

  run(): Location | undefined {
    const { bytes } = this.#cursor;
    for (let steps = 0; this.#cursor.at < bytes.length; steps++) {
      if (steps > MAX_STEPS) throw new FormatError(FORMAT, 'does not end');
      const operation = this.#cursor.u8();
      if (operation === 0x93 || operation === 0x9d) this.#piece(operation);
      else if (!this.#lost) this.#step(operation);
      // Behind an operation that is not understood its length is not known either.
      if (this.#lost && this.#pieces.length === 0) return undefined;
      this.#cursor.check();
      if (this.#lost) return undefined;
    }
    if (this.#pieces.length > 0) return { kind: 'pieces', pieces: this.#pieces };
    return this.#here();
  }

  #here(): Location | undefined {
    if (this.#ended !== undefined) return this.#ended;
    const address = this.#stack.at(-1);
    return address === undefined ? undefined : { kind: 'memory', address };
  }

  /** DW_OP_piece, and DW_OP_bit_piece of whole bytes. */
  #piece(operation: number): void {
    const amount = this.#cursor.uleb();
    if (operation === 0x9d && (this.#cursor.uleb() !== 0 || amount % 8 !== 0)) {
      this.#lost = true;
      return;
    }
    const size = operation === 0x9d ? amount / 8 : amount;
    if (!(size > 0 && size <= 4096)) throw new FormatError(FORMAT, `a piece of ${size} bytes`);
    // A piece without a location in front has been optimised away.
    this.#pieces.push({ size, at: this.#here() });
    this.#ended = undefined;
    this.#stack.length = 0;
  }

  #push(value: bigint | undefined): void {
    if (value === undefined) this.#lost = true;
    else if (this.#stack.length >= MAX_STACK) throw new FormatError(FORMAT, 'its stack is too deep');
    else this.#stack.push(u64(value));
  }

  #pop(): bigint {
    const value = this.#stack.pop();
    if (value === undefined) throw new FormatError(FORMAT, 'takes from an empty stack', this.#cursor.at);
    return value;
  }

  #step(operation: number): void {
    const cursor = this.#cursor;
    const around = this.#around;
    const offset = (base: bigint | undefined): void => {
      const by = cursor.sleb();
      this.#push(base === undefined ? undefined : base + by);
    };
    // lit0 to lit31, reg0 to reg31, breg0 to breg31.
    if (operation >= 0x30 && operation <= 0x4f) return this.#push(BigInt(operation - 0x30));
    if (operation >= 0x50 && operation <= 0x6f) {
      this.#ended = { kind: 'register', number: operation - 0x50 };
      return undefined;
    }
    if (operation >= 0x70 && operation <= 0x8f) return offset(around.register(operation - 0x70));
    switch (operation) {
      case 0x03:
        return this.#push(cursor.big() + around.slide);
      case 0x08:
        return this.#push(BigInt(cursor.u8()));
      case 0x09:
        return this.#push(BigInt.asIntN(8, BigInt(cursor.u8())));
      case 0x0a:
        return this.#push(BigInt(cursor.u16()));
      case 0x0b:
        return this.#push(BigInt.asIntN(16, BigInt(cursor.u16())));
      case 0x0c:
        return this.#push(BigInt(cursor.u32()));
      case 0x0d:
        return this.#push(BigInt.asIntN(32, BigInt(cursor.u32())));
      case 0x0e:
      case 0x0f:
        return this.#push(cursor.big());
      case 0x10:
        return this.#push(cursor.ulebBig());
      case 0x11:
        return this.#push(cursor.sleb());
      case 0x23:
        return this.#push(this.#pop() + cursor.ulebBig());
      case 0x90:
        this.#ended = { kind: 'register', number: cursor.uleb() };
        return undefined;
      case 0x91:
        return offset(around.frameBase());
      case 0x92:
        return offset(around.register(cursor.uleb()));
      case 0x94:
        return this.#deref(cursor.u8());
      case 0x06:
        return this.#deref(8);
      case 0x9c:
        return this.#push(around.cfa);
      case 0x9e: {
        const length = cursor.uleb();
        const from = cursor.at;
        cursor.at += length;
        cursor.check();
        this.#ended = { kind: 'bytes', bytes: cursor.bytes.subarray(from, from + length) };
        return undefined;
      }
      case 0x9f:
        this.#ended = { kind: 'value', value: this.#pop() };
        return undefined;
      case 0xa1:
        return this.#push(around.indexed(cursor.uleb()) + around.slide);
      case 0x96:
        return undefined;
      default:
        return this.#compute(operation);
    }
  }

  #deref(size: number): void {
    if (size < 1 || size > 8) throw new FormatError(FORMAT, `reads ${size} bytes`);
    this.#push(this.#around.read(this.#pop(), size));
  }

  /** What works on the stack alone (2.5.1.3, 2.5.1.4), and branches. */
  #compute(operation: number): void {
    const stack = this.#stack;
    const two = (of: (a: bigint, b: bigint) => bigint): void => {
      const b = this.#pop();
      const a = this.#pop();
      this.#push(of(a, b));
    };
    const truth = (is: (a: bigint, b: bigint) => boolean): void => {
      two((a, b) => (is(s64(a), s64(b)) ? 1n : 0n));
    };
    const shift = (of: (a: bigint, by: bigint) => bigint): void => {
      two((a, b) => (b > 63n ? 0n : of(a, b)));
    };
    switch (operation) {
      case 0x12:
        return this.#push(stack.at(-1));
      case 0x13:
        return void this.#pop();
      case 0x14:
        return this.#push(stack.at(-2));
      case 0x15:
        return this.#push(stack.at(-1 - this.#cursor.u8()));
      case 0x16: {
        const [b, a] = [this.#pop(), this.#pop()];
        stack.push(b, a);
        return undefined;
      }
      case 0x17: {
        const [c, b, a] = [this.#pop(), this.#pop(), this.#pop()];
        stack.push(c, a, b);
        return undefined;
      }
      case 0x19: {
        const value = s64(this.#pop());
        return this.#push(value < 0n ? -value : value);
      }
      case 0x1a:
        return two((a, b) => a & b);
      case 0x1b:
        return two((a, b) => this.#divided(s64(a), s64(b)));
      case 0x1c:
        return two((a, b) => a - b);
      case 0x1d:
        return two((a, b) => (b === 0n ? this.#nothing() : a % b));
      case 0x1e:
        return two((a, b) => a * b);
      case 0x1f:
        return this.#push(-this.#pop());
      case 0x20:
        return this.#push(~this.#pop());
      case 0x21:
        return two((a, b) => a | b);
      case 0x22:
        return two((a, b) => a + b);
      case 0x24:
        return shift((a, by) => a << by);
      case 0x25:
        return shift((a, by) => a >> by);
      case 0x26:
        return two((a, b) => s64(a) >> (b > 63n ? 63n : b));
      case 0x27:
        return two((a, b) => a ^ b);
      case 0x28: {
        const by = BigInt.asIntN(16, BigInt(this.#cursor.u16()));
        return this.#pop() === 0n ? undefined : this.#jump(Number(by));
      }
      case 0x29:
        return truth((a, b) => a === b);
      case 0x2a:
        return truth((a, b) => a >= b);
      case 0x2b:
        return truth((a, b) => a > b);
      case 0x2c:
        return truth((a, b) => a <= b);
      case 0x2d:
        return truth((a, b) => a < b);
      case 0x2e:
        return truth((a, b) => a !== b);
      case 0x2f:
        return this.#jump(Number(BigInt.asIntN(16, BigInt(this.#cursor.u16()))));
      default:
        this.#lost = true;
        return undefined;
    }
  }

  #divided(a: bigint, b: bigint): bigint {
    return b === 0n ? this.#nothing() : a / b;
  }

  #nothing(): bigint {
    this.#lost = true;
    return 0n;
  }

  #jump(by: number): void {
    const to = this.#cursor.at + by;
    if (!(to >= 0 && to <= this.#cursor.bytes.length)) throw new FormatError(FORMAT, 'jumps out of itself');
    this.#cursor.at = to;
  }
}
