import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { filledPage } from '../../test/builders/elf-file.ts';
import { kdumpLayout } from '../../test/builders/kdump-file.ts';
import { type Pfn, pfn } from '../base/address.ts';
import { FaultError, UsageError } from '../base/errors.ts';
import { type KdumpContent, writeKdump } from './kdump-writer.ts';
import { openDump } from './open.ts';

const root = mkdtempSync(join(tmpdir(), 'kwhy-writer-'));
afterAll(() => rmSync(root, { recursive: true }));

function newFolder(): string {
  return mkdtempSync(join(root, 'case-'));
}

function content(pages: ReadonlyMap<number, Uint8Array>, changes: Partial<KdumpContent> = {}): KdumpContent {
  const frames = [...pages.keys()].sort((a, b) => a - b);
  return {
    utsname: {
      sysname: 'Linux',
      nodename: 'node',
      release: '6.1.0-test',
      version: '#1 SMP',
      machine: 'x86_64',
      domainname: '(none)',
    },
    pageSize: 4096,
    maxPfn: 70_000,
    physBase: -0x4e00000n,
    dumpLevel: 31,
    cpus: 2,
    timestamp: 0n,
    notes: [{ name: 'CORE', type: 1, desc: new Uint8Array(336) }],
    vmcoreinfo: Buffer.from('OSRELEASE=6.1.0\nPAGESIZE=4096\n'),
    frames: () => frames.map(pfn),
    read: (frame, into) => into.set(pages.get(frame) ?? into),
    exists: (frame) => pages.has(frame) || frame % 100 === 1,
    ...changes,
  };
}

function texture(seed: number): Uint8Array {
  return Uint8Array.from({ length: 4096 }, (_, i) => (i % 7 === 0 ? (i * seed) >> 3 : seed));
}

const sample = new Map([
  [0, texture(1)],
  [2, filledPage(0)],
  [4095, texture(3)],
  [32_768, filledPage(0)],
  [69_999, texture(5)],
]);

describe('writeKdump', () => {
  for (const compression of ['zstd', 'zlib'] as const) {
    it(`writes what the reader reads (${compression})`, () => {
      const folder = newFolder();
      const path = join(folder, 'out');
      const written = writeKdump(path, content(sample), { compression });
      const dump = openDump(path);
      expect(written).toEqual({ pages: 5, zeroPages: 2, lostPages: 0, bytes: readFileSync(path).length });
      expect(dump.description).toBe(`kdump-compressed v6, ${compression}, dump level 31`);
      expect([dump.machine, dump.pageSize, dump.maxPfn, dump.problems]).toEqual(['x86_64', 4096, 70_000, []]);
      expect(dump.physBase).toBe(BigInt.asUintN(64, -0x4e00000n));
      expect(Buffer.from(dump.vmcoreinfo ?? []).toString()).toBe('OSRELEASE=6.1.0\nPAGESIZE=4096\n');
      expect(dump.notes.map((note) => note.name)).toEqual(['CORE', 'VMCOREINFO']);
      expect(dump.counts).toEqual({ inFile: 5, excluded: 700, lost: 0 });
      expect([1, 101, 3, 69_901].map((frame) => dump.status(pfn(frame)))).toEqual([
        'excluded',
        'excluded',
        'absent',
        'excluded',
      ]);
      const page = new Uint8Array(4096);
      for (const [frame, bytes] of sample) {
        expect(dump.readPage(pfn(frame), page)).toBe(bytes[1] === 0 ? 'zero' : 'data');
        expect(Buffer.compare(page, bytes)).toBe(0);
      }
      dump.close();
    });
  }

  it('lays the file out as makedumpfile does, byte for byte up to the page data', () => {
    const folder = newFolder();
    const path = join(folder, 'out');
    // A page that no codec shrinks is stored as it is, so both files hold the same data.
    let seed = 7;
    const noise = texture(1).map(() => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 24);
    const frames = [3, 4096, 69_999];
    writeKdump(path, content(new Map(frames.map((frame) => [frame, noise]))), { compression: 'zlib' });
    const expected = kdumpLayout({
      maxPfn: 70_000,
      pages: new Map(frames.map((frame) => [frame, noise])),
      excluded: Array.from({ length: 700 }, (_, i) => i * 100 + 1),
      compression: 'zlib',
      physBase: -0x4e00000n,
      vmcoreinfo: 'OSRELEASE=6.1.0\nPAGESIZE=4096\n',
      notes: [{ name: 'CORE', type: 1, desc: new Uint8Array(336) }],
      // The zero page that is always stored first.
      descriptor: (_, made) => ({ ...made, offset: Number(made.offset) + 4096 }),
    });
    const bytes = readFileSync(path);
    expect(Buffer.compare(bytes.subarray(0, expected.data), expected.bytes.subarray(0, expected.data))).toBe(0);
    expect(Buffer.compare(bytes.subarray(expected.data + 4096), expected.bytes.subarray(expected.data))).toBe(0);
  });

  it('keeps lost pages lost, and says that the file is incomplete', () => {
    const folder = newFolder();
    const path = join(folder, 'out');
    const read: KdumpContent['read'] = (frame, into) => {
      if (frame === 2 || frame === 69_999) return 'lost';
      into.set(sample.get(frame) ?? into);
      return undefined;
    };
    expect(writeKdump(path, content(sample, { read }))).toMatchObject({ pages: 5, zeroPages: 1, lostPages: 2 });
    const dump = openDump(path);
    const page = new Uint8Array(4096);
    expect([...sample.keys()].map((frame) => dump.readPage(pfn(frame), page))).toEqual([
      'data',
      'lost',
      'data',
      'zero',
      'lost',
    ]);
    expect(dump.counts).toMatchObject({ inFile: 3, lost: 2 });
    expect(dump.problems.join()).toMatch(/incomplete.*2 of 5 pages/);
    dump.close();
  });

  it('round-trips any pages', () => {
    const folder = newFolder();
    const pages = fc.uniqueArray(fc.tuple(fc.nat(69_999), fc.nat(3)), { selector: ([frame]) => frame, maxLength: 30 });
    let round = 0;
    fc.assert(
      fc.property(pages, (chosen) => {
        const path = join(folder, `out${round++}`);
        const map = new Map(chosen.map(([frame, kind]) => [frame, kind === 0 ? filledPage(0) : texture(kind)]));
        writeKdump(path, content(map));
        const dump = openDump(path);
        const found = new Map<number, Uint8Array>();
        const page = new Uint8Array(4096);
        for (let p = dump.nextInFile(pfn(0)); p !== undefined; p = dump.nextInFile(pfn(p + 1))) {
          dump.readPage(p, page);
          found.set(p, page.slice());
        }
        dump.close();
        expect(found).toEqual(new Map([...map].sort((a, b) => a[0] - b[0])));
      }),
      { numRuns: 25 },
    );
  });

  it('adds VMCOREINFO to the notes only when it is not among them', () => {
    const folder = newFolder();
    const path = join(folder, 'out');
    const desc = Buffer.from('OSRELEASE=5.10.0\n');
    const last = { name: 'QEMU', type: 0, desc: new Uint8Array(5) };
    writeKdump(path, content(sample, { notes: [{ name: 'VMCOREINFO', type: 0, desc }, last] }));
    const dump = openDump(path);
    expect(dump.notes.map((note) => note.name)).toEqual(['VMCOREINFO', 'QEMU']);
    expect(Buffer.from(dump.vmcoreinfo ?? []).toString()).toBe('OSRELEASE=5.10.0\n');
    dump.close();
    const without = writeKdump(join(folder, 'bare'), content(sample, { notes: [], vmcoreinfo: undefined }));
    expect(without.pages).toBe(5);
    const bare = openDump(join(folder, 'bare'));
    expect([bare.vmcoreinfo, bare.notes]).toEqual([undefined, []]);
    bare.close();
  });

  it('never overwrites its input, however it is named', () => {
    const folder = newFolder();
    const input = join(folder, 'input');
    const alias = join(folder, 'alias');
    writeFileSync(input, 'precious');
    symlinkSync(input, alias);
    for (const target of [input, alias, join(folder, '.', 'input')]) {
      expect(() => writeKdump(target, content(sample), { input, replace: true })).toThrow(/dump that is read/);
    }
    expect(readFileSync(input, 'utf8')).toBe('precious');
    expect(readdirSync(folder).sort()).toEqual(['alias', 'input']);
  });

  it('replaces a file only when asked to', () => {
    const folder = newFolder();
    const path = join(folder, 'out');
    writeFileSync(path, 'old');
    expect(() => writeKdump(path, content(sample))).toThrow(UsageError);
    expect(readFileSync(path, 'utf8')).toBe('old');
    writeKdump(path, content(sample), { replace: true });
    openDump(path).close();
    expect(readdirSync(folder)).toEqual(['out']);
    expect(() => writeKdump(folder, content(sample), { replace: true })).toThrow(UsageError);
  });

  it('keeps a file that appears while it writes', () => {
    const folder = newFolder();
    const path = join(folder, 'out');
    const racing = content(sample, {
      read: (_, into) => {
        writeFileSync(path, 'theirs');
        into.fill(1);
      },
    });
    expect(() => writeKdump(path, racing)).toThrow(/exists already/);
    expect(readFileSync(path, 'utf8')).toBe('theirs');
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('leaves nothing behind when a page cannot be read, and passes the error on', () => {
    const folder = newFolder();
    const path = join(folder, 'out');
    const failing = content(sample, {
      read: () => {
        throw new FaultError('physical', 0n, 'lost');
      },
    });
    expect(() => writeKdump(path, failing)).toThrow(FaultError);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says in one line why it cannot write', () => {
    const folder = newFolder();
    expect(() => writeKdump(join(folder, 'no', 'such', 'place'), content(sample))).toThrow(/no such directory$/);
    expect(existsSync(join(folder, 'no'))).toBe(false);
    expect(() => writeKdump('/dev/full', content(sample), { replace: true })).toThrow(UsageError);
  });

  it('refuses frames that do not ascend or that change between the walks', () => {
    const folder = newFolder();
    const unordered = content(sample, { frames: () => [5, 4].map(pfn) });
    expect(() => writeKdump(join(folder, 'a'), unordered)).toThrow(/ascend/);
    const beyond = content(sample, { frames: () => [10_000_000].map(pfn) });
    expect(() => writeKdump(join(folder, 'b'), beyond)).toThrow(/ascend/);
    let walks = 0;
    const moody = content(sample, { frames: (): Pfn[] => (walks++ === 0 ? [pfn(0)] : [pfn(0), pfn(2)]) });
    expect(() => writeKdump(join(folder, 'c'), moody)).toThrow(/changed/);
    expect(readdirSync(folder)).toEqual([]);
  });
});
