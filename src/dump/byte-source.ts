/**
 * Where the bytes of a dump come from: positioned, synchronous reads of something whose size is known. Dump formats
 * read through this alone, so that tests give them memory instead of files.
 */
import { FormatError } from '../base/errors.ts';

export interface ByteSource {
  /** Bytes; does not change while the source is open. */
  readonly size: number;
  /**
   * Fills all of `into` from `offset`.
   * @throws FormatError when the range is not inside the source or cannot be read
   */
  read(offset: number, into: Uint8Array): void;
  /**
   * The bytes at `offset`, without a copy where that is possible. Valid until the next call to any method; never to be
   * written to. For small ranges (headers, index entries, one compressed page).
   * @throws FormatError as `read`
   */
  peek(offset: number, length: number): Uint8Array;
  /**
   * As `read`, but past any cache and no more than is asked for: for single looks at places far apart.
   * @throws FormatError as `read`
   */
  readOnce(offset: number, into: Uint8Array): void;
  close(): void;
  /** Set when these bytes are not the file itself but stand in it in another order. */
  readonly container?: Container;
}

/** The file around the bytes of a ByteSource. */
export interface Container {
  /** For people: 'flattened'. */
  readonly name: string;
  readonly fileSize: number;
  /** What is wrong with it, one line each. */
  readonly problems: readonly string[];
  /** False when bytes of this range are missing, though others behind it are there. They cannot be read. */
  has(offset: number, length: number): boolean;
}

/** @throws FormatError unless `offset` and `offset + length` lie inside `size`; NaN and fractions are outside. */
export function checkRange(size: number, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || !(length >= 0) || offset + length > size) {
    throw new FormatError('file', `${length} bytes are wanted at offset ${offset}, the file has ${size}`);
  }
}

/** Bytes in memory as a source. */
export function memorySource(bytes: Uint8Array): ByteSource {
  const read = (offset: number, into: Uint8Array): void => {
    checkRange(bytes.length, offset, into.length);
    into.set(bytes.subarray(offset, offset + into.length));
  };
  return {
    size: bytes.length,
    read,
    readOnce: read,
    peek(offset, length) {
      checkRange(bytes.length, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    close() {},
  };
}
