/** The other direction, for the writer: one page to its compressed bytes, as the readers of kdump files expect it. */
import { constants, deflateSync, zstdCompressSync } from 'node:zlib';

export type PageCompressor = (page: Uint8Array) => Uint8Array;

export function zlibCompressor(level: number): PageCompressor {
  return (page) => deflateSync(page, { level });
}

export function zstdCompressor(level: number): PageCompressor {
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  return (page) => zstdCompressSync(page, { params, pledgedSrcSize: page.length });
}
