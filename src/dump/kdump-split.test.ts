import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { elfFile, filledPage } from '../../test/builders/elf-file.ts';
import { kdumpFile, kdumpLayout, type KdumpSpec } from '../../test/builders/kdump-file.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { pfn } from '../base/address.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import type { DumpFile } from './dump-file.ts';
import { openDump } from './open.ts';

const frames = [0, 1, 999, 1000, 1001, 4096, 9_999];
const spec: KdumpSpec = {
  maxPfn: 10_000,
  pages: new Map(frames.map((frame) => [frame, filledPage((frame % 250) + 1)])),
  excluded: [5, 2000],
  compression: 'zlib',
  vmcoreinfo: 'OSRELEASE=6.1.0\n',
};
const windows = [
  [0, 1000],
  [1000, 4096],
  [4096, 10_000],
] as const;

/** Files in a folder of their own; returns their paths. */
function files(...contents: readonly Uint8Array[]): string[] {
  const path = tempFolder();
  return contents.map((content, i) => {
    const name = path(`part${i + 1}`);
    writeFileSync(name, content);
    return name;
  });
}

const part = (window: readonly [number, number], more: Partial<KdumpSpec> = {}): Uint8Array =>
  kdumpFile({ ...spec, ...more, window });

/** Frames whose pages are right; others with their state. */
function states(dump: DumpFile): (number | string)[] {
  const page = new Uint8Array(4096);
  return [...frames, 5, 7, 10_000].map((frame) => {
    const before = dump.status(pfn(frame));
    const status = dump.readPage(pfn(frame), page);
    if (status !== 'data') return before === status ? status : `${before}, then ${status}`;
    return Buffer.compare(page, filledPage((frame % 250) + 1)) === 0 ? frame : 'wrong';
  });
}

function walk(dump: DumpFile): number[] {
  const found: number[] = [];
  for (let at = dump.nextInFile(pfn(0)); at !== undefined; at = dump.nextInFile(pfn(at + 1))) found.push(at);
  return found;
}

function refusal(paths: readonly string[]): string {
  try {
    openDump(paths).close();
    return 'opened';
  } catch (error) {
    if (error instanceof UsageError || error instanceof FormatError) return error.message;
    throw error;
  }
}

describe('the files of a split dump', () => {
  it('are one dump, in any order', () => {
    const [a, b, c] = files(...windows.map((window) => part(window)));
    for (const order of [
      [a, b, c],
      [c, a, b],
    ]) {
      const dump = openDump(order);
      expect(states(dump)).toEqual([...frames, 'excluded', 'absent', 'absent']);
      expect(walk(dump)).toEqual(frames);
      expect(dump.counts).toEqual({ inFile: 7, excluded: 2, lost: 0 });
      expect(dump.problems).toEqual([]);
      expect(dump.description).toBe('kdump-compressed v6, zlib, dump level 31, 3 files of a split dump');
      expect(Buffer.from(dump.vmcoreinfo ?? []).toString()).toBe('OSRELEASE=6.1.0\n');
      expect(dump.fileSize).toBe(windows.reduce((sum, window) => sum + part(window).length, 0));
      dump.close();
    }
  });

  it('lose the pages of a file that is not there, and say so', () => {
    const [a, , c] = files(...windows.map((window) => part(window)));
    const dump = openDump([c ?? '', a ?? '']);
    expect(states(dump)).toEqual([0, 1, 999, 'lost', 'lost', 4096, 9_999, 'excluded', 'absent', 'absent']);
    expect(walk(dump)).toEqual([0, 1, 999, 4096, 9_999]);
    expect(dump.counts).toEqual({ inFile: 5, excluded: 2, lost: 2 });
    expect(dump.problems).toEqual(['the file with page frames 1000 to 4095 is missing: 2 pages are lost']);
    expect(dump.description).toMatch(/2 files of a split dump, not all$/);
    dump.close();
  });

  it('may be a single one', () => {
    const [, b] = files(...windows.map((window) => part(window)));
    const dump = openDump(b ?? '');
    expect(states(dump).slice(0, 7)).toEqual(['lost', 'lost', 'lost', 1000, 1001, 'lost', 'lost']);
    expect(walk(dump)).toEqual([1000, 1001]);
    expect(dump.problems.length).toBe(2);
    expect(dump.counts).toEqual({ inFile: 2, excluded: 2, lost: 5 });
    dump.close();
  });

  it('may have no pages in their window, and no frames in it', () => {
    const [a, b, c, d] = files(part([0, 9_999]), part([9_999, 10_000]), part([10_000, 10_000]), part([6000, 6000]));
    const dump = openDump([a ?? '', b ?? '', c ?? '', d ?? '']);
    expect([walk(dump), dump.problems]).toEqual([frames, []]);
    dump.close();
    // The file that is missing would have had no page.
    const without = openDump(files(part([0, 2000]), part([3000, 10_000])));
    expect([walk(without), without.problems]).toEqual([frames, []]);
    without.close();
  });

  it('have no descriptors but those of their window, whatever stands before and behind these', () => {
    const window = [1000, 4096] as const;
    const { bytes, descriptors, bitmap2 } = kdumpLayout({ ...spec, window });
    const sound = bytes.subarray(descriptors, descriptors + 24);
    // The bits before it are of frames above the last; the room behind the two of this file is for those of the others.
    bytes.set(sound, descriptors - 24);
    bytes.set(sound, descriptors + 48);
    expect(descriptors - bitmap2).toBe(4096);
    const [path = ''] = files(bytes);
    const dump = openDump(path);
    expect(states(dump).slice(0, 7)).toEqual(['lost', 'lost', 'lost', 1000, 1001, 'lost', 'lost']);
    expect(walk(dump)).toEqual([1000, 1001]);
    dump.close();
  });

  it('name the file that is truncated or incomplete', () => {
    const whole = windows.map((window) => part(window));
    const { data } = kdumpLayout({ ...spec, window: windows[2] });
    const [a, b, c] = files(whole[0] ?? whole[1], whole[1], whole[2].subarray(0, data + 10));
    const dump = openDump([a ?? '', b ?? '', c ?? '']);
    expect(states(dump).slice(0, 7)).toEqual([0, 1, 999, 1000, 1001, 'lost', 'lost']);
    expect(dump.problems).toEqual([`${c}: 2 of 2 pages lie behind the end of the file, which is truncated`]);
    expect(dump.counts).toEqual({ inFile: 5, excluded: 2, lost: 2 });
    dump.close();
    const incomplete = openDump(files(part([0, 1000], { status: 8 }), part([1000, 10_000])));
    expect(incomplete.problems.join()).toMatch(/part1: the dump is incomplete/);
    incomplete.close();
  });

  it('lose no fewer than no pages when the first file has lost its bitmap', () => {
    const { bytes, bitmap2 } = kdumpLayout({ ...spec, window: windows[0] });
    bytes.fill(0, bitmap2, bitmap2 + 4096);
    const dump = openDump(files(bytes, part(windows[1]), part(windows[2])));
    expect(dump.counts).toMatchObject({ inFile: 4, lost: 0 });
    dump.close();
  });

  it('are refused when they are not of one dump', () => {
    const sound = part([0, 1000]);
    const others: [string, Uint8Array, RegExp][] = [
      ['more frames', part([1000, 10_000], { maxPfn: 20_000 }), /part2: of another dump than .*part1$/],
      ['another page size', part([1000, 10_000], { blockSize: 16384 }), /part2: of another dump/],
      ['another version', part([1000, 10_000], { version: 5 }), /part2: of another dump/],
      ['another kernel', part([1000, 10_000], { vmcoreinfo: 'OSRELEASE=6.1.1\n' }), /part2: of another dump/],
      ['another machine', part([1000, 10_000], { machine: 'aarch64' }), /part2: of another dump/],
      ['the same file', sound, /part2: holds page frames that .*part1 holds too; is one of them a copy\?$/],
      ['some of the same frames', part([999, 10_000]), /part2: holds page frames/],
      ['a whole dump', kdumpFile(spec), /part2: a dump of its own, not a file of a split dump; one dump at a time$/],
      ['an ELF dump', elfFile({ segments: [{ paddr: 0, data: filledPage(1) }] }), /part2: a dump of its own/],
      ['text', Buffer.from('some text\n'), /part2: this is a text file/],
      ['a damaged one', sound.subarray(0, 5000), /part2: kdump: headers and bitmaps need/],
    ];
    for (const [what, other, message] of others)
      expect([what, refusal(files(sound, other))]).toMatchObject([what, expect.stringMatching(message)]);
    expect(refusal([...files(sound), '/nothing/here'])).toBe('/nothing/here: no such file');
    expect(refusal([])).toBe('no dump was named');
  });
});
