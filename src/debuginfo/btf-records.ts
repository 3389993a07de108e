/**
 * The bytes of BTF (include/uapi/linux/btf.h, Documentation/bpf/btf.rst): header, type records, strings. Here records
 * are found and their fields read; what they mean is in btf.ts. Checked once, when opened: the sections lie inside the
 * bytes, every record ends inside its section. Names and type ids inside records are checked when they are used.
 * Not handled: BTF of the other byte order.
 */
import { ByteView, cstring } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';
import { KIND } from './btf-kinds.ts';
import type { ByteRange } from './memory-scan.ts';
import { LOST, salvage } from './btf-salvage.ts';
import type { Strings } from './name-hash.ts';
import { LOST_NAME } from './type.ts';

export const FORMAT = 'BTF';
const MAGIC = 0xeb9f;
/** The kernel allows KSYM_NAME_LEN, 512 since 6.1. */
const MAX_NAME = 1024;

/** Kinds that a type is looked up by name in. */
const TYPE_KINDS: readonly number[] = [
  KIND.INT,
  KIND.STRUCT,
  KIND.UNION,
  KIND.ENUM,
  KIND.FWD,
  KIND.TYPEDEF,
  KIND.FLOAT,
  KIND.ENUM64,
];

/** struct btf_type: u32 name_off; u32 info; u32 size or type. */
const RECORD = 12;
/** Bytes behind struct btf_type, by kind: once, and per element (vlen). */
const FIXED = [0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0];
const ELEMENT = [0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12];

/** Since Linux 7.2 kinds have 7 bits and vlen 24; the added bits were zero before. */
const kindOfInfo = (info: number): number => (info >>> 24) & 0x7f;
const vlenOfInfo = (info: number): number => info & 0xffffff;

export class BtfRecords {
  /** Number of the first type and of the one after the last. */
  readonly firstId: number;
  readonly endId: number;
  /** True when some enum says that it is signed: pahole does since 1.24; before, the sign of values is unknown. */
  readonly saysEnumSigns: boolean;
  /** Ids and names' offsets of the types that have a name of their own, without functions and variables. */
  readonly named: { readonly ids: Uint32Array; readonly names: Uint32Array };
  /** Ids of the enums. */
  readonly enums: Uint32Array;
  /** Names of this BTF, behind those of its base. */
  readonly strings: Strings;
  /** Type section as words; its records are multiples of 4 bytes. */
  readonly #words: Int32Array;
  /** Word index of each record, or LOST. */
  readonly #starts: Uint32Array;
  /** Undefined for BTF that was read whole. */
  readonly damage: BtfDamage | undefined;

  /**
   * @param base - of split BTF (modules): ids and string offsets continue behind it
   * @param lost - parts of `bytes` that could not be read: what is left of damaged BTF is then made use of
   * @throws FormatError
   */
  constructor(bytes: Uint8Array, base: BtfRecords | undefined, lost?: readonly ByteRange[]) {
    if (base?.damage?.endKnown === false) throw new FormatError(FORMAT, 'the types that it continues are damaged');
    const view = new ByteView(bytes, FORMAT);
    if (view.u16(0) !== MAGIC || view.u8(2) !== 1) throw new FormatError(FORMAT, 'no BTF header', 0);
    const headerSize = view.u32(4);
    if (headerSize < 24) throw new FormatError(FORMAT, `header of ${headerSize} bytes`, 4);
    const section = (field: number): Uint8Array => view.slice(headerSize + view.u32(field), view.u32(field + 4));
    const types = section(8);
    const strings = section(16);
    // Since 7.1 (pahole 1.31): sizes of each kind, so that kinds not known here can be passed over.
    const layout = headerSize >= 32 ? section(24) : new Uint8Array(0);

    const start = base === undefined ? 0 : base.strings.start + base.strings.bytes.length;
    this.firstId = base?.endId ?? 1;
    this.#words = words(types);
    const shape = shapeOf(layout);
    let scan: Scan;
    if (lost === undefined) {
      this.strings = { start, bytes: strings, base: base?.strings };
      const starts = scanRecords(this.#words, shape);
      scan = notedOf(this.#words, starts, this.firstId);
      this.#starts = starts;
    } else {
      const within = (section: Uint8Array): ByteRange[] => {
        const from = section.byteOffset - bytes.byteOffset;
        return lost.map(([at, end]) => [at - from, end - from] as const).filter(([, end]) => end > 0);
      };
      const names = mendedStrings(strings, within(strings));
      this.strings = { start, bytes: names.bytes, base: base?.strings };
      const salvaged = salvage({
        words: this.#words,
        lost: within(types).map(([at, end]) => [Math.max(0, at >> 2), (end + 3) >> 2]),
        ...shape,
        firstId: this.firstId,
        stringsEnd: start + strings.length,
      });
      this.#starts = salvaged.starts;
      this.damage = {
        endKnown: salvaged.endKnown,
        lostTypes: salvaged.lostWords / Math.max(1, this.#words.length),
        lostNames: names.lost / Math.max(1, strings.length),
      };
      scan = notedOf(this.#words, this.#starts, this.firstId);
    }
    this.named = scan.named;
    this.enums = scan.enums;
    this.endId = this.firstId + this.#starts.length;
    this.saysEnumSigns = scan.saysEnumSigns || (base?.saysEnumSigns ?? false);
  }

  /** Word index of a record of this BTF (not of its base). */
  #start(id: number): number {
    const start = this.#starts[id - this.firstId];
    if (start === undefined) throw new FormatError(FORMAT, `no type ${id}`);
    if (start === LOST) throw new FormatError(FORMAT, `type ${id} is lost`);
    return start;
  }

  /** True for a type of this BTF that was in a part that is lost. */
  isLost(id: number): boolean {
    const start = this.#starts[id - this.firstId];
    return this.damage !== undefined && (start === undefined || start === LOST);
  }

  /** True when a name may begin at this offset. */
  hasString(offset: number): boolean {
    const { start, bytes } = this.strings;
    const before = bytes[offset - start - 1];
    return offset < start + bytes.length && (before === undefined || before === 0 || before === LOST_BYTE);
  }

  kind(id: number): number {
    return kindOfInfo(this.#words[this.#start(id) + 1] ?? 0);
  }
  /** Number of members, values, parameters. */
  vlen(id: number): number {
    return vlenOfInfo(this.#words[this.#start(id) + 1] ?? 0);
  }
  kindFlag(id: number): boolean {
    return (this.#words[this.#start(id) + 1] ?? 0) < 0;
  }
  nameOffset(id: number): number {
    return (this.#words[this.#start(id)] ?? 0) >>> 0;
  }
  /** The third word: size in bytes, or the type that it refers to. */
  sizeOrType(id: number): number {
    return (this.#words[this.#start(id) + 2] ?? 0) >>> 0;
  }
  /** Word `i` behind struct btf_type, unsigned. */
  extra(id: number, i: number): number {
    return (this.#words[this.#start(id) + 3 + i] ?? 0) >>> 0;
  }

  /** The string at an offset; undefined for the empty one. @throws FormatError when it lies outside */
  string(offset: number): string | undefined {
    if (offset === 0) return undefined;
    let table = this.strings;
    while (offset < table.start && table.base !== undefined) table = table.base;
    const at = offset - table.start;
    if (at >= table.bytes.length) throw new FormatError(FORMAT, 'name lies outside the strings', offset);
    return cstring(table.bytes.subarray(at, at + MAX_NAME)) || undefined;
  }

  /** Ids of all named records of one kind, with their names' offsets. */
  collect(kind: number): { readonly ids: Uint32Array; readonly names: Uint32Array } {
    const starts = this.#starts;
    const types = this.#words;
    const ids = new Uint32Array(starts.length);
    const names = new Uint32Array(starts.length);
    let count = 0;
    for (let i = 0; i < starts.length; i++) {
      const at = starts[i] ?? 0;
      if (at === LOST) continue;
      const name = types[at] ?? 0;
      if (name === 0 || kindOfInfo(types[at + 1] ?? 0) !== kind) continue;
      ids[count] = this.firstId + i;
      names[count++] = name;
    }
    return { ids: ids.subarray(0, count), names: names.subarray(0, count) };
  }

  name(id: number): string | undefined {
    return this.string(this.nameOffset(id));
  }
}

/** Words of the section in this machine's byte order, without a copy where alignment allows. */
function words(section: Uint8Array): Int32Array {
  const aligned = section.byteOffset % 4 === 0 ? section : Uint8Array.from(section);
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
}

export interface BtfDamage {
  /** False when nobody knows how many types there were. */
  readonly endKnown: boolean;
  /** Shares that are lost. */
  readonly lostTypes: number;
  readonly lostNames: number;
}

/** Words behind struct btf_type by kind; -1 where the kind is not known. */
interface Shape {
  readonly fixed: Int32Array;
  readonly element: Int32Array;
}

interface Scan {
  readonly named: { readonly ids: Uint32Array; readonly names: Uint32Array };
  readonly enums: Uint32Array;
  readonly saysEnumSigns: boolean;
}

function shapeOf(layout: Uint8Array): Shape {
  const fixed = new Int32Array(128).fill(-1);
  const element = new Int32Array(128);
  // struct btf_layout: u8 info_sz (after struct btf_type), u8 elem_sz, u16 flags; one per kind.
  for (let kind = 1; kind < 128; kind++) {
    const known = kind < FIXED.length;
    if (!known && kind * 4 + 4 > layout.length) break;
    fixed[kind] = ((known ? FIXED[kind] : layout[kind * 4]) ?? 0) >> 2;
    element[kind] = ((known ? ELEMENT[kind] : layout[kind * 4 + 1]) ?? 0) >> 2;
  }
  return { fixed, element };
}

/** Where each record begins, a hundred thousand in a kernel. */
function scanRecords(types: Int32Array, { fixed, element }: Shape): Uint32Array {
  const header = RECORD >> 2;
  const starts = new Uint32Array(Math.floor(types.length / header));
  let count = 0;
  let at = 0;
  while (at < types.length) {
    const info = types[at + 1] ?? 0;
    const kind = kindOfInfo(info);
    const once = fixed[kind] ?? -1;
    if (once < 0) throw new FormatError(FORMAT, `kind ${kind} is not known`, at * 4);
    starts[count++] = at;
    at += header + once + (element[kind] ?? 0) * vlenOfInfo(info);
  }
  if (at > types.length) throw new FormatError(FORMAT, 'last type is cut off', at * 4);
  return starts.slice(0, count);
}

/** One pass over all records, which notes at once what every report will ask for. */
function notedOf(types: Int32Array, starts: Uint32Array, firstId: number): Scan {
  const isType = new Uint8Array(128);
  for (const kind of TYPE_KINDS) isType[kind] = 1;
  const ids = new Uint32Array(starts.length);
  const names = new Uint32Array(starts.length);
  const enums: number[] = [];
  let named = 0;
  let saysEnumSigns = false;
  for (let i = 0; i < starts.length; i++) {
    const at = starts[i] ?? 0;
    if (at === LOST) continue;
    const name = types[at] ?? 0;
    const info = types[at + 1] ?? 0;
    const kind = kindOfInfo(info);
    if (isType[kind] !== 1) continue;
    if (name !== 0) {
      ids[named] = firstId + i;
      names[named++] = name;
    }
    if (kind === KIND.ENUM || kind === KIND.ENUM64) {
      enums.push(firstId + i);
      if (info < 0) saysEnumSigns = true;
    }
  }
  return {
    named: { ids: ids.slice(0, named), names: names.slice(0, named) },
    enums: Uint32Array.from(enums),
    saysEnumSigns,
  };
}

const LOST_BYTE = LOST_NAME.charCodeAt(0);
const PAGE = 4096;
/** More bytes of a page than this that no name has: all of it is something else. */
const MAX_ODD = 16;

/**
 * A copy of the strings in which what is lost, and what no compiler writes, is the mark of lost names: so no name ends
 * where it was cut, and none is found that is not whole.
 */
function mendedStrings(strings: Uint8Array, lost: readonly ByteRange[]): { readonly bytes: Uint8Array; lost: number } {
  const bytes = Uint8Array.from(strings);
  for (const [from, to] of lost) bytes.fill(LOST_BYTE, Math.max(0, from), to);
  const isOdd = (i: number): boolean => {
    const byte = bytes[i] ?? 0;
    // One empty name, at the beginning, is all there is.
    return byte === 0 ? i > 0 && bytes[i - 1] === 0 : byte < 0x20 || byte > 0x7e;
  };
  for (let page = 0; page < bytes.length; page += PAGE) {
    const end = Math.min(page + PAGE, bytes.length);
    const odd: number[] = [];
    for (let i = page; i < end && odd.length <= MAX_ODD; i++) if (isOdd(i)) odd.push(i);
    if (odd.length > MAX_ODD) bytes.fill(LOST_BYTE, page, end);
    else for (const i of odd) bytes[i] = LOST_BYTE;
  }
  return { bytes, lost: bytes.reduce((sum, byte) => sum + (byte === LOST_BYTE ? 1 : 0), 0) };
}
