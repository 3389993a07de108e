/** Hand-built LiME images, by LiME's `lime_mem_range_header` alone: shares nothing with the reader. */

export interface LimeRange {
  readonly first: number | bigint;
  readonly data: Uint8Array;
  /** The address of the data's last byte when absent. */
  readonly last?: number | bigint;
  readonly magic?: string;
  readonly version?: number;
}

export function limeFile(ranges: readonly LimeRange[]): Uint8Array {
  return Buffer.concat(
    ranges.flatMap(({ first, data, last, magic, version }) => {
      const header = Buffer.alloc(32);
      header.write(magic ?? 'EMiL', 'latin1');
      header.writeUInt32LE(version ?? 1, 4);
      header.writeBigUInt64LE(BigInt(first), 8);
      header.writeBigUInt64LE(BigInt(last ?? BigInt(first) + BigInt(data.length) - 1n), 16);
      return [header, data];
    }),
  );
}

/** Frames that follow one another make a range. */
export function limeOf(pages: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const frames = [...pages.keys()].sort((a, b) => a - b);
  const ranges: LimeRange[] = [];
  for (let from = 0; from < frames.length; ) {
    let end = from + 1;
    while (end < frames.length && frames[end] === (frames[end - 1] ?? 0) + 1) end++;
    const data = Buffer.concat(frames.slice(from, end).map((frame) => pages.get(frame) ?? new Uint8Array(4096)));
    ranges.push({ first: (frames[from] ?? 0) * 4096, data });
    from = end;
  }
  return limeFile(ranges);
}
