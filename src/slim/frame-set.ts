/**
 * A set of page frames: a bitmap in pieces that exist where something is in them, so that a terabyte costs 32 MB at most.
 */
import { type Pfn, pfn } from '../base/address.ts';

const CHUNK_SHIFT = 15;
const CHUNK_FRAMES = 1 << CHUNK_SHIFT;

export class FrameSet {
  readonly #chunks = new Map<number, Uint8Array>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** True when it was not there. */
  add(frame: Pfn): boolean {
    const index = Math.floor(frame / CHUNK_FRAMES);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) this.#chunks.set(index, (chunk = new Uint8Array(CHUNK_FRAMES / 8)));
    const within = frame % CHUNK_FRAMES;
    const byte = chunk[within >> 3] ?? 0;
    const bit = 1 << (within & 7);
    if ((byte & bit) !== 0) return false;
    chunk[within >> 3] = byte | bit;
    this.#size++;
    return true;
  }

  has(frame: Pfn): boolean {
    const chunk = this.#chunks.get(Math.floor(frame / CHUNK_FRAMES));
    if (chunk === undefined) return false;
    const within = frame % CHUNK_FRAMES;
    return (((chunk[within >> 3] ?? 0) >> (within & 7)) & 1) === 1;
  }

  /** Ascending. Frames that are added meanwhile may be left out. */
  *[Symbol.iterator](): Generator<Pfn> {
    for (const index of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      const chunk = this.#chunks.get(index) ?? new Uint8Array();
      for (let at = 0; at < chunk.length; at++) {
        for (let rest = chunk[at] ?? 0, bit = 0; rest !== 0; rest >>= 1, bit++) {
          if ((rest & 1) === 1) yield pfn(index * CHUNK_FRAMES + at * 8 + bit);
        }
      }
    }
  }
}
