/**
 * One node:zlib decompression stream, used again for page after page. The public calls (`inflateSync`,
 * `zstdDecompressSync`) make a stream per page, which takes longer than to decompress 4 KiB: reuse is 1.5 (zstd) to 1.8
 * (zlib) times as fast. It rests on internals of Node's streams (`_handle`, `_writeState`; the same from Node 20 to
 * 26), so it is guarded: whoever uses it must have the public call beside it, to which every doubt falls back.
 */
export interface ReusedStream {
  /**
   * True when `input`, all of it, gave exactly the bytes that fill `into`. 'damaged' when the library refuses the input.
   * False: ask the public call.
   */
  fill(input: Uint8Array, into: Uint8Array): boolean | 'damaged';
}

/** What Node's internal handle offers; `reset` and `writeSync` are methods of its native object. */
interface Handle {
  reset(): void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
}

/** What `new Inflate()` and `new ZstdDecompress()` have in common here. */
interface Stream {
  on(event: 'error', listener: () => void): unknown;
}

/**
 * @param make - makes a fresh stream
 * @param flush - the flush value that ends a stream (Z_FINISH, ZSTD_e_end)
 * @param reference - the public call; something must come out the same both ways before the stream is believed
 * @param reset - whether the stream must be told to begin anew; zstd's begins the next frame by itself, and before
 *   Node 26 its reset allocates a whole new context
 * @param sample - compressed bytes that prove the stream when the first page is damaged; without them its damage is doubt
 * @returns undefined when this Node's streams do not look as expected
 */
export function reusedStream(
  make: () => Stream,
  flush: number,
  reference: (input: Uint8Array, into: Uint8Array) => number,
  reset: boolean,
  sample?: Sample,
): ReusedStream | undefined {
  let current = open(make);
  if (current === undefined) return undefined;
  let proven = false;
  // One byte more than a page: only a stream that stops short of its room has ended, checksum included.
  let room = new Uint8Array(0);

  const write = (input: Uint8Array, into: Uint8Array): boolean | 'damaged' => {
    if (current === undefined) return false;
    const { handle, state, failed } = current;
    if (room.length !== into.length + 1) room = new Uint8Array(into.length + 1);
    let result: boolean | 'damaged' = false;
    try {
      if (reset) handle.reset();
      // After it, state holds the unused bytes of output and of input.
      handle.writeSync(flush, input, 0, input.length, room, 0, room.length);
      if (failed()) {
        result = 'damaged';
      } else if (state[0] === 1 && state[1] === 0) {
        into.set(room.subarray(0, into.length));
        return true;
      }
    } catch {
      // Falls through: the stream is of no more use.
    }
    current = open(make);
    return result;
  };
  /** Whether this may be believed: a stream that was never right may be wrong about damage, too. */
  const believed = (input: Uint8Array, output: Uint8Array): boolean => {
    proven ||= isProven(reference, input, output);
    if (!proven) current = undefined;
    return proven;
  };

  return {
    fill(input, into) {
      const result = write(input, into);
      if (result === true) return believed(input, into);
      if (result === false || proven) return result;
      const output = new Uint8Array(sample?.size ?? 0);
      return sample !== undefined && write(sample.packed, output) === true && believed(sample.packed, output)
        ? 'damaged'
        : false;
    },
  };
}

export interface Sample {
  readonly packed: Uint8Array;
  /** Bytes when decompressed. */
  readonly size: number;
}

function isProven(
  reference: (input: Uint8Array, into: Uint8Array) => number,
  input: Uint8Array,
  output: Uint8Array,
): boolean {
  const expected = new Uint8Array(output.length);
  return reference(input, expected) === output.length && Buffer.compare(expected, output) === 0;
}

interface OpenStream {
  readonly handle: Handle;
  readonly state: Uint32Array;
  readonly failed: () => boolean;
}

function open(make: () => Stream): OpenStream | undefined {
  const stream = make();
  const handle: unknown = Reflect.get(stream, '_handle');
  const state: unknown = Reflect.get(stream, '_writeState');
  if (!isHandle(handle) || !(state instanceof Uint32Array) || state.length < 2) return undefined;
  let failed = false;
  const fail = (): void => {
    failed = true;
  };
  // Damaged input destroys the stream, which then waits, memory and all, for a turn of the event loop that a program
  // without a pause never takes: thousands of damaged pages would be thousands of streams. So it is only noted.
  Reflect.set(stream, 'destroy', fail);
  stream.on('error', fail);
  const destroyed = (): boolean => failed || Reflect.get(stream, '_handle') !== handle;
  return { handle, state, failed: destroyed };
}

function isHandle(value: unknown): value is Handle {
  return (
    typeof value === 'object' &&
    value !== null &&
    'reset' in value &&
    typeof value.reset === 'function' &&
    'writeSync' in value &&
    typeof value.writeSync === 'function'
  );
}
