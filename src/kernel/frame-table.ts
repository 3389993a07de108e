/**
 * One byte for each page frame that has a page structure, section by section: what is known of every frame of a machine
 * without a list of them. Frames that have none are passed over.
 */
import type { MemorySection } from './vmemmap.ts';

export class FrameTable {
  readonly sections: readonly MemorySection[];
  readonly #codes: readonly Uint8Array[];
  /** Section number -> position in `sections`. */
  readonly #positions: ReadonlyMap<number, number>;
  readonly #size: number;
  #last = -1;
  #lastCodes: Uint8Array = new Uint8Array(0);

  /** @param sections - all of one size, as `memorySections` gives them */
  constructor(sections: readonly MemorySection[]) {
    this.sections = sections;
    this.#size = sections[0]?.count ?? 1;
    this.#codes = sections.map(({ count }) => new Uint8Array(count));
    this.#positions = new Map(sections.map(({ first }, i) => [Math.floor(first / this.#size), i]));
  }

  /** The codes of a section, by its position in `sections`. */
  codes(position: number): Uint8Array {
    return this.#codes[position] ?? new Uint8Array(0);
  }

  #section(frame: number): Uint8Array | undefined {
    const number = Math.floor(frame / this.#size);
    if (number === this.#last) return this.#lastCodes;
    const position = this.#positions.get(number);
    if (position === undefined) return undefined;
    this.#last = number;
    this.#lastCodes = this.codes(position);
    return this.#lastCodes;
  }

  /** The code of a frame; undefined when it has no page structure. Any number will do. */
  get(frame: number): number | undefined {
    return this.#section(frame)?.[frame % this.#size];
  }

  /** Whether a frame that may be the first of a block around this one, of any order up to `orders`, has a code. */
  someHead(frame: number, orders: number, code: number): boolean {
    for (let size = 2; size <= 2 ** orders; size *= 2) {
      const head = frame - (frame % size);
      if (head !== frame && this.get(head) === code) return true;
    }
    return false;
  }

  /** Sets the code of a frame, and does nothing for a frame that has no page structure. */
  set(frame: number, code: number): void {
    const codes = this.#section(frame);
    if (codes !== undefined) codes[frame % this.#size] = code;
  }
}
