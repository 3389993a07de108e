/**
 * Pages that the index of a dump promises and that turn out damaged when they are read: remembered, so that the dump can
 * say so. Each counts once; of very many only that there are so many is known.
 */
import type { Pfn } from '../base/address.ts';

const MAX_REMEMBERED = 1 << 14;

export class DamagedPages {
  readonly #frames = new Set<number>();
  #first: Pfn | undefined;

  add(frame: Pfn): void {
    this.#first ??= frame;
    if (this.#frames.size < MAX_REMEMBERED) this.#frames.add(frame);
  }

  /** One line, or none when no page was damaged so far. */
  get problems(): readonly string[] {
    if (this.#first === undefined) return [];
    const count = this.#frames.size;
    if (count === 1) return [`the data of page frame ${this.#first} is damaged or cannot be read`];
    const least = count === MAX_REMEMBERED ? 'at least ' : '';
    return [`the data of ${least}${count} pages is damaged or cannot be read, page frame ${this.#first} first`];
  }
}
