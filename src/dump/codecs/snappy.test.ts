import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vectorPage } from '../../../test/builders/lz.ts';
import { CodecError } from '../codec.ts';
import { snappyCodec } from './snappy.ts';

/** `vectorPage()` by libsnappy's snappy_compress. */
const fromLibrary =
  'gCBkMCB0aGUgcXVpY2sgYnJvd24gZm94IDAgCjFSGQAcNzkxOSBTCjJSHQAkMTU4MzggREQKM1IfACgyMzc1NyBSUlIKNFIgACwzMTY3NiBTU1NT' +
  'CjVWIQAUOTU5NSBEAQEECjZSIgAQNDc1MTQBYwFmADdSIwAQNTU0MzMFZgFpADhSJAAQNjMzNTIJaRBEREQKOVIlABw3MTI3MSAKMVZCASEpEDAg' +
  'UwoxVkgBEDg3MTA5ISsAMVZLARA5NTAyOAHJBAoxVk0BFDEwMjk0NwXIBAoxVlABFDExMDg2NgnHBAoxVlMBFDExODc4NQFpITIAMVZWARQxMjY3' +
  'MDQFbCE0ADFWWQEUMTM0NjIzCW8hNgAxVlwBIDE0MjU0MiAKMVZWARQxNTA0NjFBY1ZYAUVkADAhOgAyVloBFDE2NjI5OQHSBAoyVlwBFDE3NDIx' +
  'OAXPBAoyWl4BEDgyMTM3CcwECjJaXwEQOTAwNTYBaSE7ADJaYAEQOTc5NzUFbCE7ADJWYQEUMjA1ODk0CW8hOwAyVmIBIDIxMzgxMyAKMlZaARQy' +
  'MjE3MzIhO1ZbARQyMjk2NTEhOwAzVlwBADJhoQAwAdIECjNWXQEUMjQ1NDg5Bc8ECjNWXgEUMjUzNDA4CcwECjNWXwEQMjYxMzKFCyE7ADNWYAEQ' +
  'MjY5MjSJECE7ADNWYQEQMjc3MTaNFSE7ADNaYgEcODUwODQgCjNaWgEgOTMwMDMgUwozVlsBEDMwMDkygRIECjNWXAEUMzA4ODQxJTsAAP4BAP4B' +
  'AP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4BAP4B' +
  'AP4BADoBAFYsCf4iDf4iDf4iDf4iDf4iDf4iDf4iDf4iDf4iDf4iDf4iDR4iDQ==';

/** What a stream of these bytes gives, or 'damaged'. */
function decoded(stream: readonly number[], room = 64): string {
  const into = new Uint8Array(room);
  try {
    return Buffer.from(into.subarray(0, snappyCodec().decompress(Uint8Array.from(stream), into))).toString('latin1');
  } catch (error) {
    if (error instanceof CodecError) return 'damaged';
    throw error;
  }
}

const text = (value: string): number[] => [...Buffer.from(value, 'latin1')];
const abcd = [3 << 2, ...text('abcd')];

describe('snappy', () => {
  it('reads what libsnappy wrote', () => {
    const into = new Uint8Array(4096);
    expect(snappyCodec().decompress(Buffer.from(fromLibrary, 'base64'), into)).toBe(4096);
    expect(Buffer.compare(into, vectorPage())).toBe(0);
  });

  it('follows each tag of the description', () => {
    const long = 'x'.repeat(61);
    const sound: [string, number[], string][] = [
      ['nothing', [0], ''],
      ['a literal', [4, ...abcd], 'abcd'],
      ['a literal with its length in 1 byte', [61, 60 << 2, 60, ...text(long)], long],
      ['in 2 bytes', [61, 61 << 2, 60, 0, ...text(long)], long],
      ['in 3 bytes', [61, 62 << 2, 60, 0, 0, ...text(long)], long],
      ['in 4 bytes', [61, 63 << 2, 60, 0, 0, 0, ...text(long)], long],
      ['a copy with 1 byte of distance', [9, ...abcd, 1 | (1 << 2), 3], 'abcdbcdbc'],
      ['with 2 bytes', [6, ...abcd, 2 | (1 << 2), 4, 0], 'abcdab'],
      ['with 4 bytes', [5, ...abcd, 3, 1, 0, 0, 0], 'abcdd'],
    ];
    for (const [what, stream, expected] of sound) expect([what, decoded(stream)]).toEqual([what, expected]);
  });

  it('copies from 2047 back with the short tag', () => {
    const bytes = Array.from({ length: 2048 }, (_, i) => 97 + (i % 23));
    const copied = String.fromCharCode(...bytes.slice(1, 5));
    const stream = [0x84, 0x10, 61 << 2, 0xff, 0x07, ...bytes, 1 | (7 << 5), 255];
    expect(decoded(stream, 4096)).toBe(String.fromCharCode(...bytes) + copied);
  });

  it('refuses what reaches outside', () => {
    const damaged: [string, number[]][] = [
      ['no bytes', []],
      ['a length that does not end', [255, 255, 255, 255, 255, 1]],
      ['a length above that of a page', [65, ...abcd]],
      ['less than the stated length', [5, ...abcd]],
      ['more than the stated length', [3, ...abcd]],
      ['a literal behind the input', [4, 3 << 2, 97, 98, 99]],
      ['a literal of 2^32 bytes', [4, 63 << 2, 255, 255, 255, 255, 97]],
      ['the length of a literal cut off', [4, ...abcd, 61 << 2, 0]],
      ['a copy from 0 back', [8, ...abcd, 1, 0]],
      ['a copy before the first byte', [8, ...abcd, 1, 5]],
      ['a copy from 2^31 back', [8, ...abcd, 3 | (3 << 2), 0, 0, 0, 0x80]],
      ['a copy behind the stated length', [7, ...abcd, 1, 4]],
      ['a copy that is cut off', [8, ...abcd, 1]],
      ['a distance that is cut off', [5, ...abcd, 2, 1]],
    ];
    for (const [what, stream] of damaged) expect([what, decoded(stream)]).toEqual([what, 'damaged']);
  });

  it('ends on random bytes, and writes nowhere else', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.nat(250), bytes, bytes, (size, body, into) => {
        const before = Uint8Array.from(into);
        const room = into.subarray(10, 200);
        const input = Uint8Array.of(size & 0x7f, ...body);
        expect(decodedLength(input, room)).toBeLessThanOrEqual(room.length);
        expect(Buffer.compare(into.subarray(0, 10), before.subarray(0, 10))).toBe(0);
        expect(Buffer.compare(into.subarray(200), before.subarray(200))).toBe(0);
      }),
      { numRuns: 2000 },
    );
  });
});

function decodedLength(input: Uint8Array, into: Uint8Array): number {
  try {
    return snappyCodec().decompress(input, into);
  } catch (error) {
    if (error instanceof CodecError) return 0;
    throw error;
  }
}
