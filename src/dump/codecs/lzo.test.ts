import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vectorPage } from '../../../test/builders/lz.ts';
import { CodecError } from '../codec.ts';
import { lzoCodec } from './lzo.ts';

/** `vectorPage()` by liblzo2's lzo1x_1_compress. */
const fromLibrary =
  'AAwwIHRoZSBxdWljayBicm93biBmb3ggMCAKMSB0aGUvYAAFNzkxOSBTCjIzcAAHMTU4MzggREQKMzN4AAgyMzc1NyBSUlIKNDN8AAkzMTY3NiBT' +
  'U1NTCjU0gAADOTU5NSBEYgAKNjOEAAI0NzUxNGgMdQw3M4gAAjU1NDMzlAxhDTgzjAACNjMzNTKgDQJEREQKOTOQAAU3MTI3MSAKMTQEBWAlAjAg' +
  'UwoxNBwFAjg3MTA5aSUxNCgFAjk1MDI4YhkKMTQwBQMxMDI5NDeeGAoxNDwFAzExMDg2NroYCjE0SAUDMTE4Nzg1YA1lJjE0VAUDMTI2NzA0jA1t' +
  'JjE0YAUDMTM0NjIzuA11JjE0bAUGMTQyNTQyIAoxNFQFAzE1MDQ2MWhMNFwFjUwwZScyNGQFAzE2NjI5OWYaCjI0bAUDMTc0MjE4mhkKMjV0BQI4' +
  'MjEzN64ZCjI1eAUCOTAwNTZgDWknMjV8BQI5Nzk3NYwNaScyNIAFAzIwNTg5NLgNaScyNIQFBjIxMzgxMyAKMjRkBQMyMjE3MzJoJzRoBQMyMjk2' +
  'NTFpJzM0bAWBdDBmGgozNHAFAzI0NTQ4OZoZCjM0dAUCMjUzNDB0gGEZMzR4BQIyNjEzMoiBaSczNHwFAjI2OTI0vIFpJzM0gAUCMjc3MTbQgoQO' +
  'NYQFBTg1MDg0IAozNWQFBjkzMDAzIFMKMzRoBQIzMDA5MmaCCjM0bAUDMzA4ODQxiScAIAAAAAAAAAC1AAA0rCQgAACVhDQAAnduIGZveCAxNjYy' +
  'OTkgUlJSCjIyEQAA';

const END = [17, 0, 0] as const;

/** What a stream of these bytes gives, or 'damaged'. */
function decoded(stream: readonly number[], room = 64): string {
  const into = new Uint8Array(room);
  try {
    return Buffer.from(into.subarray(0, lzoCodec().decompress(Uint8Array.from(stream), into))).toString('latin1');
  } catch (error) {
    if (error instanceof CodecError) return 'damaged';
    throw error;
  }
}

const text = (value: string): number[] => [...Buffer.from(value, 'latin1')];

describe('LZO1X', () => {
  it('reads what liblzo2 wrote', () => {
    const into = new Uint8Array(4096);
    expect(lzoCodec().decompress(Buffer.from(fromLibrary, 'base64'), into)).toBe(4096);
    expect(Buffer.compare(into, vectorPage())).toBe(0);
  });

  it('follows each instruction of the description', () => {
    const copies: [string, number[], string][] = [
      ['first byte: 1 literal, then a copy', [18, ...text('a'), 32 | 2, 0, 0], 'a'.repeat(5)],
      ['first byte: 4 literals, then literals are not allowed, a far short copy is', [21, ...text('abcd'), 0, 0], ''],
      ['run of 3 + 4 literals', [4, ...text('abcdefg')], 'abcdefg'],
      ['run of 18 + 1 literals', [0, 1, ...text('abcdefghijklmnopqrs')], 'abcdefghijklmnopqrs'],
      ['copy of 3 from 4 back', [21, ...text('abcd'), 64 | (3 << 2), 0], 'abcdabc'],
      ['copy of 8 from 2 back, which repeats', [21, ...text('abcd'), 128 | (3 << 5) | (1 << 2), 0], 'abcdcdcdcdcd'],
      [
        'copy, 2 literals, copy of 2 from 5 back',
        [21, ...text('abcd'), 66, 0, ...text('xy'), 1 << 2, 1],
        'abcddddxydd',
      ],
      ['copy of 33 + 1 from 1 back', [18, ...text('a'), 32, 1, 0, 0], 'a'.repeat(35)],
    ];
    for (const [what, stream, expected] of copies) {
      expect([what, decoded([...stream, ...END])]).toEqual([what, expected === '' ? 'damaged' : expected]);
    }
  });

  it('copies from 2049, 16384 and 32769 back', () => {
    const run = (bytes: number[]): number[] => {
      const rest = bytes.length - 18;
      const zeros = Math.ceil(rest / 255) - 1;
      return [0, ...Array.from({ length: zeros }, () => 0), rest - 255 * zeros, ...bytes];
    };
    const bytes = Array.from({ length: 40_000 }, (_, i) => 97 + (Math.imul(i, 2654435761) >>> 28));
    const source = Buffer.from(bytes).toString('latin1');
    const from = (distance: number, length: number): string =>
      source + source.slice(40_000 - distance, 40_000 - distance + length);
    expect(decoded([...run(bytes), 0, 0, ...END], 50_000)).toBe(from(2049, 3));
    expect(decoded([...run(bytes), 3 << 2, 255, ...END], 50_000)).toBe(from(3072, 3));
    expect(decoded([...run(bytes), 32 | 3, 0xfc, 0xff, ...END], 50_000)).toBe(from(16384, 5));
    expect(decoded([...run(bytes), 16 | 3, 4, 0, ...END], 50_000)).toBe(from(16385, 5));
    expect(decoded([...run(bytes), 16, 2, 16, 0, ...END], 50_000)).toBe(from(16388, 11));
    expect(decoded([...run(bytes), 16 | 8 | 3, 4, 0, ...END], 50_000)).toBe(from(32_769, 5));
  });

  it('refuses what reaches outside', () => {
    const damaged: [string, number[]][] = [
      ['nothing', []],
      ['no end mark', [21, ...text('abcd')]],
      ['bytes behind the end mark', [18, 97, ...END, 0]],
      ['an end mark that copies', [18, 97, 18, 0, 0]],
      ['a copy before the first byte', [18, 97, 64 | (1 << 2), 0, ...END]],
      ['a copy into nothing', [32 | 2, 0, 0, ...END]],
      ['literals behind the input', [255, 97, 97]],
      ['a run behind the input', [0, 0, 0, 0, 0, 0, 97]],
      ['a run without end', Array.from({ length: 4000 }, () => 0)],
      ['a copy larger than the page', [18, 97, 32, 0, 0, 0, 0, 5, 0, 0, ...END]],
      ['literals larger than the page', [17 + 80, ...text('a'.repeat(80)), ...END]],
      ['a distance that is cut off', [18, 97, 32 | 2, 0]],
      ['trailing literals that are cut off', [18, 97, 32 | 2, 3, 0, 97]],
    ];
    for (const [what, stream] of damaged) expect([what, decoded(stream)]).toEqual([what, 'damaged']);
    expect(decoded([...END])).toBe('');
  });

  it('ends on random bytes, and writes nowhere else', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, bytes, (input, into) => {
        const before = Uint8Array.from(into);
        const room = into.subarray(10, 200);
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
    return lzoCodec().decompress(input, into);
  } catch (error) {
    if (error instanceof CodecError) return 0;
    throw error;
  }
}
