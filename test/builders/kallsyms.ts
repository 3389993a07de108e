/**
 * Writes the kallsyms tables of a kernel of any era (scripts/kallsyms.c) at an address, for tests and synthetic
 * kernels. Names are compressed with a fixed set of tokens, which is enough to meet every path of a reader.
 */
import { add, type VirtAddr } from '../../src/base/address.ts';

export interface KallsymsSymbol {
  readonly name: string;
  /** nm's letter. */
  readonly type: string;
  readonly address: bigint;
}

export interface KallsymsEra {
  readonly addresses: 'absolute' | 'relative' | 'absolute-percpu' | 'place-relative';
  /** Where the address tables lie: before the names (until Linux 6.3) or behind the token index. */
  readonly order: 'before-names' | 'behind-tokens';
  readonly markerSize: 4 | 8;
  /** Bytes of kallsyms_num_syms. */
  readonly countSize: 4 | 8;
  /** Lengths of 0x80 and more as ULEB128 (since 6.1), else as one byte. */
  readonly longLengths: boolean;
  /** seqs_of_names: between markers and tokens (6.2, 6.3), at the end (since 6.4), or none. */
  readonly sequences: 'none' | 'behind-markers' | 'last';
  /** Alignment of every table; 4 since 7.0. */
  readonly alignment: 4 | 8;
}

/** Eras by a kernel that has them. */
export const ERAS = {
  '3.10': era('absolute', 'before-names', 8, 8, false, 'none', 8),
  '4.18': era('absolute-percpu', 'before-names', 8, 8, false, 'none', 8),
  '5.10': era('absolute-percpu', 'before-names', 4, 4, false, 'none', 8),
  '5.10-arm64': era('relative', 'before-names', 4, 4, false, 'none', 8),
  '6.1': era('absolute-percpu', 'before-names', 4, 4, true, 'none', 8),
  '6.2': era('absolute-percpu', 'before-names', 4, 4, true, 'behind-markers', 8),
  '6.4': era('absolute-percpu', 'behind-tokens', 4, 4, true, 'last', 8),
  '6.4-absolute': era('absolute', 'behind-tokens', 4, 4, true, 'last', 8),
  '6.15': era('relative', 'behind-tokens', 4, 4, true, 'last', 8),
  '7.2': era('place-relative', 'behind-tokens', 4, 4, true, 'last', 4),
} as const satisfies Record<string, KallsymsEra>;

function era(
  addresses: KallsymsEra['addresses'],
  order: KallsymsEra['order'],
  markerSize: 4 | 8,
  countSize: 4 | 8,
  longLengths: boolean,
  sequences: KallsymsEra['sequences'],
  alignment: 4 | 8,
): KallsymsEra {
  return { addresses, order, markerSize, countSize, longLengths, sequences, alignment };
}

export interface BuiltKallsyms {
  readonly start: VirtAddr;
  readonly bytes: Uint8Array;
  /** Address of each table, by its name without `kallsyms_`. */
  readonly tables: ReadonlyMap<string, VirtAddr>;
  /** The lines that VMCOREINFO has since 6.0. */
  readonly vmcoreinfo: string;
}

/** Tokens in places that no character of a symbol has: below ' ' and above '~'. */
const LONG_TOKENS = ['__', 'init_', 'Tsys_', 'alloc', 'lock', 'tion', 't__x64_', '_ops', 'trace_', 'de', 're', 'in'];

/** @param base - kallsyms_relative_base; the first address in the kernel's half when undefined */
export function buildKallsyms(
  start: VirtAddr,
  symbols: readonly KallsymsSymbol[],
  layout: KallsymsEra,
  base?: bigint,
): BuiltKallsyms {
  const tokens = Array.from({ length: 256 }, (_, i) => {
    if (i >= 0x20 && i < 0x7f) return String.fromCharCode(i);
    return (i < 0x20 ? LONG_TOKENS[i] : LONG_TOKENS[i - 0x7f + 0x20]) ?? '';
  });
  const writer = new Writer(start, layout.alignment);
  const image = symbols.find((symbol) => symbol.address >= 1n << 63n)?.address ?? 0n;
  const relativeBase = base ?? image;
  const names = encodeNames(symbols, tokens, layout.longLengths);

  const addressTable = (): void => {
    if (layout.addresses === 'absolute') {
      writer.table('addresses');
      for (const symbol of symbols) writer.u64(symbol.address);
      return;
    }
    writer.table('offsets');
    for (const symbol of symbols) {
      if (layout.addresses === 'place-relative') writer.u32(symbol.address - writer.here);
      else if (layout.addresses === 'relative') writer.u32(symbol.address - relativeBase);
      else writer.u32(symbol.address < 1n << 63n ? symbol.address : relativeBase - 1n - symbol.address);
    }
    if (layout.addresses !== 'place-relative') {
      writer.table('relative_base', 8);
      writer.u64(relativeBase);
    }
  };
  const sequences = (): void => {
    writer.table('seqs_of_names');
    const order = symbols
      .map((_, i) => i)
      .sort((a, b) => ((symbols[a]?.name ?? '') < (symbols[b]?.name ?? '') ? -1 : 1));
    for (const i of order) writer.raw([(i >> 16) & 255, (i >> 8) & 255, i & 255]);
  };

  if (layout.order === 'before-names') addressTable();
  writer.table('num_syms');
  writer.u32(BigInt(symbols.length));
  if (layout.countSize === 8) writer.u32(0n);
  writer.table('names');
  writer.raw(names.bytes);
  writer.table('markers');
  for (const marker of names.markers) {
    if (layout.markerSize === 8) writer.u64(BigInt(marker));
    else writer.u32(BigInt(marker));
  }
  if (layout.sequences === 'behind-markers') sequences();
  writer.table('token_table');
  const index: number[] = [];
  let length = 0;
  for (const token of tokens) {
    index.push(length);
    writer.raw([...Buffer.from(`${token}\0`, 'latin1')]);
    length += token.length + 1;
  }
  writer.table('token_index');
  for (const entry of index) writer.raw([entry & 255, entry >> 8]);
  if (layout.order === 'behind-tokens') addressTable();
  if (layout.sequences === 'last') sequences();
  const vmcoreinfo = [...writer.tables]
    .filter(([name]) => name !== 'markers' && name !== 'seqs_of_names')
    .map(([name, address]) => `SYMBOL(kallsyms_${name})=${address.toString(16)}\n`)
    .join('');
  return { start, bytes: writer.bytes(), tables: writer.tables, vmcoreinfo };
}

function encodeNames(
  symbols: readonly KallsymsSymbol[],
  tokens: readonly string[],
  longLengths: boolean,
): { readonly bytes: number[]; readonly markers: readonly number[] } {
  const bytes: number[] = [];
  const markers: number[] = [];
  const longest = tokens.map((token, i) => ({ token, i })).sort((a, b) => b.token.length - a.token.length);
  for (const [i, symbol] of symbols.entries()) {
    if (i % 256 === 0) markers.push(bytes.length);
    const text = symbol.type + symbol.name;
    const encoded: number[] = [];
    for (let at = 0; at < text.length; ) {
      const found = longest.find(({ token }) => token !== '' && text.startsWith(token, at));
      if (found === undefined) throw new Error(`no token for ${text}`);
      encoded.push(found.i);
      at += found.token.length;
    }
    if (longLengths && encoded.length >= 0x80) bytes.push((encoded.length & 0x7f) | 0x80, encoded.length >> 7);
    else if (encoded.length > 255) throw new Error(`${text} is too long for this era`);
    else bytes.push(encoded.length);
    bytes.push(...encoded);
  }
  return { bytes, markers };
}

class Writer {
  readonly tables = new Map<string, VirtAddr>();
  readonly #start: VirtAddr;
  readonly #alignment: number;
  readonly #bytes: number[] = [];

  constructor(start: VirtAddr, alignment: number) {
    this.#start = start;
    this.#alignment = alignment;
  }
  get here(): VirtAddr {
    return add(this.#start, this.#bytes.length);
  }
  table(name: string, alignment = this.#alignment): void {
    while (this.here % BigInt(alignment) !== 0n) this.#bytes.push(0);
    this.tables.set(name, this.here);
  }
  raw(bytes: readonly number[]): void {
    for (const byte of bytes) this.#bytes.push(byte);
  }
  u32(value: bigint): void {
    const low = Number(BigInt.asUintN(32, value));
    this.raw([low & 255, (low >>> 8) & 255, (low >>> 16) & 255, low >>> 24]);
  }
  u64(value: bigint): void {
    this.u32(value);
    this.u32(value >> 32n);
  }
  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
