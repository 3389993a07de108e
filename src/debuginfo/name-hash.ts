/**
 * Finds numbers (type ids, places of enumerators) by name without making strings of all names: buckets chain the
 * entries whose names have one hash. Names are NUL-terminated parts of a string table, as BTF has it.
 */

const MULTIPLIER = 0x01000193;
const SEED = 0x811c9dc5 | 0;
/** Longer names are equal to a hash: KSYM_NAME_LEN is 512. It bounds the work that overlapping names can cause. */
const MAX_HASHED = 512;

/** A table of strings that may continue another one, as the strings of split BTF do. */
export interface Strings {
  /** Offset of the first byte of `bytes`; below it `base` counts. */
  readonly start: number;
  readonly bytes: Uint8Array;
  readonly base: Strings | undefined;
}

/** FNV-1a over the bytes up to NUL, folded: the low bits choose a bucket. */
function hashAt(bytes: Uint8Array, at: number): number {
  let hash = SEED;
  const end = at + MAX_HASHED;
  for (let i = at, byte = bytes[i] ?? 0; byte !== 0 && i < end; byte = bytes[++i] ?? 0) {
    hash = Math.imul(hash ^ byte, MULTIPLIER);
  }
  return hash ^ (hash >>> 15);
}

function holding(strings: Strings, offset: number): Strings {
  let table = strings;
  while (offset < table.start && table.base !== undefined) table = table.base;
  return table;
}

export class NameHash {
  readonly #strings: Strings;
  readonly #entries: Uint32Array;
  readonly #names: Uint32Array;
  /** Index + 1 of the first of each bucket, of the next of each entry; 0 ends. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;

  /**
   * @param entries - what is found; of equal names the first comes first
   * @param names - offset of each entry's name in `strings`; one that lies outside is never found
   */
  constructor(entries: Uint32Array, names: Uint32Array, strings: Strings) {
    this.#strings = strings;
    this.#entries = entries;
    this.#names = names;
    this.#heads = new Int32Array(1 << (32 - Math.clz32(Math.max(entries.length, 8) - 1)));
    this.#next = new Int32Array(entries.length);
    const mask = this.#heads.length - 1;
    for (let i = entries.length - 1; i >= 0; i--) {
      const offset = names[i] ?? 0;
      const table = offset >= strings.start ? strings : holding(strings, offset);
      const slot = hashAt(table.bytes, offset - table.start) & mask;
      this.#next[i] = this.#heads[slot] ?? 0;
      this.#heads[slot] = i + 1;
    }
  }

  /** Entries of exactly that name, in order. */
  *find(name: string): Generator<number> {
    const wanted = Buffer.from(name, 'latin1');
    if (wanted.length === 0 || wanted.includes(0)) return;
    const slot = hashAt(wanted, 0) & (this.#heads.length - 1);
    for (let link = this.#heads[slot] ?? 0; link !== 0; link = this.#next[link - 1] ?? 0) {
      const offset = this.#names[link - 1] ?? 0;
      const table = holding(this.#strings, offset);
      const at = offset - table.start;
      let i = 0;
      while (i < wanted.length && table.bytes[at + i] === wanted[i]) i++;
      if (i === wanted.length && table.bytes[at + i] === 0) yield this.#entries[link - 1] ?? 0;
    }
  }
}
