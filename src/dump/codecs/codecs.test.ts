import { constants, createInflate, deflateSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lzoCompress, snappyCompress } from '../../../test/builders/lz.ts';
import { type Codec, CodecError } from '../codec.ts';
import { zlibCompressor, zstdCompressor } from './compress.ts';
import { codecName, LZO, makeCodec, SNAPPY, ZLIB, ZSTD } from './index.ts';
import { lzoCodec } from './lzo.ts';
import { reusedStream } from './reused-stream.ts';
import { snappyCodec } from './snappy.ts';
import { zlibCodec } from './zlib.ts';
import { zstdCodec } from './zstd.ts';

/** Bytes decompressed; undefined when the codec says that the input is damaged. */
function attempt(codec: Codec, input: Uint8Array, into: Uint8Array): number | undefined {
  try {
    return codec.decompress(input, into);
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}

const page = fc
  .array(fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 600 })), { minLength: 1, maxLength: 40 })
  .map((runs) => {
    const bytes = new Uint8Array(4096);
    let at = 0;
    for (const [value, length] of runs) bytes.fill(value, at, (at += length));
    return bytes;
  });

describe.each([
  { name: 'zlib', make: zlibCodec, compress: deflateSync, ours: zlibCompressor(6), detects: true, large: 2 ** 26 },
  {
    name: 'zstd',
    make: zstdCodec,
    compress: zstdCompressSync,
    ours: zstdCompressor(6),
    detects: false,
    large: 2 ** 26,
  },
  { name: 'lzo', make: lzoCodec, compress: lzoCompress, ours: lzoCompress, detects: false, large: 2 ** 18 },
  { name: 'snappy', make: snappyCodec, compress: snappyCompress, ours: snappyCompress, detects: false, large: 2 ** 18 },
])('$name', ({ make, compress, ours, detects, large }) => {
  it('gives back the page, one after the other', () => {
    const codec = make();
    const into = new Uint8Array(4096);
    fc.assert(
      fc.property(page, (bytes) => {
        for (const packed of [compress(bytes), ours(bytes)]) {
          expect(codec.decompress(packed, into)).toBe(4096);
          expect(Buffer.compare(into, bytes)).toBe(0);
        }
      }),
    );
  });

  it('refuses damaged bytes, and the next page is right all the same', () => {
    const codec = make();
    const into = new Uint8Array(4096);
    const other = new Uint8Array(4096).fill(5);
    fc.assert(
      fc.property(page, fc.nat(), fc.nat(), fc.nat(7), (bytes, keep, at, bit) => {
        const packed = Uint8Array.from(compress(bytes));
        const flip = at % packed.length;
        for (const damaged of [
          packed.subarray(0, keep % packed.length),
          packed.map((byte, i) => (i === flip ? byte ^ (1 << bit) : byte)),
          Uint8Array.of(keep & 0xff, at & 0xff, bit),
        ]) {
          const length = attempt(codec, damaged, into);
          // zlib's checksum covers all; the others have none, so a flipped bit may stay unseen.
          const right = length === 4096 && Buffer.compare(into, bytes) === 0;
          expect(length === undefined || right || (!detects && length <= 4096)).toBe(true);
          expect(codec.decompress(compress(other), into)).toBe(4096);
          expect(Buffer.compare(into, other)).toBe(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('refuses every truncation', () => {
    const codec = make();
    const packed = compress(Uint8Array.from({ length: 4096 }, (_, i) => (i * i) >> 5));
    for (let length = 0; length < packed.length; length++) {
      expect(() => codec.decompress(packed.subarray(0, length), new Uint8Array(4096))).toThrow(CodecError);
    }
  });

  it('refuses what would not fit a page, however much that is', () => {
    const codec = make();
    const into = new Uint8Array(4096);
    expect(() => codec.decompress(compress(new Uint8Array(4097)), into)).toThrow(CodecError);
    expect(() => codec.decompress(compress(new Uint8Array(large)), into)).toThrow(CodecError);
    expect(codec.decompress(compress(new Uint8Array(100)), into)).toBe(100);
  });

  it('reads pages of several sizes', () => {
    const codec = make();
    for (const size of [65536, 4096, 16384]) {
      const bytes = new Uint8Array(size).fill(size >> 9);
      const into = new Uint8Array(size);
      expect(codec.decompress(compress(bytes), into)).toBe(size);
      expect(Buffer.compare(into, bytes)).toBe(0);
    }
  });
});

describe('zstd', () => {
  // RFC 8878: magic, single segment with a 2-byte content size of 4096 (stored less 256), one raw block.
  const head = [0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x00, 0x0f];
  const rawBlock = (last: number): Uint8Array => Uint8Array.of((4096 << 3) | last, 4096 >> 5, 4096 >> 13);
  const bytes = new Uint8Array(4096).fill(7);
  const whole = Buffer.concat([Uint8Array.from(head), rawBlock(0), bytes, Uint8Array.of(1, 0, 0)]);

  it('refuses a frame that lacks but its empty last block, and does not go on in it', () => {
    const codec = zstdCodec();
    const into = new Uint8Array(4096);
    expect(codec.decompress(whole, into)).toBe(4096);
    expect(() => codec.decompress(whole.subarray(0, whole.length - 3), into)).toThrow(CodecError);
    expect(codec.decompress(Buffer.concat([Uint8Array.from(head), rawBlock(1), bytes]), into)).toBe(4096);
    expect(Buffer.compare(into, bytes)).toBe(0);
  });

  it('refuses bytes behind the frame, and frames that are not of data', () => {
    const codec = zstdCodec();
    const skippable = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9);
    for (const input of [Buffer.concat([whole, skippable]), Buffer.concat([skippable, whole]), skippable]) {
      expect(() => codec.decompress(input, new Uint8Array(4096))).toThrow(CodecError);
    }
  });

  it('reads frames with and without content size and checksum', () => {
    const codec = zstdCodec();
    for (const checksum of [0, 1]) {
      for (const contentSize of [0, 1]) {
        const params = { [constants.ZSTD_c_checksumFlag]: checksum, [constants.ZSTD_c_contentSizeFlag]: contentSize };
        const packed = zstdCompressSync(bytes, { params, pledgedSrcSize: bytes.length });
        const into = new Uint8Array(4096);
        expect(codec.decompress(packed, into)).toBe(4096);
        expect(() => codec.decompress(packed.subarray(0, -1), into)).toThrow(CodecError);
      }
    }
  });
});

describe('reusedStream', () => {
  const bytes = new Uint8Array(4096).fill(7);
  const packed = deflateSync(bytes);
  const right = (_: Uint8Array, into: Uint8Array): number => into.fill(7).length;

  it('is used when it agrees with the public call', () => {
    const stream = reusedStream(createInflate, constants.Z_FINISH, right, true);
    const into = new Uint8Array(4096);
    expect(stream?.fill(packed, into)).toBe(true);
    expect(Buffer.compare(into, bytes)).toBe(0);
  });

  it('is never used when it does not', () => {
    const wrong = (_: Uint8Array, into: Uint8Array): number => into.fill(8).length;
    const stream = reusedStream(createInflate, constants.Z_FINISH, wrong, true);
    expect([1, 2].map(() => stream?.fill(packed, new Uint8Array(4096)))).toEqual([false, false]);
  });

  it('is not there when streams look different inside', () => {
    expect(reusedStream(() => ({ on: () => 0 }), 4, right, true)).toBeUndefined();
    const odd = { on: () => 0, _handle: { reset() {} }, _writeState: new Uint32Array(2) };
    expect(reusedStream(() => odd, 4, right, true)).toBeUndefined();
  });

  it('tells damage by itself, and leaves no destroyed stream behind that waits for the event loop', () => {
    const made: { readonly destroyed: boolean }[] = [];
    const asked: Uint8Array[] = [];
    const make = () => {
      const stream = createInflate();
      made.push(stream);
      return stream;
    };
    const reference = (input: Uint8Array, into: Uint8Array): number => {
      asked.push(input);
      return into.fill(7).length;
    };
    const sample = { packed: deflateSync(Uint8Array.of(7, 7, 7)), size: 3 };
    const stream = reusedStream(make, constants.Z_FINISH, reference, true, sample);
    const damaged = packed.map((byte, i) => (i > 4 ? byte ^ 0x55 : byte));
    for (let i = 0; i < 50; i++) expect(stream?.fill(damaged, new Uint8Array(4096))).toBe('damaged');
    expect(asked).toEqual([sample.packed]);
    expect(made.length).toBeGreaterThan(50);
    expect(made.filter(({ destroyed }) => destroyed)).toEqual([]);
    expect(stream?.fill(packed, new Uint8Array(4096))).toBe(true);
  });

  it('has doubts about damage while nothing has proven it', () => {
    const damaged = packed.map((byte, i) => (i > 4 ? byte ^ 0x55 : byte));
    const unproven = reusedStream(createInflate, constants.Z_FINISH, right, true);
    expect(unproven?.fill(damaged, new Uint8Array(4096))).toBe(false);
    expect(unproven?.fill(packed, new Uint8Array(4096))).toBe(true);
    expect(unproven?.fill(damaged, new Uint8Array(4096))).toBe('damaged');
    const sample = { packed: deflateSync(Uint8Array.of(8)), size: 1 };
    const wrong = reusedStream(createInflate, constants.Z_FINISH, right, true, sample);
    expect([1, 2].map(() => wrong?.fill(damaged, new Uint8Array(4096)))).toEqual([false, false]);
    expect(wrong?.fill(packed, new Uint8Array(4096))).toBe(false);
  });

  it('gives up on a stream that fails', () => {
    let made = 0;
    const failing = (): { on: () => number } => {
      made++;
      const writeSync = (): never => {
        throw new Error('not as it was');
      };
      return Object.assign({ on: () => 0 }, { _handle: { reset() {}, writeSync }, _writeState: new Uint32Array(2) });
    };
    const stream = reusedStream(failing, 4, right, true);
    expect(stream?.fill(packed, new Uint8Array(4096))).toBe(false);
    expect(made).toBe(2);
  });
});

it('knows the codecs by their bits', () => {
  expect([ZLIB, LZO, SNAPPY, ZSTD].map((bit) => makeCodec(bit)?.name)).toEqual(['zlib', 'lzo', 'snappy', 'zstd']);
  expect([0, 3, 0x40].map((bit) => makeCodec(bit))).toEqual([undefined, undefined, undefined]);
  expect([0, ZLIB, LZO, SNAPPY, ZSTD, 0x40].map(codecName)).toEqual([
    'uncompressed',
    'zlib',
    'lzo',
    'snappy',
    'zstd',
    'compression 0x40',
  ]);
});
