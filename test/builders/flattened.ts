/**
 * makedumpfile's flattened format for tests, by makedumpfile.h alone: shares nothing with the reader. Every record can be
 * set to nonsense.
 */
export interface RecordSpec {
  /** Where the data belongs. */
  readonly offset: number | bigint;
  readonly data: Uint8Array;
  /** The data's length when absent. */
  readonly size?: number | bigint;
}

export interface FlattenedOptions {
  /** 1 when absent. */
  readonly type?: number;
  /** 1 when absent. */
  readonly version?: number;
  /** No end mark. */
  readonly open?: boolean;
}

export function flattenedFile(records: readonly RecordSpec[], options: FlattenedOptions = {}): Uint8Array {
  const head = Buffer.alloc(4096);
  head.write('makedumpfile', 'latin1');
  head.writeBigInt64BE(BigInt(options.type ?? 1), 16);
  head.writeBigInt64BE(BigInt(options.version ?? 1), 24);
  const parts: Uint8Array[] = [head];
  const add = (offset: bigint, size: bigint, data: Uint8Array): void => {
    const header = Buffer.alloc(16);
    header.writeBigInt64BE(BigInt.asIntN(64, offset), 0);
    header.writeBigInt64BE(BigInt.asIntN(64, size), 8);
    parts.push(header, data);
  };
  for (const { offset, data, size } of records) add(BigInt(offset), BigInt(size ?? data.length), data);
  if (options.open !== true) add(-1n, -1n, new Uint8Array(0));
  return Buffer.concat(parts);
}

/** A whole file as records of `size` bytes, in order. */
export function recordsOf(file: Uint8Array, size: number): RecordSpec[] {
  return Array.from({ length: Math.ceil(file.length / size) }, (_, i) => ({
    offset: i * size,
    data: file.subarray(i * size, (i + 1) * size),
  }));
}
