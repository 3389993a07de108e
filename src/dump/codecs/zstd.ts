/** Zstandard (RFC 8878) through node:zlib. The output is limited to a page, so that damaged data cannot blow up. */
import { constants, createZstdDecompress, zstdDecompressSync } from 'node:zlib';
import { type Codec, CodecError } from '../codec.ts';
import { reusedStream } from './reused-stream.ts';

export function zstdCodec(): Codec {
  const reused = reusedStream(createZstdDecompress, constants.ZSTD_e_end, decompressPage, false);
  return {
    name: 'zstd',
    decompress(input, into) {
      return reused?.fill(input, into) === true ? into.length : decompressPage(input, into);
    },
  };
}

function decompressPage(input: Uint8Array, into: Uint8Array): number {
  let output: Buffer;
  try {
    output = zstdDecompressSync(input, { maxOutputLength: into.length });
  } catch (cause) {
    throw new CodecError('zstd', { cause });
  }
  into.set(output);
  return output.length;
}
