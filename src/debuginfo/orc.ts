/**
 * ORC unwind tables of x86-64 (arch/x86/include/asm/orc_types.h, since Linux 4.14): `orc_unwind_ip` is s32[] of places
 * relative to themselves, rising; `orc_unwind` holds for each {s16 sp_offset; s16 bp_offset; u16 of bit fields}. Four
 * versions of the bit fields exist; `.orc_header` (since 6.4) has a hash of the structure, before that the members of
 * `struct orc_entry` tell. Tables are read in blocks as lookups need them: a report touches a small part of them.
 * Not handled here: stepping through frames (program/arch), arm64 (has none).
 */
import { add, distance, type VirtAddr } from '../base/address.ts';
import { FaultError, FormatError, KwhyError } from '../base/errors.ts';
import type { MemoryReader } from '../base/memory.ts';
import type { SymbolTable } from './symbol.ts';
import type { TypeSource } from './type.ts';

/**
 * 1: Linux 4.14 to 6.2. 2: 6.3 (signal bit, ffb1b4a41016). 3: 6.4 to 7.0 (3-bit type, fb799447ae29), also back-ported.
 * 4: since 7.1 (register numbers in another order).
 */
export type OrcVersion = 1 | 2 | 3 | 4;

export type OrcRegister =
  | 'undefined'
  | 'prev-sp'
  | 'ax'
  | 'dx'
  | 'di'
  | 'bp'
  | 'sp'
  | 'r10'
  | 'r13'
  | 'bp-indirect'
  | 'sp-indirect'
  | 'sp-slot';

export interface OrcEntry {
  /**
   * `call`: the return address lies below the CFA. `regs`: a whole struct pt_regs lies at the CFA; `regs-partial`: its
   * last five words (the IRET frame). `end`: outermost frame. `undefined`: nothing is known here.
   */
  readonly kind: 'call' | 'regs' | 'regs-partial' | 'end' | 'undefined';
  /**
   * CFA = register + spOffset. With `bp-indirect` *(bp + spOffset), with `sp-slot` *(sp + spOffset), with `sp-indirect`
   * *sp + spOffset. The last two have one number: until 5.7 pt_regs were found through the slot, from 5.8 to 5.11 it
   * had no use, since 5.12 (87ccc826bf1c) it is for calls on another stack.
   */
  readonly cfaReg: OrcRegister;
  readonly spOffset: number;
  /** Where the caller's rbp is: `prev-sp` *(CFA + bpOffset), `bp` *(bp + bpOffset), `undefined` unchanged. */
  readonly bpReg: OrcRegister;
  readonly bpOffset: number;
  /** The frame above was interrupted, not called: its pc is exact (since 6.3). */
  readonly signal: boolean;
}

const REGISTERS: readonly OrcRegister[] = [
  'undefined',
  'prev-sp',
  'dx',
  'di',
  'bp',
  'sp',
  'r10',
  'r13',
  'bp-indirect',
  'sp-indirect',
];
const REGISTERS_V4: readonly OrcRegister[] = [
  'undefined',
  'ax',
  'dx',
  'sp',
  'bp',
  'di',
  'r10',
  'r13',
  'prev-sp',
  'sp-indirect',
  'bp-indirect',
];

/** First bytes of the 20-byte hash in .orc_header, as scripts/orc_hash.sh makes it from struct orc_entry. */
const HEADER_HASHES: ReadonlyMap<string, OrcVersion> = new Map([
  ['db84aed4', 2],
  ['fe5d32bf', 3],
  ['137c36ad', 4],
]);

/**
 * Which version the kernel's tables are; undefined when it has none.
 * @param types - used when there is no header, or one of an unknown kind
 * @throws FormatError when there are tables, but nothing tells how to read them
 */
export function detectOrcVersion(
  memory: MemoryReader,
  symbols: SymbolTable,
  types: TypeSource | undefined,
): OrcVersion | undefined {
  if (symbols.lookup('__start_orc_unwind_ip') === undefined) return undefined;
  const header = symbols.lookup('__start_orc_header');
  let hash: string | undefined;
  if (header !== undefined) {
    hash = Buffer.from(memory.readBytes(header.address, 4)).toString('hex');
    const version = HEADER_HASHES.get(hash);
    if (version !== undefined) return version;
  }
  const [entry] = types?.find('struct', 'orc_entry') ?? [];
  const members = entry?.kind === 'struct' ? entry.members : undefined;
  if (members === undefined) {
    const header = hash === undefined ? 'no header' : `unknown header ${hash}`;
    throw new FormatError('ORC', `${header} and no type of struct orc_entry`);
  }
  // v3 and v4 have the same members; v4 came long after the header, so a table without one is v3 (RHEL 9.6).
  if (!members.some((member) => member.name === 'end')) return 3;
  return members.some((member) => member.name === 'signal') ? 2 : 1;
}

export interface OrcPlace {
  /** `orc_unwind_ip`. */
  readonly ip: VirtAddr;
  /** `orc_unwind`. */
  readonly entries: VirtAddr;
  /** Number of elements of both. */
  readonly count: number;
  readonly version: OrcVersion;
}

const ENTRY_SIZE = 6;
/** s32 words per block of `orc_unwind_ip`: 4 KiB. */
const BLOCK_WORDS = 1024;
/** Lost blocks in a row that are looked beyond: more are no damage but a size that the dump has made up. */
const MAX_LOST = 256;
/** Places whose entry is remembered; forgotten all at once when there are more. */
const MAX_REMEMBERED = 1 << 14;

export class OrcTable {
  readonly version: OrcVersion;
  readonly count: number;
  readonly place: OrcPlace;
  readonly #memory: MemoryReader;
  /** An error in the place of a block that cannot be read, or whose places do not rise. */
  readonly #blocks = new Map<number, Int32Array | KwhyError>();
  readonly #entries = new Map<number, OrcEntry>();
  /** Entry by distance from `orc_unwind_ip`: the stacks of a machine share most of their return addresses. */
  readonly #lookups = new Map<number, OrcEntry | undefined>();

  constructor(memory: MemoryReader, place: OrcPlace) {
    if (!Number.isSafeInteger(place.count) || place.count < 0 || place.count > 0x1000_0000) {
      throw new FormatError('ORC', `${place.count} entries`);
    }
    this.#memory = memory;
    this.place = place;
    this.version = place.version;
    this.count = place.count;
  }

  #block(number: number): Int32Array | KwhyError {
    let block = this.#blocks.get(number);
    if (block === undefined) {
      block = this.#readBlock(number);
      this.#blocks.set(number, block);
    }
    return block;
  }

  #readBlock(number: number): Int32Array | KwhyError {
    const first = number * BLOCK_WORDS;
    const words = Math.min(BLOCK_WORDS, this.count - first);
    try {
      const bytes = this.#memory.readBytes(add(this.place.ip, first * 4), words * 4);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const block = new Int32Array(words);
      for (let word = 0; word < words; word++) {
        block[word] = view.getInt32(word * 4, true);
        if (word > 0 && (block[word] ?? 0) + 4 < (block[word - 1] ?? 0))
          return new FormatError('ORC', 'the table of places is damaged', first * 4);
      }
      return block;
    } catch (error) {
      if (error instanceof FaultError) return error;
      throw error;
    }
  }

  /** Place of entry `i`, relative to the start of `orc_unwind_ip`; undefined when its block is lost. */
  #pc(i: number): number | undefined {
    const block = this.#block(Math.floor(i / BLOCK_WORDS));
    return block instanceof KwhyError ? undefined : i * 4 + (block[i % BLOCK_WORDS] ?? 0);
  }

  /**
   * The rule for `pc`: the last entry at or below it. For a return address ask for one byte less. Undefined below the
   * first entry, and where 2^31 bytes or more lie between: the caller knows which table a pc belongs to.
   * @throws FaultError, FormatError when the part of the table that is needed cannot be read or is damaged
   */
  lookup(pc: VirtAddr): OrcEntry | undefined {
    const wanted = distance(pc, this.place.ip);
    if (!(Math.abs(wanted) <= 0x8000_0000 + this.count * 4)) return undefined;
    const known = this.#lookups.get(wanted);
    if (known !== undefined || this.#lookups.has(wanted)) return known;
    const entry = this.#search(wanted);
    if (this.#lookups.size >= MAX_REMEMBERED) this.#lookups.clear();
    this.#lookups.set(wanted, entry);
    return entry;
  }

  /** @param wanted - distance from `orc_unwind_ip` */
  #search(wanted: number): OrcEntry | undefined {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      // Entries on both sides of a lost block tell whether it is needed.
      const nearest = middle - MAX_LOST * BLOCK_WORDS;
      let left = middle;
      while (left >= low && this.#pc(left) === undefined) {
        if (left < nearest) return this.#lost(middle);
        left = Math.floor(left / BLOCK_WORDS) * BLOCK_WORDS - 1;
      }
      const below = left < low ? undefined : this.#pc(left);
      if (below !== undefined && below > wanted) {
        high = left;
        continue;
      }
      let right = middle;
      while (right < high && this.#pc(right) === undefined) {
        if (right > middle + MAX_LOST * BLOCK_WORDS) return this.#lost(middle);
        right = (Math.floor(right / BLOCK_WORDS) + 1) * BLOCK_WORDS;
      }
      const above = right >= high ? undefined : this.#pc(right);
      if (above !== undefined && above <= wanted) low = right + 1;
      else if (left === right) high = middle;
      else return this.#lost(middle);
    }
    return low === 0 ? undefined : this.entry(low - 1);
  }

  /** @throws KwhyError why the block of an entry is lost */
  #lost(i: number): never {
    const block = this.#block(Math.floor(i / BLOCK_WORDS));
    if (block instanceof KwhyError) throw block;
    throw new RangeError(`block of entry ${i} is not lost`);
  }

  /** @throws FaultError when it cannot be read */
  entry(i: number): OrcEntry {
    let entry = this.#entries.get(i);
    if (entry === undefined) {
      const bytes = this.#memory.readBytes(add(this.place.entries, i * ENTRY_SIZE), ENTRY_SIZE);
      entry = decodeOrcEntry(bytes, this.version);
      this.#entries.set(i, entry);
    }
    return entry;
  }
}

/** @param bytes - one struct orc_entry: 6 bytes */
export function decodeOrcEntry(bytes: Uint8Array, version: OrcVersion): OrcEntry {
  if (bytes.length < ENTRY_SIZE) throw new FormatError('ORC', `entry of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(4, true);
  const registers = version === 4 ? REGISTERS_V4 : REGISTERS;
  const cfaReg = registers[flags & 15] ?? 'undefined';
  const kind = entryKind(flags, version, cfaReg);
  const throughSlot = version === 1 && cfaReg === 'sp-indirect' && (kind === 'regs' || kind === 'regs-partial');
  return {
    kind,
    cfaReg: throughSlot ? 'sp-slot' : cfaReg,
    spOffset: view.getInt16(0, true),
    bpReg: registers[(flags >> 4) & 15] ?? 'undefined',
    bpOffset: view.getInt16(2, true),
    signal: version >= 2 && (flags & (version === 2 ? 1 << 10 : 1 << 11)) !== 0,
  };
}

function entryKind(flags: number, version: OrcVersion, cfaReg: OrcRegister): OrcEntry['kind'] {
  if (version >= 3) {
    const kinds = ['undefined', 'end', 'call', 'regs', 'regs-partial'] as const;
    return kinds[(flags >> 8) & 7] ?? 'undefined';
  }
  if ((flags & (version === 2 ? 1 << 11 : 1 << 10)) !== 0) return 'end';
  if (cfaReg === 'undefined') return 'undefined';
  // Type 3 was never defined (objtool: UNWIND_HINT_TYPE_FUNC and later ones are resolved to CALL).
  const kinds = ['call', 'regs', 'regs-partial'] as const;
  return kinds[(flags >> 8) & 3] ?? 'undefined';
}
