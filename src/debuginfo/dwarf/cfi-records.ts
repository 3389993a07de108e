/**
 * Call frame information as it is stored: .debug_frame (DWARF 2 to 5, 6.4) and .eh_frame (LSB, "Exception Frames"). Records
 * are read once, into an index of the code that they cover; their instructions are left as bytes (cfi.ts runs them).
 * Not handled: segments, 32-bit addresses, addresses that are relative to a section (.eh_frame_hdr).
 */
import { FormatError } from '../../base/errors.ts';
import { Cursor } from './cursor.ts';

/** A common information entry: what many functions share. */
export interface Cie {
  readonly codeAlign: number;
  readonly dataAlign: number;
  /** The column that stands for the return address: 16 on x86-64. */
  readonly returnRegister: number;
  /** The frame above was interrupted, and not called. */
  readonly signal: boolean;
  /** Its instructions, from and to (exclusive). */
  readonly from: number;
  readonly to: number;
}

/** All functions of a section, by rising start. Positions are in `bytes`. */
export interface CfiIndex {
  readonly bytes: Uint8Array;
  readonly cies: readonly Cie[];
  /** What `starts` count from. */
  readonly base: bigint;
  readonly starts: Float64Array;
  /** Bytes of code. */
  readonly lengths: Float64Array;
  /** Index into `cies`. */
  readonly cieOf: Uint32Array;
  readonly froms: Uint32Array;
  readonly tos: Uint32Array;
  /** Why the rest of the section was not read; undefined when all of it was. */
  readonly damage: FormatError | undefined;
}

/** Functions of the largest kernels: 80,000. */
const MAX_FUNCTIONS = 1 << 22;
/** DW_EH_PE_*: sizes and whether relative to the place. */
const PE = { absent: 0xff, pcrel: 0x10, indirect: 0x80 } as const;

/** @param address - where the section lies in memory: addresses of .eh_frame are relative to it */
export function readCfi(
  bytes: Uint8Array,
  kind: '.debug_frame' | '.eh_frame',
  address = 0n,
  base = 0xffff_ffff_8000_0000n,
): CfiIndex {
  const cies: Cie[] = [];
  const encodings: number[] = [];
  const known = new Map<number, number>();
  const starts: number[] = [];
  const lengths: number[] = [];
  const cieOf: number[] = [];
  const froms: number[] = [];
  const tos: number[] = [];
  let damage: FormatError | undefined;
  const isEh = kind === '.eh_frame';
  const dropped = Number(BigInt.asIntN(64, -base));
  try {
    for (let at = 0; at + 4 <= bytes.length && starts.length < MAX_FUNCTIONS; ) {
      const cursor = new Cursor(bytes, kind, at);
      const short = cursor.u32();
      const isLong = short === 0xffff_ffff;
      const length = isLong ? cursor.u64() : short;
      const body = cursor.at;
      const end = body + length;
      if (!(end <= bytes.length)) throw new FormatError(kind, `an entry of ${length} bytes`, at);
      at = end;
      // Linkers end .eh_frame with an entry of no bytes, and fill up with them.
      if (length === 0) continue;
      const size = isLong && !isEh ? 8 : 4;
      const id = cursor.offset(size);
      const isCie = isEh ? id === 0 : id === (size === 8 ? 2 ** 64 : 0xffff_ffff);
      if (isCie) continue;
      const cieAt = isEh ? body - id : id;
      let cie = known.get(cieAt);
      if (cie === undefined) {
        const read = readCie(bytes, kind, cieAt);
        cie = cies.push(read.cie) - 1;
        encodings.push(read.encoding);
        known.set(cieAt, cie);
      }
      const encoding = encodings[cie] ?? 0;
      const from = pointer(cursor, encoding, address, base);
      const range = pointer(cursor, encoding & 0x0f, 0n, 0n);
      if (isEh) cursor.at += cursor.uleb();
      cursor.check();
      // Code that the linker has dropped stands at 0.
      if (from === undefined || range === undefined || range <= 0 || from === dropped) continue;
      starts.push(from);
      lengths.push(range);
      cieOf.push(cie);
      froms.push(Math.min(cursor.at, end));
      tos.push(end);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    damage = error;
  }
  const order = Uint32Array.from(starts.keys());
  if (starts.some((start, i) => i > 0 && start < (starts[i - 1] ?? 0)))
    order.sort((a, b) => (starts[a] ?? 0) - (starts[b] ?? 0));
  const sorted =
    (of: readonly number[]) =>
    (i: number): number =>
      of[order[i] ?? 0] ?? 0;
  const each = { length: order.length };
  return {
    bytes,
    cies,
    base,
    starts: Float64Array.from(each, (_, i) => sorted(starts)(i)),
    lengths: Float64Array.from(each, (_, i) => sorted(lengths)(i)),
    cieOf: Uint32Array.from(each, (_, i) => sorted(cieOf)(i)),
    froms: Uint32Array.from(each, (_, i) => sorted(froms)(i)),
    tos: Uint32Array.from(each, (_, i) => sorted(tos)(i)),
    damage,
  };
}

function readCie(bytes: Uint8Array, kind: string, at: number): { readonly cie: Cie; readonly encoding: number } {
  const cursor = new Cursor(bytes, kind, at);
  const short = cursor.u32();
  const isLong = short === 0xffff_ffff;
  const length = isLong ? cursor.u64() : short;
  const end = cursor.at + length;
  const id = cursor.offset(isLong && kind !== '.eh_frame' ? 8 : 4);
  const version = cursor.u8();
  const augmentation = cursor.string();
  if (!(end <= bytes.length) || (kind === '.eh_frame') !== (id === 0) || ![1, 3, 4].includes(version))
    throw new FormatError(kind, 'an entry refers to one that is none', at);
  if (version === 4 && (cursor.u8() !== 8 || cursor.u8() !== 0))
    throw new FormatError(kind, 'addresses that are not of 8 bytes', at);
  const codeAlign = cursor.uleb();
  const dataAlign = Number(cursor.sleb());
  const returnRegister = version === 1 ? cursor.u8() : cursor.uleb();
  let encoding = 0;
  let signal = false;
  let from: number | undefined;
  for (const letter of augmentation) {
    if (letter === 'z') from = cursor.uleb() + cursor.at;
    else if (letter === 'R') encoding = cursor.u8();
    else if (letter === 'L') cursor.u8();
    else if (letter === 'P') pointer(cursor, cursor.u8(), 0n, 0n);
    else if (letter === 'S') signal = true;
    // Behind a letter that is not known nothing can be read, but where it ends may be told.
    else if (from !== undefined) break;
    else throw new FormatError(kind, `augmentation '${augmentation}'`, at);
  }
  cursor.check();
  return {
    cie: { codeAlign, dataAlign, returnRegister, signal, from: Math.min(from ?? cursor.at, end), to: end },
    encoding,
  };
}

/** A number as DW_EH_PE_* says, less `base`; undefined for what is absent. @throws FormatError */
function pointer(cursor: Cursor, encoding: number, section: bigint, base: bigint): number | undefined {
  if (encoding === PE.absent) return undefined;
  const place = cursor.at;
  const low = (value: bigint): bigint => BigInt.asUintN(64, value);
  let value: bigint;
  const format = encoding & 0x0f;
  if (format === 0x00 || format === 0x04 || format === 0x0c) value = cursor.big();
  else if (format === 0x03) value = BigInt(cursor.u32());
  else if (format === 0x0b) value = BigInt(cursor.u32() | 0);
  else if (format === 0x02) value = BigInt(cursor.u16());
  else if (format === 0x0a) value = BigInt.asIntN(16, BigInt(cursor.u16()));
  else if (format === 0x01) value = cursor.ulebBig();
  else if (format === 0x09) value = cursor.sleb();
  else throw new FormatError(cursor.format, `a pointer of kind ${encoding}`, place);
  if ((encoding & 0x70) === PE.pcrel) value += section + BigInt(place);
  else if ((encoding & 0xf0) !== 0) throw new FormatError(cursor.format, `a pointer of kind ${encoding}`, place);
  return Number(BigInt.asIntN(64, low(value) - base));
}
