import { describe, expect, it } from 'vitest';
import { filledPage } from '../../test/builders/elf-file.ts';
import { kdumpFile, kdumpLayout, type KdumpSpec } from '../../test/builders/kdump-file.ts';
import { pfn } from '../base/address.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import { memorySource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { openSource } from './open.ts';

function open(bytes: Uint8Array): DumpFile {
  return openSource(memorySource(bytes), 'test.vmcore');
}

/** A page that no codec can shrink. */
function noise(): Uint8Array {
  let seed = 1;
  return filledPage(0).map(() => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 24);
}

/** A page of words, so that codecs have something to do. */
function words(start: number): Uint8Array {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  for (let i = 0; i < 512; i++) view.setUint32(i * 8, start + i * 3, true);
  return page;
}

const spec: KdumpSpec = {
  maxPfn: 40_000,
  pages: new Map([
    [1, words(100)],
    [2, filledPage(0)],
    [3, noise()],
    [4095, words(200)],
    [4096, words(300)],
    [39_999, words(400)],
  ]),
  excluded: [5, 6, 4097],
  vmcoreinfo: 'OSRELEASE=6.1.0\nPAGESIZE=4096\n',
  notes: [{ name: 'CORE', type: 1, desc: new Uint8Array(336) }],
  physBase: -0x4e00000n,
};

function look(dump: DumpFile, frame: number): string {
  const page = new Uint8Array(dump.pageSize);
  const before = dump.status(pfn(frame));
  const after = dump.readPage(pfn(frame), page);
  if (after === 'data' && Buffer.compare(page, spec.pages.get(frame) ?? page) !== 0) return 'wrong data';
  return `${before} ${after}`;
}

function walk(dump: DumpFile): number[] {
  const found: number[] = [];
  for (let p = dump.nextInFile(pfn(0)); p !== undefined; p = dump.nextInFile(pfn(p + 1))) found.push(p);
  return found;
}

describe('kdump-compressed', () => {
  for (const compression of ['none', 'zlib', 'lzo', 'snappy', 'zstd'] as const) {
    it(`reads pages (${compression}) and tells all states apart`, () => {
      const dump = open(kdumpFile({ ...spec, compression }));
      expect([0, 1, 2, 3, 4, 5, 4095, 4096, 4097, 39_999, 40_000, -1].map((frame) => look(dump, frame))).toEqual([
        'absent absent',
        'data data',
        'data zero',
        'data data',
        'absent absent',
        'excluded excluded',
        'data data',
        'data data',
        'excluded excluded',
        'data data',
        'absent absent',
        'absent absent',
      ]);
      expect(dump.counts).toEqual({ inFile: 6, excluded: 3, lost: 0 });
      expect(dump.problems).toEqual([]);
      expect(walk(dump)).toEqual([1, 2, 3, 4095, 4096, 39_999]);
      expect(dump.description).toContain(compression === 'none' ? 'uncompressed' : compression);
    });
  }

  it('reads headers and notes', () => {
    const dump = open(kdumpFile(spec));
    expect([dump.format, dump.machine, dump.pageSize, dump.dumpLevel, dump.maxPfn]).toEqual([
      'kdump',
      'x86_64',
      4096,
      31,
      40_000,
    ]);
    expect(dump.physBase).toBe(BigInt.asUintN(64, -0x4e00000n));
    expect(dump.notes.map((note) => [note.name, note.desc.length])).toEqual([
      ['CORE', 336],
      ['VMCOREINFO', 30],
    ]);
    expect(Buffer.from(dump.vmcoreinfo ?? []).toString()).toBe(spec.vmcoreinfo);
  });

  it('does not start on an index of more memory than a machine can have', () => {
    const { bytes, subHeader } = kdumpLayout(spec);
    const header = new DataView(bytes.buffer, bytes.byteOffset);
    header.setUint32(436, 2 * (2 ** 35 / 8 / 4096), true);
    header.setBigUint64(subHeader + 96, 2n ** 35n, true);
    const source = { ...memorySource(bytes), size: 2 ** 45, read: () => expect.unreachable('the index was begun') };
    expect(() => openSource(source, 'test.vmcore')).toThrow(FormatError);
  });

  it('finds VMCOREINFO among the notes when the header does not point to it', () => {
    const { bytes, subHeader } = kdumpLayout(spec);
    bytes.fill(0, subHeader + 32, subHeader + 48);
    expect(open(bytes).vmcoreinfo?.length).toBe(30);
  });

  it('cannot tell absent from excluded when the file has one bitmap', () => {
    const dump = open(kdumpFile({ ...spec, singleBitmap: true, maxPfn: 40_000 }));
    expect([look(dump, 1), look(dump, 4), look(dump, 40_000)]).toEqual([
      'data data',
      'excluded excluded',
      'absent absent',
    ]);
    expect(dump.counts.excluded).toBeUndefined();
    // A bitmap of one block cannot be two, even where half of it would do.
    const small = open(kdumpFile({ ...spec, singleBitmap: true, maxPfn: 10_000, pages: new Map([[1, words(100)]]) }));
    expect([look(small, 1), look(small, 9999)]).toEqual(['data data', 'excluded excluded']);
  });

  it('reads 64 KiB pages', () => {
    const dump = open(
      kdumpFile({
        maxPfn: 100,
        blockSize: 65536,
        machine: 'aarch64',
        compression: 'zstd',
        pages: new Map([[7, filledPage(9, 65536)]]),
      }),
    );
    expect([dump.pageSize, dump.machine, look(dump, 7)]).toEqual([65536, 'aarch64', 'data data']);
  });

  it('calls pages lost whose descriptor points nowhere', () => {
    const bad = new Map<number, { offset: number | bigint; size: number; flags: number }>([
      // What makedumpfile leaves when there is no space left; the size alone would be possible.
      [1, { offset: 0, size: 4096, flags: 0 }],
      [2, { offset: 2n ** 62n, size: 4096, flags: 0 }],
      [3, { offset: -1n, size: 4096, flags: 0 }],
      [4095, { offset: 30_000, size: 4097, flags: 1 }],
      [4096, { offset: 30_000, size: 0, flags: 1 }],
    ]);
    const bytes = kdumpFile({ ...spec, descriptor: (frame, made) => bad.get(frame) ?? made });
    expect(bytes.length).toBeGreaterThan(40_000);
    const dump = open(bytes);
    expect([1, 2, 3, 4095, 4096, 39_999].map((frame) => look(dump, frame))).toEqual([
      'lost lost',
      'lost lost',
      'lost lost',
      'lost lost',
      'lost lost',
      'data data',
    ]);
    expect(dump.counts).toEqual({ inFile: 1, excluded: 3, lost: 5 });
    expect(dump.problems).toEqual([
      '2 of 6 pages lie behind the end of the file, which is truncated',
      '3 of 6 pages have descriptors that make no sense',
    ]);
    expect(walk(dump)).toEqual([39_999]);
  });

  it('calls a page with damaged data lost, and reads the next one', () => {
    for (const compression of ['zlib', 'lzo', 'snappy', 'zstd'] as const) {
      const { bytes, data } = kdumpLayout({ ...spec, compression });
      bytes.fill(0xee, data, data + 40);
      const dump = open(bytes);
      expect([look(dump, 1), look(dump, 4095), look(dump, 1)]).toEqual(['data lost', 'data data', 'data lost']);
    }
  });

  it('says how many pages were damaged, when they have been asked for', () => {
    const { bytes, data } = kdumpLayout({ ...spec, compression: 'zlib' });
    bytes.fill(0xee, data);
    const dump = open(bytes);
    expect(dump.problems).toEqual([]);
    for (const frame of [4095, 1, 4095, 5, 0]) look(dump, frame);
    expect(dump.problems).toEqual(['the data of 2 pages is damaged or cannot be read, page frame 4095 first']);
    for (let frame = 0; frame < 40_000; frame++) look(dump, frame);
    // The page that zlib could not shrink is not compressed, so nobody sees what was done to it.
    expect(dump.problems).toEqual(['the data of 5 pages is damaged or cannot be read, page frame 4095 first']);
  });

  it('says which page has no descriptor when only it has none', () => {
    const frames = Array.from({ length: 5000 }, (_, i) => i);
    const pages = new Map(frames.map((frame) => [frame, filledPage(1)]));
    const descriptor: KdumpSpec['descriptor'] = (frame, made) => (frame === 7 ? { ...made, size: 0 } : made);
    const dump = open(kdumpFile({ maxPfn: 5000, pages, descriptor }));
    // Not among the last ones, which are looked at when the file is opened.
    expect(dump.problems).toEqual([]);
    expect(look(dump, 7)).toBe('lost lost');
    expect(dump.problems).toEqual(['the data of page frame 7 is damaged or cannot be read']);
  });

  it('calls a page lost that decompresses to less or more than a page', () => {
    for (const size of [100, 8192]) {
      const dump = open(kdumpFile({ ...spec, compression: 'zlib', pages: new Map([[1, filledPage(3, size)]]) }));
      expect(look(dump, 1)).toBe('data lost');
    }
  });

  it('calls an uncompressed page lost that is not of the size of a page', () => {
    const dump = open(kdumpFile({ ...spec, descriptor: (_, made) => ({ ...made, size: 100 }) }));
    expect([look(dump, 1), look(dump, 3)]).toEqual(['data lost', 'data lost']);
  });

  it('calls pages of an unknown compression lost and says so', () => {
    // Neither a bit of later days nor two at once is taken for one that is known, or for none.
    for (const flags of [0x40, 3]) {
      const dump = open(kdumpFile({ ...spec, status: flags, descriptor: (_, made) => ({ ...made, flags }) }));
      expect(look(dump, 1)).toBe('data lost');
      expect(dump.problems).toEqual([
        `the header names no compression that is known (status 0x${flags.toString(16)})`,
        'the data of page frame 1 is damaged or cannot be read',
      ]);
    }
    expect(open(kdumpFile({ ...spec, status: 0x10 })).problems).toEqual([]);
  });

  it('says that an incomplete dump is incomplete, and how much of it', () => {
    const bytes = kdumpFile({
      ...spec,
      status: 8,
      descriptor: (frame, made) => (frame < 4096 ? made : { offset: 0, size: 0, flags: 0 }),
    });
    const dump = open(bytes);
    expect([look(dump, 1), look(dump, 4096)]).toEqual(['data data', 'lost lost']);
    expect(dump.problems).toEqual([
      'the dump is incomplete: it was cut off while it was written (no space left)',
      '2 of 6 pages were never written',
    ]);
  });

  it('opens a file cut off anywhere behind its bitmaps, and loses only what is gone', () => {
    const { bytes, descriptors, data } = kdumpLayout({ ...spec, compression: 'zlib' });
    const intact = [...spec.pages.keys()].map((frame) => look(open(bytes), frame));
    let before = -1;
    for (let size = descriptors; size <= bytes.length; size += 7) {
      const dump = open(bytes.subarray(0, size));
      const now = [...spec.pages.keys()].map((frame) => look(dump, frame));
      const readable = now.filter((state, i) => state === intact[i]).length;
      expect(now.every((state, i) => state === intact[i] || state === 'lost lost')).toBe(true);
      expect(readable).toBeGreaterThanOrEqual(before);
      expect(dump.counts).toEqual({ inFile: readable, excluded: 3, lost: 6 - readable });
      expect(size >= data || readable === 0).toBe(true);
      expect(/truncated/.test(dump.problems.join())).toBe(readable < 6);
      before = readable;
    }
    for (let size = 1; size < descriptors; size += 997) {
      expect(() => open(bytes.subarray(0, size))).toThrow(/kdump|file/);
    }
  });

  it('names what it does not support', () => {
    const cases: [Uint8Array, new (...args: never[]) => Error, RegExp][] = [
      [kdumpFile({ ...spec, machine: 's390x' }), UsageError, /s390x/],
      [kdumpFile({ ...spec, machine: 'i686' }), UsageError, /i686/],
      [kdumpFile({ ...spec, machine: '' }), FormatError, /no machine name/],
    ];
    for (const [bytes, kind, message] of cases) {
      expect(() => open(bytes)).toThrow(kind);
      expect(() => open(bytes)).toThrow(message);
    }
    const big = kdumpFile(spec);
    new DataView(big.buffer, big.byteOffset).setInt32(8, 6, false);
    expect(() => open(big)).toThrow(/big-endian/);
  });
});
