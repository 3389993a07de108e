/**
 * A flattened file put together the slow way: every record's bytes copied to their place (makedumpfile.h), as `makedumpfile
 * -R` does. No opinion on files that stand for more than a few MiB.
 */
const MAX_SIZE = 4 * 2 ** 20;

export interface ModelFlattened {
  readonly bytes: Uint8Array;
  /** 1 for each byte that a record wrote. */
  readonly written: Uint8Array;
  /** The end mark was not reached: what was not written is missing, and not zero. */
  readonly cut: boolean;
}

export function modelFlattened(file: Uint8Array): ModelFlattened | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  const records: { readonly offset: number; readonly data: Uint8Array }[] = [];
  let size = 0;
  let cut = true;
  let zeros = 0;
  for (let at = 4096; at + 16 <= bytes.length; ) {
    const offset = bytes.readBigInt64BE(at);
    const length = bytes.readBigInt64BE(at + 8);
    if (offset === -1n && length === -1n) cut = false;
    if (offset < 0n || length < 0n || offset + length > BigInt(Number.MAX_SAFE_INTEGER)) break;
    // Zeros are no records: a second one in a row ends what can be read.
    zeros = offset === 0n && length === 0n ? zeros + 1 : 0;
    if (zeros > 1) break;
    const data = bytes.subarray(at + 16, Number(BigInt(at + 16) + length));
    if (data.length > 0) {
      records.push({ offset: Number(offset), data });
      size = Math.max(size, Number(offset) + data.length);
    }
    at += 16 + Number(length);
  }
  if (size > MAX_SIZE) return undefined;
  const whole = new Uint8Array(size);
  const written = new Uint8Array(size);
  for (const { offset, data } of records) {
    whole.set(data, offset);
    written.fill(1, offset, offset + data.length);
  }
  return { bytes: whole, written, cut };
}
