/**
 * Finds numbers (type ids, places of enumerators) by name without making strings of all names: buckets chain the
 * entries whose names have one hash.
 */

const MULTIPLIER = 0x01000193;
const SEED = 0x811c9dc5 | 0;

/** FNV-1a over the bytes up to NUL. */
function hashBytes(bytes: Uint8Array): number {
  let hash = SEED;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === 0) break;
    hash = Math.imul(hash ^ byte, MULTIPLIER);
  }
  return hash ^ (hash >>> 15);
}

export class NameHash {
  readonly #nameOf: (entry: number) => Uint8Array;
  readonly #entries: Uint32Array;
  /** Index + 1 of the first of each bucket, of the next of each entry; 0 ends. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;

  /**
   * @param entries - what is found; of equal names the first comes first
   * @param nameOf - bytes that begin with the entry's name and its NUL
   */
  constructor(entries: Uint32Array, nameOf: (entry: number) => Uint8Array) {
    this.#entries = entries;
    this.#nameOf = nameOf;
    this.#heads = new Int32Array(1 << (32 - Math.clz32(Math.max(entries.length, 8) - 1)));
    this.#next = new Int32Array(entries.length);
    const mask = this.#heads.length - 1;
    for (let i = entries.length - 1; i >= 0; i--) {
      const slot = hashBytes(nameOf(entries[i] ?? 0)) & mask;
      this.#next[i] = this.#heads[slot] ?? 0;
      this.#heads[slot] = i + 1;
    }
  }

  /** Entries of exactly that name, in order. */
  *find(name: string): Generator<number> {
    const wanted = Buffer.from(name, 'latin1');
    if (wanted.length === 0 || wanted.includes(0)) return;
    const slot = hashBytes(wanted) & (this.#heads.length - 1);
    for (let link = this.#heads[slot] ?? 0; link !== 0; link = this.#next[link - 1] ?? 0) {
      const entry = this.#entries[link - 1] ?? 0;
      const bytes = this.#nameOf(entry);
      let i = 0;
      while (i < wanted.length && bytes[i] === wanted[i]) i++;
      if (i === wanted.length && (bytes[i] ?? 0) === 0) yield entry;
    }
  }
}
