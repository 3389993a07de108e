/** zlib (RFC 1950) through node:zlib. The output is limited to a page, so that damaged data cannot blow up. */
import { constants, createInflate, deflateSync, inflateSync } from 'node:zlib';
import { type Codec, CodecError } from '../codec.ts';
import { reusedStream } from './reused-stream.ts';

export function zlibCodec(): Codec {
  const sample = { packed: deflateSync(Buffer.from('page')), size: 4 };
  const reused = reusedStream(createInflate, constants.Z_FINISH, inflatePage, true, sample);
  return {
    name: 'zlib',
    decompress(input, into) {
      const filled = reused?.fill(input, into);
      if (filled === 'damaged') throw new CodecError('zlib');
      return filled === true ? into.length : inflatePage(input, into);
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
