/**
 * A MemoryReader over a few pieces of bytes at addresses, for tests of tables in kernel memory. As in a dump, memory is
 * there in whole pages: what no piece covers on a page of one is zero.
 */
import { add, pageNumber, pageOffset, type VirtAddr, virt } from '../../src/base/address.ts';
import { FaultError } from '../../src/base/errors.ts';
import type { MemoryReader, VirtRange } from '../../src/base/memory.ts';

export interface Piece {
  readonly start: VirtAddr;
  readonly bytes: Uint8Array;
}

const SHIFT = 12;
const SIZE = 1 << SHIFT;

export class PieceMemory implements MemoryReader {
  readonly #pages = new Map<number, Uint8Array>();
  readonly #pieces: readonly Piece[];
  /** Bytes asked for so far: tests check that readers do not read more than they should. */
  bytesRead = 0;

  constructor(...pieces: readonly Piece[]) {
    this.#pieces = pieces;
    for (const { start, bytes } of pieces) {
      for (let done = 0; done < bytes.length; ) {
        const at = add(start, done);
        const number = pageNumber(at, SHIFT);
        const page = this.#pages.get(number) ?? new Uint8Array(SIZE);
        this.#pages.set(number, page);
        const offset = pageOffset(at, SIZE);
        page.set(bytes.subarray(done, done + SIZE - offset), offset);
        done += SIZE - offset;
      }
    }
  }

  /** Ranges of all pieces. */
  get ranges(): readonly VirtRange[] {
    return this.#pieces.map(({ start, bytes }) => ({ start, end: add(start, bytes.length) }));
  }

  /** Takes a page away. */
  drop(address: VirtAddr): void {
    this.#pages.delete(pageNumber(address, SHIFT));
  }

  readBytes(address: VirtAddr, length: number): Uint8Array {
    this.bytesRead += length;
    const parts: Uint8Array[] = [];
    for (let done = 0; done < length; ) {
      const at = virt(address + BigInt(done));
      const page = this.#pages.get(pageNumber(at, SHIFT));
      if (page === undefined) throw new FaultError('virtual', at, 'absent');
      const offset = pageOffset(at, SIZE);
      parts.push(page.subarray(offset, offset + length - done));
      done += SIZE - offset;
    }
    return Uint8Array.from(Buffer.concat(parts));
  }
}
