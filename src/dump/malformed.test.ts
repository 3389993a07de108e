/**
 * Damaged and hostile headers: opening gives a dump, a UsageError or a FormatError, never anything else; whatever
 * opens answers for every frame, and allocates by nothing that the file claims.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elfFile, filledPage, noteBytes, type SegmentSpec, vmcoreinfoSpec } from '../../test/builders/elf-file.ts';
import { kdumpLayout } from '../../test/builders/kdump-file.ts';
import { pfn } from '../base/address.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import { memorySource } from './byte-source.ts';
import { encodeNotes, parseNotes } from './notes.ts';
import { openSource } from './open.ts';

const states = new Set(['data', 'zero', 'excluded', 'lost', 'absent', 'excluded-or-zero']);
const probes = [-1, 0, 1, 2, 3, 7, 8, 511, 512, 4095, 4096, 30_000, 2 ** 20, 2 ** 32, 2 ** 40, Number.NaN];

/** Opens and asks everything; returns 'opened' or the error's name. Any other error fails the test. */
function survives(bytes: Uint8Array): string {
  try {
    const dump = openSource(memorySource(bytes), 'test.vmcore');
    const page = new Uint8Array(dump.pageSize);
    for (const probe of probes) {
      expect(states).toContain(dump.status(pfn(probe)));
      expect(states).toContain(dump.readPage(pfn(probe), page));
    }
    dump.nextInFile(pfn(0));
    expect(dump.counts.inFile).toBeGreaterThanOrEqual(0);
    expect(dump.counts.lost).toBeGreaterThanOrEqual(0);
    expect(dump.description.length).toBeGreaterThan(0);
    dump.close();
    return 'opened';
  } catch (error) {
    if (error instanceof FormatError || error instanceof UsageError) return error.name;
    throw error;
  }
}

function soundKdump(): ReturnType<typeof kdumpLayout> {
  const pages = new Map([1, 2, 3, 4095, 4096, 30_000].map((frame) => [frame, filledPage(frame & 0xff)]));
  const vmcoreinfo = 'OSRELEASE=6.1.0\n';
  return kdumpLayout({ maxPfn: 40_000, pages, excluded: [7, 8], compression: 'zlib', vmcoreinfo });
}

function soundElf(): Uint8Array {
  return elfFile({
    notes: [{ name: 'CORE', type: 1, desc: new Uint8Array(336) }, vmcoreinfoSpec('OSRELEASE=6.1.0\nPAGESIZE=4096\n')],
    segments: [
      { paddr: 0x1000, vaddr: 0xffff888000001000n, data: Buffer.concat([filledPage(1), filledPage(2)]) },
      { paddr: 0x8000, vaddr: 0xffffffff81000000n, data: filledPage(8), memsz: 0x4000 },
    ],
  });
}

/** Little-endian, at the width that the value's name says. */
type Patch = readonly [where: number, width: 16 | 32 | 64, value: number | bigint];

function patched(bytes: Uint8Array, patches: readonly Patch[]): Uint8Array {
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  for (const [where, width, value] of patches) {
    if (width === 16) view.setUint16(where, Number(value), true);
    else if (width === 32) view.setUint32(where, Number(BigInt.asUintN(32, BigInt(value))), true);
    else view.setBigUint64(where, BigInt.asUintN(64, BigInt(value)), true);
  }
  return copy;
}

describe('malformed kdump headers', () => {
  const { bytes, subHeader, bitmap1, bitmap2, descriptors } = soundKdump();
  const sub = (offset: number, value: number | bigint): Patch => [subHeader + offset, 64, value];
  const cases: [string, readonly Patch[], string][] = [
    ['nothing changed', [], 'opened'],
    ['version 0', [[8, 32, 0]], 'FormatError'],
    ['version -1', [[8, 32, -1]], 'FormatError'],
    ['version 2^31-1', [[8, 32, 0x7fffffff]], 'FormatError'],
    ['block size 0', [[428, 32, 0]], 'FormatError'],
    ['block size -4096', [[428, 32, -4096]], 'FormatError'],
    ['block size 1', [[428, 32, 1]], 'FormatError'],
    ['block size 2^30', [[428, 32, 2 ** 30]], 'FormatError'],
    ['block size of other pages', [[428, 32, 65536]], 'FormatError'],
    ['sub header of 0 blocks', [[432, 32, 0]], 'FormatError'],
    ['sub header of -1 blocks', [[432, 32, -1]], 'FormatError'],
    ['sub header of 2^31-1 blocks', [[432, 32, 0x7fffffff]], 'FormatError'],
    ['sub header at the end', [[432, 32, 3]], 'FormatError'],
    ['no bitmap', [[436, 32, 0]], 'FormatError'],
    ['bitmap of one block', [[436, 32, 1]], 'FormatError'],
    ['bitmap of 2^32-1 blocks', [[436, 32, 0xffffffff]], 'FormatError'],
    ['odd number of bitmap blocks', [[436, 32, 3]], 'opened'],
    ['max_mapnr_64 of 0', [sub(96, 0)], 'FormatError'],
    ['max_mapnr_64 of 2^30', [sub(96, 2 ** 30)], 'FormatError'],
    ['max_mapnr_64 of 2^40', [sub(96, 2 ** 40)], 'FormatError'],
    ['max_mapnr_64 of 2^63', [sub(96, 2n ** 63n)], 'FormatError'],
    ['max_mapnr_64 of -1', [sub(96, -1n)], 'FormatError'],
    ['max_mapnr_64 of all bits', [sub(96, 4096 * 8 * 4)], 'opened'],
    ['max_mapnr_64 of all bits and one', [sub(96, 4096 * 8 * 4 + 1)], 'FormatError'],
    [
      'max_mapnr (old) of 2^32-1',
      [
        [8, 32, 5],
        [440, 32, 0xffffffff],
      ],
      'FormatError',
    ],
    ['split, of no frames', [[subHeader + 12, 32, 1]], 'opened'],
    ['split, of all frames', [[subHeader + 12, 32, 1], sub(88, 40_000)], 'opened'],
    ['split, of more than all frames', [[subHeader + 12, 32, 1], sub(88, 40_001)], 'FormatError'],
    ['split, ends before it starts', [[subHeader + 12, 32, 1], sub(80, 9), sub(88, 8)], 'FormatError'],
    ['split, at 2^64-1', [[subHeader + 12, 32, 1], sub(80, -1n), sub(88, -1n)], 'FormatError'],
    ['split, start at 2^40', [[subHeader + 12, 32, 1], sub(16, 2 ** 40), sub(80, 2 ** 40)], 'FormatError'],
    ['VMCOREINFO behind the end', [sub(32, 2 ** 40)], 'opened'],
    ['VMCOREINFO at 2^64-1', [sub(32, -1n)], 'opened'],
    ['VMCOREINFO of 2^63 bytes', [sub(40, 2n ** 63n)], 'opened'],
    ['VMCOREINFO over the whole file', [sub(32, 1), sub(40, bytes.length - 1)], 'opened'],
    ['notes behind the end', [sub(48, 2 ** 40)], 'opened'],
    ['notes of 2^63 bytes', [sub(56, 2n ** 63n)], 'opened'],
    ['notes over the whole file', [sub(48, 1), sub(56, bytes.length - 1)], 'opened'],
    ['note name of 2^32-1 bytes', [[subHeader + 104, 32, 0xffffffff]], 'opened'],
    ['note of 2^32-1 bytes', [[subHeader + 108, 32, 0xffffffff]], 'opened'],
    ['erase information behind the end', [sub(64, 2 ** 50), sub(72, 1)], 'opened'],
    ['every compression at once', [[424, 32, 0xffffffff]], 'opened'],
    ['more pages than descriptors', Array.from({ length: 1000 }, (_, i): Patch => [bitmap2 + 4 * i, 32, -1]), 'opened'],
    [
      'pages in the file that do not exist',
      Array.from({ length: 1000 }, (_, i): Patch => [bitmap1 + 4 * i, 32, 0]),
      'opened',
    ],
    ['descriptors of ones', Array.from({ length: 36 }, (_, i): Patch => [descriptors + 4 * i, 32, -1]), 'opened'],
  ];
  for (const [name, patches, outcome] of cases) {
    it(`${name}: ${outcome}`, () => {
      expect(survives(patched(bytes, patches))).toBe(outcome);
    });
  }

  it('survives random headers', () => {
    const mutation = fc.array(fc.tuple(fc.nat(descriptors + 24 * 6 - 1), fc.nat(255)), { maxLength: 12 });
    const near = fc.array(fc.tuple(fc.constantFrom(...Array.from({ length: 60 }, (_, i) => 404 + i)), fc.nat(255)));
    const inSub = fc.array(
      fc.tuple(
        fc.nat(200).map((at) => subHeader + at),
        fc.nat(255),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(mutation, near, inSub, (a, b, c) => {
        const copy = new Uint8Array(bytes);
        for (const [at, value] of [...a, ...b.slice(0, 3), ...c]) copy[at] = value;
        survives(copy);
      }),
      { numRuns: 600 },
    );
  });
});

describe('malformed ELF headers', () => {
  const bytes = soundElf();
  const load = 64 + 56;
  const note = 64;
  const notes = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(note + 8, true));
  const cases: [string, readonly Patch[], string][] = [
    ['nothing changed', [], 'opened'],
    ['65534 program headers in a small file', [[56, 16, 0xfffe]], 'FormatError'],
    ['PN_XNUM without sections', [[56, 16, 0xffff]], 'FormatError'],
    [
      'PN_XNUM with section 0 behind the end',
      [
        [56, 16, 0xffff],
        [40, 64, 2 ** 40],
      ],
      'FormatError',
    ],
    [
      'PN_XNUM with section 0 at 2^64-1',
      [
        [56, 16, 0xffff],
        [40, 64, -1n],
      ],
      'FormatError',
    ],
    [
      'PN_XNUM of 2^32-1',
      [
        [56, 16, 0xffff],
        [40, 64, 1024],
        [1024 + 44, 32, 0xffffffff],
      ],
      'FormatError',
    ],
    ['no program headers', [[56, 16, 0]], 'FormatError'],
    ['program headers behind the end', [[32, 64, 2 ** 40]], 'FormatError'],
    ['program headers at 2^64-1', [[32, 64, -1n]], 'FormatError'],
    ['program headers of 0 bytes', [[54, 16, 0]], 'FormatError'],
    ['program headers of 32 bytes', [[54, 16, 32]], 'FormatError'],
    ['program headers over the ELF header', [[32, 64, 0]], 'FormatError'],
    ['notes behind the end', [[note + 8, 64, 2 ** 40]], 'opened'],
    ['notes at 2^64-1', [[note + 8, 64, -1n]], 'opened'],
    ['notes of 2^63 bytes', [[note + 32, 64, 2n ** 63n]], 'opened'],
    [
      'notes over the whole file',
      [
        [note + 8, 64, 0],
        [note + 32, 64, bytes.length],
      ],
      'opened',
    ],
    ['note name of 2^32-1 bytes', [[notes, 32, 0xffffffff]], 'opened'],
    ['note of 2^32-1 bytes', [[notes + 4, 32, 0xffffffff]], 'opened'],
    ['segment at 2^64-4096', [[load + 24, 64, -4096n]], 'opened'],
    ['segment of 2^64-1 bytes', [[load + 40, 64, -1n]], 'opened'],
    [
      'segment of 2^52 bytes',
      [
        [load + 24, 64, 0],
        [load + 40, 64, 2n ** 52n],
      ],
      'opened',
    ],
    [
      'segment data of 2^64-1 bytes',
      [
        [load + 32, 64, -1n],
        [load + 40, 64, -1n],
      ],
      'opened',
    ],
    [
      'segment data of 2^51 bytes',
      [
        [load + 32, 64, 2n ** 51n],
        [load + 40, 64, 2n ** 51n],
      ],
      'opened',
    ],
    ['segment data at 2^63', [[load + 8, 64, 2n ** 63n]], 'opened'],
    ['segment data larger than its memory', [[load + 40, 64, 1]], 'opened'],
    ['segments on top of each other', [[load + 56 + 24, 64, 0x1000]], 'opened'],
    [
      'segments of odd addresses',
      [
        [load + 24, 64, 0x1001],
        [load + 56 + 24, 64, 0x2fff],
      ],
      'opened',
    ],
    [
      'segments of no kind',
      [
        [load, 32, 99],
        [load + 56, 32, 99],
      ],
      'FormatError',
    ],
  ];
  for (const [name, patches, outcome] of cases) {
    it(`${name}: ${outcome}`, () => {
      expect(survives(patched(bytes, patches))).toBe(outcome);
    });
  }

  it('survives being cut off anywhere', () => {
    for (let size = 0; size < bytes.length; size += size < 700 ? 1 : 61) survives(bytes.subarray(0, size));
    expect(survives(bytes.subarray(0, 19))).toBe('FormatError');
    expect(survives(bytes.subarray(0, 100))).toBe('FormatError');
    expect(survives(bytes.subarray(0, bytes.length - 1))).toBe('opened');
  });

  it('survives random headers', () => {
    const mutation = fc.array(fc.tuple(fc.nat(64 + 3 * 56 + 480), fc.nat(255)), { maxLength: 16 });
    fc.assert(
      fc.property(mutation, (changes) => {
        const copy = new Uint8Array(bytes);
        for (const [at, value] of changes) if (at >= 6) copy[at] = value;
        survives(copy);
      }),
      { numRuns: 600 },
    );
  });

  it('answers for overlapping segments as reading them one after the other does', () => {
    // The memory that every segment describes; segments are views of it, as those of a real dump are.
    const memory = Uint8Array.from({ length: 8 * 4096 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
    const piece = fc.record({
      at: fc.nat(8 * 4096 - 1),
      size: fc.integer({ min: 1, max: 20_000 }),
      tail: fc.nat(9000),
    });
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
        const covered = new Uint8Array(9 * 4096 + 30_000);
        const segments: SegmentSpec[] = pieces.map(({ at, size, tail }) => {
          const data = memory.subarray(at, at + size);
          for (let i = at; i < at + data.length + tail; i++) {
            if (i < at + data.length) covered[i] = 2;
            else if (covered[i] === 0) covered[i] = 1;
          }
          return { paddr: at, data, memsz: data.length + tail };
        });
        const dump = openSource(memorySource(elfFile({ segments })), 'test.vmcore');
        const page = new Uint8Array(4096);
        for (let frame = 0; frame < 10; frame++) {
          const bytesOf = covered.subarray(frame * 4096, frame * 4096 + 4096);
          const first = bytesOf.find((kind) => kind !== 2);
          const expected = first === undefined ? 'data' : first === 1 ? 'excluded-or-zero' : 'absent';
          expect(dump.status(pfn(frame))).toBe(expected);
          if (expected !== 'data') continue;
          dump.readPage(pfn(frame), page);
          expect(Buffer.compare(page, memory.subarray(frame * 4096, frame * 4096 + 4096))).toBe(0);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('malformed notes', () => {
  const sound = [vmcoreinfoSpec('X=1\n'), { name: 'CORE', type: 1, desc: new Uint8Array(20) }];
  const base = noteBytes(sound);

  it('keeps the notes before the damage and says that there is damage', () => {
    const parsed = parseNotes(patched(base, [[32, 32, 0x7fffffff]]));
    expect(parsed.notes.map((note) => note.name)).toEqual(['VMCOREINFO']);
    expect(parsed.problem).toMatch(/note 2 is longer/);
    expect(parseNotes(base)).toMatchObject({ problem: undefined, notes: sound.map(({ name }) => ({ name })) });
    expect(parseNotes(encodeNotes(parseNotes(base).notes))).toEqual(parseNotes(base));
  });

  it('skips the zeros between notes, which kdump leaves for CPUs without registers', () => {
    const parsed = parseNotes(Buffer.concat([Buffer.alloc(64), base, Buffer.alloc(4096), base, Buffer.alloc(7)]));
    expect(parsed.notes.length).toBe(4);
    expect(parsed.problem).toBeUndefined();
  });

  it('ends on random bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 6 }), (changes) => {
        const notes = new Uint8Array(base);
        for (const [at, value] of changes) notes[at] = value;
        const { notes: parsed } = parseNotes(notes);
        expect(parsed.reduce((sum, note) => sum + note.desc.length, 0)).toBeLessThanOrEqual(base.length);
      }),
    );
  });
});
