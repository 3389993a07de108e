/**
 * Header versions 1 to 6: each has the fields of the one before and some more (diskdump_mod.h). Whatever stands where a
 * later version has a field is not read.
 */
import { describe, expect, it } from 'vitest';
import { filledPage } from '../../test/builders/elf-file.ts';
import { kdumpLayout, type KdumpSpec } from '../../test/builders/kdump-file.ts';
import { pfn } from '../base/address.ts';
import { memorySource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { openSource } from './open.ts';

const VMCOREINFO = 'OSRELEASE=3.10.0\n';
const frames = [0, 1, 4095, 4096, 39_999];
const spec: KdumpSpec = {
  maxPfn: 40_000,
  pages: new Map(frames.map((frame) => [frame, filledPage((frame % 250) + 1)])),
  excluded: [5, 6, 4097],
  compression: 'lzo',
  dumpLevel: 17,
  physBase: 0x1000000n,
  vmcoreinfo: VMCOREINFO,
  notes: [{ name: 'CORE', type: 1, desc: new Uint8Array(336) }],
};

/** Where the fields of each version end in the sub header; version 1 is followed by 4 bytes of padding. */
const ends = new Map([
  [1, 16],
  [2, 32],
  [3, 48],
  [4, 64],
  [5, 80],
  [6, 104],
]);

/** A file of that version, with ones where its sub header has no fields. */
function built(version: number, part: Partial<KdumpSpec> = {}): DumpFile {
  const { bytes, subHeader } = kdumpLayout({ ...spec, version, ...part });
  bytes.fill(0xff, subHeader + (ends.get(version) ?? 0), subHeader + 104);
  return openSource(memorySource(bytes), `v${version}.vmcore`);
}

function states(dump: DumpFile): string[] {
  const page = new Uint8Array(4096);
  return [...frames, 5, 2, 40_000].map((frame) => {
    const status = dump.readPage(pfn(frame), page);
    if (status !== 'data') return status;
    return Buffer.compare(page, filledPage((frame % 250) + 1)) === 0 ? 'right' : 'wrong';
  });
}

const RIGHT = ['right', 'right', 'right', 'right', 'right', 'excluded', 'absent', 'absent'];

describe.each([1, 2, 3, 4, 5, 6])('kdump header version %i', (version) => {
  it('has pages, level and phys_base', () => {
    const dump = built(version);
    expect(states(dump)).toEqual(RIGHT);
    expect([dump.maxPfn, dump.dumpLevel, dump.physBase, dump.problems]).toEqual([40_000, 17, 0x1000000n, []]);
    expect(dump.description).toBe(`kdump-compressed v${version}, lzo, dump level 17`);
    expect(dump.counts).toEqual({ inFile: 5, excluded: 3, lost: 0 });
  });

  it('has VMCOREINFO since 3, notes since 4', () => {
    const dump = built(version);
    expect(dump.vmcoreinfo === undefined ? undefined : Buffer.from(dump.vmcoreinfo).toString()).toBe(
      version < 3 ? undefined : VMCOREINFO,
    );
    expect(dump.notes.map(({ name }) => name)).toEqual(version < 4 ? [] : ['CORE', 'VMCOREINFO']);
  });

  it('may have one bitmap, with which absent and excluded look alike', () => {
    const dump = built(version, { singleBitmap: true, excluded: [] });
    expect(states(dump)).toEqual([...RIGHT.slice(0, 5), 'excluded', 'excluded', 'absent']);
  });
});

it.each([2, 3, 4, 5, 6])('version %i may be split, with 64-bit frames of their own in 6', (version) => {
  const dump = built(version, { window: [4000, 39_999] });
  expect(states(dump)).toEqual(['lost', 'lost', 'right', 'right', 'lost', 'excluded', 'absent', 'absent']);
  expect(dump.problems).toEqual([
    'the file with page frames 0 to 3999 is missing: 2 pages are lost',
    'the file with page frames 39999 to 39999 is missing: 1 page is lost',
  ]);
});

it('version 1 knows no split dumps', () => {
  expect(built(1, { split: 1 }).description).not.toMatch(/split/);
});

it('version 6 does not believe the old fields, which hold 32 bits', () => {
  const { bytes, subHeader } = kdumpLayout({ ...spec, window: [4000, 39_999] });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(440, 7, true);
  view.setBigUint64(subHeader + 16, 1n, true);
  view.setBigUint64(subHeader + 24, 2n, true);
  const dump = openSource(memorySource(bytes), 'v6.vmcore');
  expect(dump.maxPfn).toBe(40_000);
  expect(states(dump).slice(0, 5)).toEqual(['lost', 'lost', 'right', 'right', 'lost']);
});

it('reads a version that is newer than known, and says so', () => {
  const { bytes } = kdumpLayout({ ...spec, version: 7 });
  const dump = openSource(memorySource(bytes), 'v7.vmcore');
  expect(states(dump)).toEqual(RIGHT);
  expect(dump.problems).toEqual(['kdump header version 7 is newer than 6; read as 6']);
});
