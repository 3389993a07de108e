import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pfn } from '../../src/base/address.ts';
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';
import { commonPages, compress, packCore } from './core-pack.ts';
import { CoreStore, PAGE } from './core-store.ts';
import { tempFolder } from './temp-folder.ts';

const filled = (byte: number): Uint8Array => new Uint8Array(PAGE).fill(byte);

/** A dump whose frames hold these bytes, or are in these states. */
function dumpOf(...frames: readonly (number | PageStatus)[]): DumpFile {
  const state = (frame: number): PageStatus => {
    const each = frames[frame] ?? 'absent';
    return typeof each === 'number' ? 'data' : each;
  };
  return {
    description: 'kdump-compressed v6, zstd, dump level 31',
    format: 'kdump',
    machine: 'x86_64',
    pageSize: PAGE,
    vmcoreinfo: Buffer.from('OSRELEASE=6.1.0\n'),
    notes: [{ name: 'CORE', type: 1, desc: Uint8Array.of(0, 255, 7) }],
    physBase: 2n ** 64n - 4096n,
    pageOffset: undefined,
    dumpLevel: 31,
    maxPfn: frames.length,
    fileSize: 12_345,
    counts: { inFile: frames.filter((each) => typeof each === 'number').length, excluded: 1, lost: 1 },
    problems: ['incomplete'],
    status: state,
    readPage(frame, into) {
      const each = frames[frame];
      if (typeof each === 'number') into.fill(each);
      return state(frame);
    },
    nextInFile: (from) => {
      const next = frames.findIndex((each, i) => i >= from && typeof each === 'number');
      return next < 0 ? undefined : pfn(next);
    },
    close: () => {},
  };
}

function storeOf(base: DumpFile, cores: { readonly [name: string]: DumpFile }): CoreStore {
  const path = tempFolder();
  const common = commonPages(base);
  writeFileSync(path('pages.6.1.zst'), compress(common));
  for (const [name, dump] of Object.entries(cores))
    writeFileSync(path(`${name}.core.zst`), packCore(dump, common, 'pages.6.1.zst'));
  return new CoreStore(dirname(path('x')));
}

describe('a store of cores', () => {
  const first = dumpOf('absent', 1, 2, 'excluded', 0, 2, 'lost', 3);
  const second = dumpOf(9, 'absent', 'absent', 2, 1, 'excluded-or-zero', 8, 9);

  it.each([
    ['the one that gave the common pages', first],
    ['one that has some pages of its own', second],
  ])('gives back all of a dump: %s', (_what, dump) => {
    const core = storeOf(first, { it: dump }).open('it');
    expect({ ...core, close: undefined }).toMatchObject({
      description: dump.description,
      format: 'kdump',
      machine: 'x86_64',
      pageSize: PAGE,
      notes: [{ name: 'CORE', type: 1, desc: Buffer.of(0, 255, 7) }],
      physBase: dump.physBase,
      pageOffset: undefined,
      dumpLevel: 31,
      maxPfn: 8,
      fileSize: 12_345,
      counts: dump.counts,
      problems: ['incomplete'],
    });
    expect(Buffer.from(core.vmcoreinfo ?? []).toString()).toBe('OSRELEASE=6.1.0\n');
    const [page, expected] = [new Uint8Array(PAGE), new Uint8Array(PAGE)];
    for (let frame = 0; frame < 9; frame++) {
      expect(core.status(pfn(frame)), `frame ${frame}`).toBe(dump.status(pfn(frame)));
      expect(core.nextInFile(pfn(frame)), `frame ${frame}`).toBe(dump.nextInFile(pfn(frame)));
      const status = core.readPage(pfn(frame), page);
      if (dump.readPage(pfn(frame), expected) !== 'data') continue;
      expect(page).toEqual(expected);
      expect(status).toBe(expected[0] === 0 ? 'zero' : 'data');
    }
  });

  it('holds each page once', () => {
    expect(commonPages(first)).toEqual(Buffer.concat([1, 2, 0, 3].map(filled)));
    const store = storeOf(first, { first, second });
    expect(store.names()).toEqual(['first', 'second']);
    expect(store.base('pages.6.1.zst')).toHaveLength(4 * PAGE);
  });

  it('does not open a core with other common pages than it was packed with', () => {
    const path = tempFolder();
    writeFileSync(path('one.core.zst'), packCore(first, commonPages(first), 'pages.6.1.zst'));
    writeFileSync(path('pages.6.1.zst'), compress(Buffer.concat([1, 2, 0, 4].map(filled))));
    expect(() => new CoreStore(dirname(path('x'))).open('one')).toThrow(/packed with another pages\.6\.1\.zst/);
  });
});
