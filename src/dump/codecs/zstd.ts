/**
 * Zstandard (RFC 8878) through node:zlib. The output is limited to a page, so that damaged data cannot blow up. Whether
 * the frame is whole is checked here: Node 22 takes one that was cut off for finished, and a reused stream would go on
 * inside it with the next page.
 */
import { constants, createZstdDecompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type Codec, CodecError } from '../codec.ts';
import { reusedStream } from './reused-stream.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

export function zstdCodec(): Codec {
  const sample = { packed: zstdCompressSync(Buffer.from('page')), size: 4 };
  const reused = reusedStream(createZstdDecompress, constants.ZSTD_e_end, decompressPage, false, sample);
  return {
    name: 'zstd',
    decompress(input, into) {
      if (!isWholeFrame(input)) throw new CodecError('zstd');
      const filled = reused?.fill(input, into);
      if (filled === 'damaged') throw new CodecError('zstd');
      return filled === true ? into.length : decompressPage(input, into);
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

/** True when `input` is one frame from its first to its last byte, by the sizes in its headers (RFC 8878, 3.1.1). */
function isWholeFrame(input: Uint8Array): boolean {
  if (!MAGIC.every((byte, i) => input[i] === byte)) return false;
  const descriptor = input[4] ?? 0;
  const singleSegment = (descriptor >> 5) & 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = [singleSegment, 2, 4, 8][descriptor >> 6] ?? 0;
  const checksumBytes = (descriptor >> 2) & 1 ? 4 : 0;
  let at = 5 + (1 - singleSegment) + dictionaryBytes + sizeBytes;
  // Every round moves on by at least a block header.
  while (at + 3 <= input.length) {
    const header = (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8) | ((input[at + 2] ?? 0) << 16);
    const type = (header >> 1) & 3;
    if (type === BLOCK_RESERVED) return false;
    at += 3 + (type === BLOCK_RLE ? 1 : header >> 3);
    if ((header & 1) === 1) return at + checksumBytes === input.length;
  }
  return false;
}
