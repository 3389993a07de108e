/**
 * Counts what is allocated as typed arrays and Buffers, and refuses what goes beyond a limit: "never allocate by an
 * unchecked length" is about lengths that memory would even have, so waiting for the process to run out shows too little.
 * It replaces the global constructors of this process by ones that count. Not counted: what native code allocates
 * (decompression, whose output the callers limit) and ordinary objects, for which the process has a heap limit.
 */
export class AllocationError extends Error {
  constructor(bytes: number, limit: number) {
    super(`allocates ${bytes} bytes where ${limit} are plenty`);
    this.name = 'AllocationError';
  }
}

export class Allocations {
  #total = 0;
  #limit = Infinity;
  #refused: AllocationError | undefined;

  /** Begins to count anew. */
  begin(limit: number): void {
    this.#total = 0;
    this.#limit = limit;
    this.#refused = undefined;
  }

  /** Ends counting; the bytes since `begin`, and what was refused, also if the refusal was caught on its way. */
  end(): { readonly bytes: number; readonly refused: AllocationError | undefined } {
    this.#limit = Infinity;
    return { bytes: this.#total, refused: this.#refused };
  }

  charge(bytes: number): void {
    this.#total += bytes;
    if (!(this.#total > this.#limit)) return;
    const error = new AllocationError(this.#total, this.#limit);
    // What is allocated while the refusal is handled is not its own failure.
    this.#refused ??= error;
    throw error;
  }
}

const ARRAYS = [
  'Uint8Array',
  'Int8Array',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
] as const;

/** Replaces the constructors, once per process. */
export function countAllocations(): Allocations {
  const counter = new Allocations();
  for (const name of ARRAYS) {
    const original = globalThis[name] as new (...args: readonly unknown[]) => object;
    const size = globalThis[name].BYTES_PER_ELEMENT;
    // A length is a number; views of a buffer and copies of a list come as objects. A plain function, as a Proxy takes a fifth
    // of the time of all that is fuzzed.
    const counted = function counted(first: unknown, offset: unknown, length: unknown): object {
      if (typeof first === 'number') counter.charge(first * size);
      else if (first instanceof Array) counter.charge(first.length * size);
      if (length !== undefined) return new original(first, offset, length);
      return offset === undefined ? new original(first) : new original(first, offset);
    };
    // Static methods, and what `instanceof` asks.
    Object.setPrototypeOf(counted, original);
    Object.defineProperty(counted, 'prototype', { value: globalThis[name].prototype });
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value: counted });
  }
  const alloc = Buffer.alloc.bind(Buffer);
  const allocUnsafe = Buffer.allocUnsafe.bind(Buffer);
  const concat = Buffer.concat.bind(Buffer);
  Buffer.alloc = (size: number, ...rest: []) => {
    counter.charge(size);
    return alloc(size, ...rest);
  };
  Buffer.allocUnsafe = (size: number) => {
    counter.charge(size);
    return allocUnsafe(size);
  };
  Buffer.concat = (list, length) => {
    counter.charge(length ?? list.reduce((sum, part) => sum + part.length, 0));
    return concat(list, length);
  };
  return counter;
}
