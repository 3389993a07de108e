/**
 * The byte buffer of the log until 5.9, `char *log_buf`: read page by page, so that a page that the dump has not costs
 * what stood on it and not the log.
 */
import { add, type VirtAddr } from '../base/address.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

/** CONFIG_LOG_BUF_SHIFT ends at 25; log_buf_len= may ask for more, of which nothing is known to the field. */
const MAX_LOG = 1 << 27;

export class LogBytes {
  /** Zero where the dump has nothing. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Bytes that cannot be read. */
  readonly missing: number;
  readonly #page: number;
  readonly #holes = new Set<number>();

  /** @throws ValidationError for a length that no log has */
  constructor(program: Program, at: VirtAddr, length: number) {
    if (length < 16 || length > MAX_LOG) throw new ValidationError('log_buf', at, `log_buf_len is ${length}`);
    this.#page = program.pageSize;
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
    let missing = 0;
    for (let offset = 0; offset < length; offset += this.#page) {
      const size = Math.min(this.#page, length - offset);
      try {
        this.bytes.set(program.memory.readBytes(add(at, offset), size), offset);
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        this.#holes.add(offset / this.#page);
        missing += size;
      }
    }
    this.missing = missing;
  }

  get length(): number {
    return this.bytes.length;
  }

  /** True when all of a range lies in the buffer and could be read. */
  has(offset: number, length: number): boolean {
    if (offset < 0 || offset + length > this.bytes.length) return false;
    if (this.#holes.size === 0) return true;
    for (let page = Math.floor(offset / this.#page); page * this.#page < offset + length; page++) {
      if (this.#holes.has(page)) return false;
    }
    return true;
  }
}
