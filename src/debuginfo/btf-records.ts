/**
 * The bytes of BTF (include/uapi/linux/btf.h, Documentation/bpf/btf.rst): header, type records, strings. Here records
 * are found and their fields read; what they mean is in btf.ts. Checked once, when opened: the sections lie inside the
 * bytes, every record ends inside its section. Names and type ids inside records are checked when they are used.
 * Not handled: BTF of the other byte order.
 */
import { ByteView, cstring } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';
import type { Strings } from './name-hash.ts';

export const FORMAT = 'BTF';
const MAGIC = 0xeb9f;
/** The kernel allows KSYM_NAME_LEN, 512 since 6.1. */
const MAX_NAME = 1024;

/** BTF_KIND_*. */
export const KIND = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

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
  /** Word index of each record. */
  readonly #starts: Uint32Array;

  /**
   * @param base - of split BTF (modules): ids and string offsets continue behind it
   * @throws FormatError
   */
  constructor(bytes: Uint8Array, base: BtfRecords | undefined) {
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
    this.strings = { start, bytes: strings, base: base?.strings };
    this.firstId = base?.endId ?? 1;
    this.#words = words(types);
    const scan = scanRecords(this.#words, layout, this.firstId);
    this.#starts = scan.starts;
    this.named = scan.named;
    this.enums = scan.enums;
    this.endId = this.firstId + scan.starts.length;
    this.saysEnumSigns = scan.saysEnumSigns || (base?.saysEnumSigns ?? false);
  }

  /** Word index of a record of this BTF (not of its base). */
  #start(id: number): number {
    const start = this.#starts[id - this.firstId];
    if (start === undefined) throw new FormatError(FORMAT, `no type ${id}`);
    return start;
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

interface Scan {
  readonly starts: Uint32Array;
  readonly named: { readonly ids: Uint32Array; readonly names: Uint32Array };
  readonly enums: Uint32Array;
  readonly saysEnumSigns: boolean;
}

/** One pass over all records, a hundred thousand in a kernel; so it notes at once what every report will ask for. */
function scanRecords(types: Int32Array, layout: Uint8Array, firstId: number): Scan {
  // Words behind struct btf_type by kind; -1 where the kind is not known.
  const fixed = new Int32Array(128).fill(-1);
  const element = new Int32Array(128);
  // struct btf_layout: u8 info_sz (after struct btf_type), u8 elem_sz, u16 flags; one per kind.
  for (let kind = 1; kind < 128; kind++) {
    const known = kind < FIXED.length;
    if (!known && kind * 4 + 4 > layout.length) break;
    fixed[kind] = ((known ? FIXED[kind] : layout[kind * 4]) ?? 0) >> 2;
    element[kind] = ((known ? ELEMENT[kind] : layout[kind * 4 + 1]) ?? 0) >> 2;
  }
  const isType = new Uint8Array(128);
  for (const kind of TYPE_KINDS) isType[kind] = 1;
  const header = RECORD >> 2;
  const most = Math.floor(types.length / header);
  const starts = new Uint32Array(most);
  const ids = new Uint32Array(most);
  const names = new Uint32Array(most);
  const enums: number[] = [];
  let count = 0;
  let named = 0;
  let saysEnumSigns = false;
  let at = 0;
  while (at < types.length) {
    const name = types[at] ?? 0;
    const info = types[at + 1] ?? 0;
    const kind = kindOfInfo(info);
    const once = fixed[kind] ?? -1;
    if (once < 0) throw new FormatError(FORMAT, `kind ${kind} is not known`, at * 4);
    if (isType[kind] === 1) {
      if (name !== 0) {
        ids[named] = firstId + count;
        names[named++] = name;
      }
      if (kind === KIND.ENUM || kind === KIND.ENUM64) {
        enums.push(firstId + count);
        if (info < 0) saysEnumSigns = true;
      }
    }
    starts[count++] = at;
    at += header + once + (element[kind] ?? 0) * vlenOfInfo(info);
  }
  if (at > types.length) throw new FormatError(FORMAT, 'last type is cut off', at * 4);
  return {
    starts: starts.slice(0, count),
    named: { ids: ids.slice(0, named), names: names.slice(0, named) },
    enums: Uint32Array.from(enums),
    saysEnumSigns,
  };
}
