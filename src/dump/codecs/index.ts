/**
 * The codecs by the bit that a kdump page descriptor (and the header's status) names them with:
 * DUMP_DH_COMPRESSED_ZLIB 1, _LZO 2, _SNAPPY 4, _ZSTD 0x20 in makedumpfile's diskdump_mod.h.
 */
import type { Codec } from '../codec.ts';
import { lzoCodec } from './lzo.ts';
import { snappyCodec } from './snappy.ts';
import { zlibCodec } from './zlib.ts';
import { zstdCodec } from './zstd.ts';

export const ZLIB = 0x1;
export const LZO = 0x2;
export const SNAPPY = 0x4;
export const ZSTD = 0x20;

const names: ReadonlyMap<number, string> = new Map([
  [0, 'uncompressed'],
  [ZLIB, 'zlib'],
  [LZO, 'lzo'],
  [SNAPPY, 'snappy'],
  [ZSTD, 'zstd'],
]);

const makers: ReadonlyMap<number, () => Codec> = new Map([
  [ZLIB, zlibCodec],
  [LZO, lzoCodec],
  [SNAPPY, snappyCodec],
  [ZSTD, zstdCodec],
]);

/** What people call this compression bit. */
export function codecName(bit: number): string {
  return names.get(bit) ?? `compression 0x${bit.toString(16)}`;
}

/** A new codec for this bit; undefined when there is none. */
export function makeCodec(bit: number): Codec | undefined {
  return makers.get(bit)?.();
}
