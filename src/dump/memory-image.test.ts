import { describe, expect, it } from 'vitest';
import { filledPage } from '../../test/builders/elf-file.ts';
import { flattenedFile, recordsOf } from '../../test/builders/flattened.ts';
import { limeFile, type LimeRange } from '../../test/builders/memory-image.ts';
import { pfn } from '../base/address.ts';
import { memorySource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { openSource } from './open.ts';

/** State of each frame, and for data its first byte. */
function states(dump: DumpFile, frames: readonly number[]): string[] {
  const page = new Uint8Array(4096);
  return frames.map((frame) => {
    const status = dump.readPage(pfn(frame), page);
    return status === 'data' ? `${dump.status(pfn(frame))} ${page[0]}` : status;
  });
}

function frames(dump: DumpFile): number[] {
  const found: number[] = [];
  for (let at = dump.nextInFile(pfn(0)); at !== undefined; at = dump.nextInFile(pfn(at + 1))) found.push(at);
  return found;
}

const lime = (ranges: readonly LimeRange[]): DumpFile => openSource(memorySource(limeFile(ranges)), 'x');
const two: readonly LimeRange[] = [
  { first: 0x1000, data: Buffer.concat([filledPage(1), filledPage(0)]) },
  { first: 2 ** 32, data: filledPage(7) },
];

describe('a LiME image', () => {
  it('has each range where its header says', () => {
    const dump = lime(two);
    expect([dump.format, dump.description, dump.maxPfn]).toEqual(['lime', 'LiME memory image, 2 ranges', 0x100001]);
    expect(states(dump, [0, 1, 2, 3, 0x100000, 0x100001, -1])).toEqual([
      'absent',
      'data 1',
      'zero',
      'absent',
      'data 7',
      'absent',
      'absent',
    ]);
    expect(frames(dump)).toEqual([1, 2, 0x100000]);
    expect([dump.counts, dump.problems]).toEqual([{ inFile: 3, excluded: undefined, lost: 0 }, []]);
  });

  it('counts pages that a range covers in part as memory that nobody uses', () => {
    const dump = lime([{ first: 0x1800, data: Buffer.concat([filledPage(1), filledPage(2)]) }]);
    expect(states(dump, [1, 2, 3])).toEqual(['absent', 'data 1', 'absent']);
    expect(frames(dump)).toEqual([2]);
  });

  it('has lost what lies behind the end of the file', () => {
    const file = limeFile(two);
    const cut = openSource(memorySource(file.subarray(0, file.length - 100)), 'x');
    expect(states(cut, [1, 0x100000])).toEqual(['data 1', 'lost']);
    expect(cut.counts.lost).toBe(1);
    expect(cut.problems).toEqual(['the file is truncated: 1 pages (1 %) lie behind its end']);
    const begun = openSource(memorySource(file.subarray(0, 32 + 8192 + 10)), 'x');
    expect(states(begun, [1, 0x100000])).toEqual(['data 1', 'absent']);
    expect(begun.problems).toEqual([
      'LiME header 2: the file ends inside it (at offset 8224); nothing behind it is read',
    ]);
  });

  it.each<[string, LimeRange, string]>([
    ['another magic number', { first: 0x9000, data: filledPage(1), magic: 'EMiX' }, 'does not begin with EMiL'],
    ['another version', { first: 0x9000, data: filledPage(1), version: 2 }, 'version 2 is not known'],
    ['an end before its start', { first: 0x9000, data: filledPage(1), last: 0x8fff }, 'a range from 36864 to 36863'],
    ['an end above all memory', { first: 0, data: filledPage(1), last: 2n ** 64n - 1n }, 'a range from 0 to 184467'],
  ])('stops at a header with %s', (_, range, says) => {
    const dump = lime([two[0] ?? range, range, { first: 0x20000, data: filledPage(9) }]);
    expect(dump.problems.join()).toContain(says);
    expect(frames(dump)).toEqual([1, 2]);
    expect(() => lime([{ ...range, magic: 'EMiL', last: range.last ?? 0x8000, version: 9 }])).toThrow(
      'LiME: version 9',
    );
  });

  it('reads ranges that overlap once', () => {
    const dump = lime([
      { first: 0x1000, data: Buffer.concat([filledPage(1), filledPage(2)]) },
      { first: 0x2000, data: Buffer.concat([filledPage(2), filledPage(3)]) },
    ]);
    expect(states(dump, [1, 2, 3])).toEqual(['data 1', 'data 2', 'data 3']);
    expect(frames(dump)).toEqual([1, 2, 3]);
  });

  it('may be in a flattened file', () => {
    const dump = openSource(memorySource(flattenedFile(recordsOf(limeFile(two), 1000))), 'x');
    expect([dump.description, states(dump, [1])]).toEqual(['LiME memory image, 2 ranges, flattened', ['data 1']]);
  });
});

describe('raw memory', () => {
  const file = new Uint8Array(8 << 20);
  file.fill(5, 0x3000, 0x4000);
  file.fill(6, 6 << 20, (6 << 20) + 4096);
  const open = (): DumpFile => openSource(memorySource(file), 'x');

  it('is any file of whole pages that nothing else claims', () => {
    const dump = open();
    expect([dump.format, dump.description, dump.maxPfn]).toEqual(['raw', 'raw memory', 2048]);
    expect(states(dump, [0, 3, 6 << 8, 2048])).toEqual(['zero', 'data 5', 'data 6', 'absent']);
  });

  it('can be put around a hole, and around another', () => {
    for (const low of [1 << 20, 5 << 20]) {
      const dump = open().withHole?.(low, 2 ** 32);
      if (dump === undefined) throw new Error('raw memory has no withHole');
      const moved = 0x100000 + (6 << 8) - low / 4096;
      expect(states(dump, [3, 6 << 8, moved])).toEqual(['data 5', 'absent', 'data 6']);
      expect(frames(dump)).toHaveLength(2048);
      expect(dump.description).toBe('raw memory, in 2 parts');
    }
  });

  it('is nothing too small, and nothing ragged', () => {
    const refused = (bytes: Uint8Array): string => {
      try {
        return openSource(memorySource(bytes), 'x').description;
      } catch (error) {
        return String(error);
      }
    };
    expect(refused(file.subarray(4096))).toContain('too small or ragged to be raw memory');
    expect(refused(new Uint8Array(file.length + 1))).toContain('too small or ragged to be raw memory');
    expect(refused(new Uint8Array(file.length).fill(0x41))).toContain('this is a text file');
  });
});
