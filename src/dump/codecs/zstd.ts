/** Zstandard (RFC 8878) through node:zlib. The output is limited to a page, so that damaged data cannot blow up. */
import { zstdDecompressSync } from 'node:zlib';
import { type Codec, CodecError } from '../codec.ts';

export function zstdCodec(): Codec {
  return {
    name: 'zstd',
    decompress(input, into) {
      let output: Buffer;
      try {
        output = zstdDecompressSync(input, { chunkSize: into.length + 64, maxOutputLength: into.length });
      } catch (cause) {
        throw new CodecError('zstd', { cause });
      }
      into.set(output);
      return output.length;
    },
  };
}
