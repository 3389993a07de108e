/** Page compression: damaged pages give CodecError or bytes, in the page and nowhere else; the next page is not harmed. */
import { deflateSync, inflateSync, zstdCompressSync } from 'node:zlib';
import { CodecError } from '../../src/dump/codec.ts';
import { LZO, makeCodec, SNAPPY, ZLIB, ZSTD } from '../../src/dump/codecs/index.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { modelDecode } from '../models/lz-decoders.ts';
import { lzoStream, snappyStream, type Stream } from '../models/lz-streams.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { check, checkBytes, checkSame } from '../violation.ts';

const PAGE = 4096;
const GUARD = 64;

type Decompress = (input: Uint8Array, into: Uint8Array) => number;

function pageOf(random: Random): Uint8Array {
  const page = new Uint8Array(PAGE);
  for (let i = random.below(8); i > 0; i--) page.set(random.bytes(1 << random.below(9)), random.below(PAGE - 512));
  return page;
}

function streamOf(kind: string, random: Random): Stream {
  if (kind === 'lzo') return lzoStream(random, random.pick([1, 60, 300, 3000, 3000, 30_000]));
  if (kind === 'snappy') return snappyStream(random, random.pick([1, 60, 300, 3000, 3000, 30_000]));
  const plain = pageOf(random);
  return { plain, packed: new Uint8Array(kind === 'zlib' ? deflateSync(plain) : zstdCompressSync(plain)) };
}

function inflated(input: Uint8Array): Uint8Array | undefined {
  try {
    return inflateSync(input, { maxOutputLength: 2 ** 20 });
  } catch {
    return undefined;
  }
}

/** Bytes, or undefined for damage. */
function decompressed(decompress: Decompress, input: Uint8Array, room: number): Uint8Array | undefined {
  const buffer = new Uint8Array(room + 2 * GUARD).fill(0xa5);
  const into = buffer.subarray(GUARD, GUARD + room);
  let length: number;
  try {
    length = decompress(input, into);
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  } finally {
    const outside = [...buffer.subarray(0, GUARD), ...buffer.subarray(GUARD + room)];
    check(
      outside.every((byte) => byte === 0xa5),
      () => 'decompression wrote beside the page',
    );
  }
  check(Number.isInteger(length) && length >= 0 && length <= room, () => `${length} bytes for a page of ${room}`);
  return into.subarray(0, length);
}

function baseOf(name: string): Base {
  const [kind = ''] = name.split('#');
  const random = new Random(name);
  const { packed, plain } = streamOf(kind, random);
  const good = streamOf(kind, random);
  const codec = makeCodec({ zlib: ZLIB, zstd: ZSTD, lzo: LZO, snappy: SNAPPY }[kind] ?? 0);
  if (codec === undefined) throw new RangeError(`no codec is called '${kind}'`);
  const decompress: Decompress = (input, into) => codec.decompress(input, into);
  const run = (parts: Parts, pristine: boolean): Summary => {
    const input = parts.get('data');
    if (pristine) {
      checkBytes('what was compressed', decompressed(decompress, input, plain.length), plain);
      checkSame('a page in too little room', decompressed(decompress, input, plain.length - 1), undefined);
      for (let cut = 1; cut < Math.min(8, input.length); cut++) {
        const short = decompressed(decompress, input.subarray(0, input.length - cut), plain.length);
        check(short === undefined || kind === 'zlib', () => `${cut} bytes less and still whole`);
      }
    }
    const room = parts.get('room').length === 0 ? PAGE : plain.length;
    const bytes = decompressed(decompress, input, room);
    if (kind === 'lzo' || kind === 'snappy') checkBytes('the page', bytes, modelDecode(kind, input, room));
    if (kind === 'zlib' && bytes !== undefined) checkBytes('the page', bytes, inflated(input));
    checkBytes('the page after it', decompressed(decompress, good.packed, good.plain.length), good.plain);
    return [kind, bytes?.length ?? 'damaged'];
  };
  const fields: Field[] = Array.from({ length: Math.min(packed.length, 48) }, (_, at) => ({
    part: 'data',
    at,
    size: at % 3 === 0 ? 2 : 1,
    role: 'length',
    group: 'start',
  }));
  const parts = new Map([
    ['data', packed],
    ['room', new Uint8Array(random.below(2))],
  ]);
  return { parts, fields, run };
}

export const codecs: Target = {
  name: 'codecs',
  reads: 'compressed pages: zlib, LZO, snappy, zstd (dump/codecs)',
  throws: [],
  bases: ['zlib#', 'zstd#', 'lzo#', 'snappy#'].map((name) => ({ name, weight: 1 })),
  allocates: { fixed: 2 ** 20, perByte: 16 },
  base: baseOf,
};
