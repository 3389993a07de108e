/**
 * Names of a kallsyms table (scripts/kallsyms.c): each is a length followed by that many token numbers; a token stands
 * for a string; the first character of the expanded text is nm's type letter. Here they are found by number and by
 * name without making a string of each: the hash of a name is put together from the hashes of its tokens.
 */
import { cstring } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';

const FORMAT = 'kallsyms';
/** Linux allows 511 characters since 6.1, 127 before. */
const MAX_NAME = 2048;
/** One marker, the offset of a name, per so many symbols. */
export const MARKER_STEP = 256;

const MULTIPLIER = 0x01000193;

/**
 * Offsets of all names, by walking the lengths.
 * @param longLengths - lengths of 0x80 and more take two bytes (ULEB128), as since Linux 6.1
 * @returns offsets of `count` names and, last, the end; undefined when they do not fit into `names`
 */
export function walkNames(names: Uint8Array, count: number, longLengths: boolean): Uint32Array | undefined {
  // Each name takes two bytes at least; also bounds the allocation by what is there.
  if (count * 2 > names.length) return undefined;
  const offsets = new Uint32Array(count + 1);
  const size = names.length;
  let at = 0;
  for (let i = 0; i < count; i++) {
    offsets[i] = at;
    if (at >= size) return undefined;
    let length = names[at++] ?? 0;
    if (longLengths && length >= 0x80) length = (length & 0x7f) | ((names[at++] ?? 0) << 7);
    if (length === 0) return undefined;
    at += length;
  }
  offsets[count] = at;
  return at <= size ? offsets : undefined;
}

/** Strings of the 256 tokens as parts of one table. */
export class Tokens {
  readonly table: Uint8Array;
  readonly index: Uint16Array;

  /**
   * @param table - 256 NUL-terminated strings
   * @param index - u16[256]: where in `table` each begins
   * @throws FormatError when these do not fit each other
   */
  constructor(table: Uint8Array, index: Uint16Array) {
    if (index.length !== 256 || index[0] !== 0) throw new FormatError(FORMAT, 'token index does not begin with 0');
    for (let token = 1; token < 256; token++) {
      const start = index[token] ?? 0;
      if (start <= (index[token - 1] ?? 0) || table[start - 1] !== 0) {
        throw new FormatError(FORMAT, `token ${token} does not follow the one before`, start);
      }
    }
    if (table.indexOf(0, index[255] ?? 0) < 0) throw new FormatError(FORMAT, 'token table has no end');
    this.table = table;
    this.index = index;
  }

  text(token: number): string {
    return cstring(this.table.subarray(this.index[token] ?? 0));
  }
}

export class KallsymsNames {
  readonly #names: Uint8Array;
  readonly #offsets: Uint32Array;
  readonly #longLengths: boolean;
  readonly #tokens: Tokens;
  /** 1 for names that could not be read; undefined when all could. */
  readonly #lost: Uint8Array | undefined;
  readonly #texts: (string | undefined)[] = [];
  /** Of each token: hash of its string, multiplier to the power of its length, and the hash without the first byte. */
  readonly #hash = new Int32Array(256);
  readonly #power = new Int32Array(256);
  readonly #tailHash = new Int32Array(256);
  /** 1 for tokens that stand for nothing: those that the kernel's table has no use for, met in damaged names only. */
  readonly #empty = new Uint8Array(256);
  /** Chains of symbols by hash: index + 1, 0 ends; within a chain, numbers rise. */
  #heads: Int32Array | undefined;
  #next = new Int32Array(0);

  constructor(names: Uint8Array, offsets: Uint32Array, longLengths: boolean, tokens: Tokens, lost?: Uint8Array) {
    this.#lost = lost;
    this.#names = names;
    this.#offsets = offsets;
    this.#longLengths = longLengths;
    this.#tokens = tokens;
    for (let token = 0; token < 256; token++) {
      let hash = 0;
      let tail = 0;
      let power = 1;
      for (let at = tokens.index[token] ?? 0; tokens.table[at]; at++) {
        const byte = tokens.table[at] ?? 0;
        hash = (Math.imul(hash, MULTIPLIER) + byte) | 0;
        if (at !== tokens.index[token]) tail = (Math.imul(tail, MULTIPLIER) + byte) | 0;
        power = Math.imul(power, MULTIPLIER);
      }
      this.#hash[token] = hash;
      this.#tailHash[token] = tail;
      this.#power[token] = power;
      this.#empty[token] = (tokens.table[tokens.index[token] ?? 0] ?? 0) === 0 ? 1 : 0;
    }
  }

  get count(): number {
    return this.#offsets.length - 1;
  }

  isLost(symbol: number): boolean {
    return this.#lost?.[symbol] === 1;
  }

  /** Type letter and name together; a damaged name is cut off at a length beyond all reason. */
  #expand(symbol: number): string {
    if (this.isLost(symbol)) return '';
    let at = this.#offsets[symbol] ?? 0;
    const end = this.#offsets[symbol + 1] ?? 0;
    at += this.#longLengths && (this.#names[at] ?? 0) >= 0x80 ? 2 : 1;
    let text = '';
    for (; at < end && text.length < MAX_NAME; at++) {
      const token = this.#names[at] ?? 0;
      text += this.#texts[token] ??= this.#tokens.text(token);
    }
    return text.slice(0, MAX_NAME);
  }

  name(symbol: number): string {
    return this.#expand(symbol).slice(1);
  }

  /** nm's letter; '?' for an empty name. */
  type(symbol: number): string {
    if (this.isLost(symbol)) return '?';
    let at = this.#offsets[symbol] ?? 0;
    const end = this.#offsets[symbol + 1] ?? 0;
    at += this.#longLengths && (this.#names[at] ?? 0) >= 0x80 ? 2 : 1;
    while (at < end && this.#empty[this.#names[at] ?? 0] === 1) at++;
    if (at >= end) return '?';
    const first = this.#names[at] ?? 0;
    return (this.#texts[first] ??= this.#tokens.text(first)).charAt(0);
  }

  /** Numbers of the symbols of that exact name, lowest first. */
  *find(name: string): Generator<number> {
    const heads = (this.#heads ??= this.#buildChains());
    let hash = 0;
    for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, MULTIPLIER) + name.charCodeAt(i)) | 0;
    for (let link = heads[bucket(hash, heads.length)] ?? 0; link !== 0; link = this.#next[link - 1] ?? 0) {
      if (this.name(link - 1) === name) yield link - 1;
    }
  }

  /** Hot loop over every byte of the table: about 1.5 million for 120,000 symbols. */
  #buildChains(): Int32Array {
    const count = this.count;
    const heads = new Int32Array(1 << (32 - Math.clz32(Math.max(count, 8) - 1)));
    const next = new Int32Array(count);
    const names = this.#names;
    const offsets = this.#offsets;
    const hashes = this.#hash;
    const powers = this.#power;
    const tails = this.#tailHash;
    const empty = this.#empty;
    const longLengths = this.#longLengths;
    for (let symbol = count - 1; symbol >= 0; symbol--) {
      if (this.isLost(symbol)) continue;
      let at = offsets[symbol] ?? 0;
      const end = offsets[symbol + 1] ?? 0;
      at += longLengths && (names[at] ?? 0) >= 0x80 ? 2 : 1;
      // The letter, which is no part of the name, begins the first token that stands for something.
      while (at < end && empty[names[at] ?? 0] === 1) at++;
      let hash = at < end ? (tails[names[at++] ?? 0] ?? 0) : 0;
      for (; at < end; at++) {
        const token = names[at] ?? 0;
        hash = (Math.imul(hash, powers[token] ?? 0) + (hashes[token] ?? 0)) | 0;
      }
      const slot = bucket(hash, heads.length);
      next[symbol] = heads[slot] ?? 0;
      heads[slot] = symbol + 1;
    }
    this.#next = next;
    return heads;
  }
}

/** The multiplier is odd and its powers spread poorly in the low bits alone: fold the high half in. */
function bucket(hash: number, buckets: number): number {
  return (hash ^ (hash >>> 15)) & (buckets - 1);
}
