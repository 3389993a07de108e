/**
 * Which slot of a fixed set holds which key, and which slot is given up next: the CLOCK algorithm (second chance), so a
 * hit costs one Map lookup and one store. Knows nothing of what the slots hold; the page cache and the file's block
 * cache both stand on it. Keys are non-negative integers (page frame numbers, block numbers).
 *
 * Work may be ended anywhere (cli/guard.ts) and the cache asked again: a key is found only once its slot is filled.
 */
export class SlotCache {
  readonly capacity: number;
  readonly #slotOf = new Map<number, number>();
  readonly #keyOf: Float64Array;
  readonly #referenced: Uint8Array;
  #used = 0;
  #hand = 0;
  #evictions = 0;

  /** @param capacity - number of slots, at least 1 */
  constructor(capacity: number) {
    this.capacity = Math.max(1, Math.floor(capacity));
    this.#keyOf = new Float64Array(this.capacity).fill(-1);
    this.#referenced = new Uint8Array(this.capacity);
  }

  /** Slots that hold something. */
  get used(): number {
    return this.#used;
  }

  /** How often a slot was taken from the key that held it. */
  get evictions(): number {
    return this.#evictions;
  }

  /** The slot of `key`, or -1. A hit protects the slot from the next eviction. */
  find(key: number): number {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return -1;
    this.#referenced[slot] = 1;
    return slot;
  }

  /** A slot to fill: an unused one, else one not referenced since the hand passed. Nothing finds it before `keep`. */
  take(): number {
    let slot: number;
    if (this.#used < this.capacity) {
      slot = this.#used++;
    } else {
      while (this.#referenced[this.#hand] === 1) {
        this.#referenced[this.#hand] = 0;
        this.#hand = this.#hand + 1 === this.capacity ? 0 : this.#hand + 1;
      }
      slot = this.#hand;
      this.#hand = slot + 1 === this.capacity ? 0 : slot + 1;
      const evicted = this.#keyOf[slot];
      if (evicted !== undefined && evicted >= 0) {
        this.#evictions++;
        this.#slotOf.delete(evicted);
        this.#keyOf[slot] = -1;
      }
    }
    this.#referenced[slot] = 0;
    return slot;
  }

  /** The slot holds `key`, which must not be present, from now on. */
  keep(key: number, slot: number): void {
    this.#keyOf[slot] = key;
    this.#slotOf.set(key, slot);
  }

  /** The slot could not be filled: it is the next to be taken, so "no" evicts nothing more. */
  giveBack(slot: number): void {
    if (slot === this.#used - 1) this.#used--;
    else this.#hand = slot;
  }
}
