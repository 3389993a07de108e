/** zlib (RFC 1950) through node:zlib. The output is limited to a page, so that damaged data cannot blow up. */
import { inflateSync } from 'node:zlib';
import { type Codec, CodecError } from '../codec.ts';

export function zlibCodec(): Codec {
  return {
    name: 'zlib',
    decompress(input, into) {
      let output: Buffer;
      try {
        output = inflateSync(input, { chunkSize: into.length + 64, maxOutputLength: into.length });
      } catch (cause) {
        throw new CodecError('zlib', { cause });
      }
      into.set(output);
      return output.length;
    },
  };
}
