/**
 * A file as a ByteSource: `readSync` at positions, with a small cache of 16 KiB blocks in front, because a dump's index
 * and its page data are contiguous by page frame: one read serves some ten compressed pages. Reads larger than a
 * block go around the cache. The size is taken when the file is opened; a file that shrinks afterwards gives
 * FormatError, as an I/O error does.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { Checkpoint } from '../base/budget.ts';
import { FormatError } from '../base/errors.ts';
import { type ByteSource, checkRange } from './byte-source.ts';
import { SlotCache } from './slot-cache.ts';

const BLOCK_SHIFT = 14;
const BLOCK_SIZE = 1 << BLOCK_SHIFT;
/** Of a Checkpoint, for each read of the system: it takes as long as so many reads of memory. */
const READ_STEPS = 64;
/** 4 MiB in all: bitmap, descriptors and page data of one access stay together, whatever the dump's size. */
export const FILE_BLOCKS = 256;

export class FileSource implements ByteSource {
  readonly size: number;
  /** Last change of the content, nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  readonly #fd: number;
  readonly #checkpoint: Checkpoint;
  readonly #slots: SlotCache;
  /** One array per slot, made when the slot is first used. */
  readonly #blocks: Uint8Array[] = [];
  #lastNumber = -1;
  #lastBlock: Uint8Array = new Uint8Array(0);
  #closed = false;

  /**
   * Takes over `fd`, which must be open for reading; `close` closes it.
   * @param blocks - how many are held at most
   * @param checkpoint - asked by every read, whose CancelledError passes; all formats read through here
   */
  constructor(fd: number, blocks = FILE_BLOCKS, checkpoint = new Checkpoint()) {
    this.#fd = fd;
    this.#slots = new SlotCache(blocks);
    this.#checkpoint = checkpoint;
    const stat = fstatSync(fd, { bigint: true });
    this.size = Number(stat.size);
    this.mtimeNs = stat.mtimeNs;
  }

  read(offset: number, into: Uint8Array): void {
    this.#checkpoint.spend(1);
    checkRange(this.size, offset, into.length);
    if (into.length > BLOCK_SIZE) this.#readExactly(offset, into);
    else this.#copy(offset, into);
  }

  peek(offset: number, length: number): Uint8Array {
    this.#checkpoint.spend(1);
    checkRange(this.size, offset, length);
    const within = offset % BLOCK_SIZE;
    if (within + length <= BLOCK_SIZE) {
      const block = this.#block((offset - within) / BLOCK_SIZE);
      if (block !== undefined) return block.subarray(within, within + length);
    }
    const copy = new Uint8Array(length);
    if (length > BLOCK_SIZE) this.#readExactly(offset, copy);
    else this.#copy(offset, copy);
    return copy;
  }

  readOnce(offset: number, into: Uint8Array): void {
    checkRange(this.size, offset, into.length);
    this.#readExactly(offset, into);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #copy(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const within = (offset + done) % BLOCK_SIZE;
      const part = Math.min(into.length - done, BLOCK_SIZE - within);
      const block = this.#block((offset + done - within) / BLOCK_SIZE);
      if (block === undefined) {
        // The block has an unreadable spot: read just what is asked for, it may lie beside it.
        this.#readExactly(offset + done, into.subarray(done, done + part));
      } else {
        into.set(block.subarray(within, within + part), done);
      }
      done += part;
    }
  }

  /** A whole block (shorter at the end of the file), or undefined when not all of it can be read. */
  #block(number: number): Uint8Array | undefined {
    if (number === this.#lastNumber) return this.#lastBlock;
    let slot = this.#slots.find(number);
    let block: Uint8Array;
    if (slot >= 0) {
      block = this.#blocks[slot] ?? new Uint8Array(0);
    } else {
      slot = this.#slots.take();
      block = this.#blocks[slot] ??= new Uint8Array(BLOCK_SIZE);
      if (this.#lastBlock === block) this.#lastNumber = -1;
      const start = number * BLOCK_SIZE;
      const wanted = Math.min(BLOCK_SIZE, this.size - start);
      try {
        this.#readExactly(start, block.subarray(0, wanted));
      } catch (error) {
        this.#slots.giveBack(slot);
        if (error instanceof FormatError) return undefined;
        throw error;
      }
      this.#slots.keep(number, slot);
    }
    this.#lastNumber = -1;
    this.#lastBlock = block;
    this.#lastNumber = number;
    return block;
  }

  #readExactly(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      this.#checkpoint.spend(READ_STEPS);
      let got: number;
      try {
        got = readSync(this.#fd, into, done, into.length - done, offset + done);
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
        throw new FormatError('file', `cannot be read: ${code}`, offset + done, { cause: error });
      }
      if (got === 0) throw new FormatError('file', 'ended while it was being read', offset + done);
      done += got;
    }
  }
}
