/**
 * Bytes of a file with debug information, read where they are asked for: a vmlinux has hundreds of megabytes, of which a
 * few are needed at a time. Nothing is cached here.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { FormatError } from '../base/errors.ts';

export interface ImageBytes {
  /** Bytes. */
  readonly size: number;
  /** Exactly `length` bytes. @throws FormatError behind the end */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

export class ImageFile implements ImageBytes {
  readonly size: number;
  readonly #fd: number;
  #open = true;

  /**
   * @param path - or a descriptor, which `close` closes
   * @throws system errors of open(2)
   */
  constructor(path: string | number) {
    this.#fd = typeof path === 'number' ? path : openSync(path, 'r');
    this.size = fstatSync(this.#fd).size;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this.size, offset, length);
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; ) {
      const got = readSync(this.#fd, bytes, at, length - at, offset + at);
      if (got === 0) throw new FormatError('file', 'it became shorter while it was read', offset + at);
      at += got;
    }
    return bytes;
  }

  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }
}

/** A file that is in memory. */
export class ImageBuffer implements ImageBytes {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this.size, offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }

  close(): void {
    // Nothing is open.
  }
}

function checkRange(size: number, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size))
    throw new FormatError('file', `needs ${length} bytes, but has ${size} in all`, offset);
}
