import { mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { FormatError } from '../base/errors.ts';
import { type ByteSource, memorySource } from './byte-source.ts';
import { FileSource } from './file-source.ts';

const content = Uint8Array.from({ length: 300_001 }, (_, i) => (i * 7 + (i >> 9)) & 0xff);
const folder = mkdtempSync(join(tmpdir(), 'kwhy-source-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileSource(bytes: Uint8Array): ByteSource {
  const path = join(folder, 'file');
  writeFileSync(path, bytes);
  return new FileSource(openSync(path, 'r'));
}

describe.each([
  { kind: 'file', make: fileSource },
  { kind: 'memory', make: memorySource },
])('ByteSource of a $kind', ({ make }) => {
  it('reads and peeks any range, across blocks and at the end', () => {
    const source = make(content);
    expect(source.size).toBe(content.length);
    const range = fc.tuple(fc.nat(content.length), fc.oneof(fc.nat(64), fc.nat(40_000), fc.nat(200_000)));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
        for (const [start, length] of ranges) {
          const expected = content.subarray(start, start + length);
          const into = new Uint8Array(expected.length);
          source.read(start, into);
          expect(Buffer.compare(into, expected)).toBe(0);
          expect(Buffer.compare(source.peek(start, expected.length), expected)).toBe(0);
        }
      }),
      { numRuns: 40 },
    );
    source.close();
  });

  it('throws FormatError outside', () => {
    const source = make(content);
    const outside: [number, number][] = [
      [content.length, 1],
      [content.length - 3, 4],
      [-1, 1],
      [0, content.length + 1],
      [Number.NaN, 1],
      [0.5, 1],
      [2 ** 53, 1],
      [Number.POSITIVE_INFINITY, 0],
    ];
    for (const [offset, length] of outside) {
      expect(() => source.peek(offset, length)).toThrow(FormatError);
      expect(() => source.read(offset, new Uint8Array(length))).toThrow(FormatError);
    }
    expect(source.peek(content.length, 0).length).toBe(0);
    source.close();
  });
});

describe('FileSource', () => {
  it('gives FormatError where the file has shrunk, and the rest all the same', () => {
    const path = join(folder, 'shrinking');
    writeFileSync(path, content);
    const source = new FileSource(openSync(path, 'r'));
    truncateSync(path, 100_000);
    expect(() => source.peek(200_000, 10)).toThrow(/ended while it was being read/);
    expect(() => source.read(50_000, new Uint8Array(200_000))).toThrow(FormatError);
    // In the block that is cut in two.
    expect(source.peek(99_990, 10)[9]).toBe(content[99_999]);
    expect(() => source.peek(99_990, 11)).toThrow(FormatError);
    expect(source.peek(5, 1)[0]).toBe(content[5]);
    source.close();
  });

  it('does not remember a last block whose memory it has used for one that cannot be read', () => {
    const block = 16_384;
    const path = join(folder, 'blocks');
    const big = Uint8Array.from({ length: 300 * block }, (_, i) => Math.floor(i / block) & 0xff);
    writeFileSync(path, big);
    const source = new FileSource(openSync(path, 'r'));
    // 256 blocks are held. The second round protects all; 256 then takes the first slot, and 257 the second.
    const all = Array.from({ length: 256 }, (_, i) => i);
    for (const number of [...all, ...all, 256, ...all.slice(2), 256, 257]) source.peek(number * block, 1);
    truncateSync(path, 290 * block + 5);
    // Fills five bytes of the only slot left unprotected, that of block 257, the last one.
    expect(() => source.peek(290 * block, 10)).toThrow(FormatError);
    expect(source.peek(257 * block, 6)).toEqual(new Uint8Array(6).fill(257 & 0xff));
    source.close();
  });

  it('gives FormatError for I/O errors', () => {
    // A directory can be opened, but not read.
    const source = new FileSource(openSync(folder, 'r'));
    expect(() => source.peek(0, Math.min(1, source.size))).toThrow(/cannot be read: EISDIR/);
    source.close();
    source.close();
  });

  it('keeps what it peeked right while other blocks come and go', () => {
    const big = Uint8Array.from({ length: 6 * 2 ** 20 }, (_, i) => (i >> 14) & 0xff);
    const source = fileSource(big);
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < big.length; at += 16_384 * 7) expect(source.peek(at, 2)[1]).toBe((at >> 14) & 0xff);
    }
    source.close();
  });
});
