/** zlib (RFC 1950) through node:zlib. The output is limited to a page, so that damaged data cannot blow up. */
import { constants, createInflate, inflateSync } from 'node:zlib';
import { type Codec, CodecError } from '../codec.ts';
import { reusedStream } from './reused-stream.ts';

export function zlibCodec(): Codec {
  const reused = reusedStream(createInflate, constants.Z_FINISH, inflatePage, true);
  return {
    name: 'zlib',
    decompress(input, into) {
      return reused?.fill(input, into) === true ? into.length : inflatePage(input, into);
    },
  };
}

function inflatePage(input: Uint8Array, into: Uint8Array): number {
  let output: Buffer;
  try {
    output = inflateSync(input, { maxOutputLength: into.length });
  } catch (cause) {
    throw new CodecError('zlib', { cause });
  }
  into.set(output);
  return output.length;
}
