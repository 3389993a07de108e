/**
 * BTF walked the slow way, after Documentation/bpf/btf.rst: where its records and their fields lie. Tells the fuzzer which
 * fields there are, and what the reader must find.
 */
export interface ModelRecord {
  /** Byte offset of struct btf_type in the file. */
  readonly at: number;
  readonly kind: number;
  readonly nameOffset: number;
  readonly flag: boolean;
  readonly vlen: number;
  readonly sizeOrType: number;
  /** The words behind struct btf_type. */
  readonly extra: readonly number[];
}

export interface ModelBtf {
  readonly records: readonly ModelRecord[];
  readonly strings: Uint8Array;
}

/** Words behind struct btf_type: once, and per element. */
const WORDS: { readonly [kind: number]: readonly [once: number, each: number] } = {
  1: [1, 0],
  2: [0, 0],
  3: [3, 0],
  4: [0, 3],
  5: [0, 3],
  6: [0, 2],
  7: [0, 0],
  8: [0, 0],
  9: [0, 0],
  10: [0, 0],
  11: [0, 0],
  12: [0, 0],
  13: [0, 2],
  14: [1, 0],
  15: [0, 3],
  16: [0, 0],
  17: [1, 0],
  18: [0, 0],
  19: [0, 3],
};

/** Undefined where the bytes are no BTF, or have kinds that only a layout section explains. */
export function modelBtf(bytes: Uint8Array): ModelBtf | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 24 || view.getUint16(0, true) !== 0xeb9f || bytes[2] !== 1) return undefined;
  const header = view.getUint32(4, true);
  const section = (field: number): readonly [number, number] => {
    const start = header + view.getUint32(field, true);
    return [start, start + view.getUint32(field + 4, true)];
  };
  const [typesAt, typesEnd] = section(8);
  const [stringsAt, stringsEnd] = section(16);
  if (header < 24 || typesEnd > bytes.length || stringsEnd > bytes.length) return undefined;
  const records: ModelRecord[] = [];
  // What is left of a word at the end is no record.
  const end = typesEnd - ((typesEnd - typesAt) % 4);
  for (let at = typesAt; at < end; ) {
    if (at + 12 > end) return undefined;
    const info = view.getUint32(at + 4, true);
    const kind = (info >>> 24) & 0x7f;
    const vlen = info & 0xffffff;
    const words = WORDS[kind];
    if (words === undefined) return undefined;
    const count = words[0] + words[1] * vlen;
    if (at + 12 + count * 4 > end) return undefined;
    records.push({
      at,
      kind,
      nameOffset: view.getUint32(at, true),
      flag: info >>> 31 === 1,
      vlen,
      sizeOrType: view.getUint32(at + 8, true),
      extra: Array.from({ length: count }, (_, i) => view.getUint32(at + 12 + i * 4, true)),
    });
    at += 12 + count * 4;
  }
  return { records, strings: bytes.subarray(stringsAt, stringsEnd) };
}

/** The string at an offset of these strings; 'outside' when there is none, undefined for the empty one. */
export function modelString(strings: Uint8Array, offset: number): string | undefined {
  if (offset >= strings.length) return 'outside';
  const [text = ''] = Buffer.from(strings.subarray(offset, offset + 1024))
    .toString('latin1')
    .split('\0', 1);
  return text === '' ? undefined : text;
}
