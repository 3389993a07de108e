import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elfFile, filledPage, vmcoreinfoSpec } from '../../test/builders/elf-file.ts';
import { flattenedFile, type RecordSpec, recordsOf } from '../../test/builders/flattened.ts';
import { kdumpFile, kdumpLayout } from '../../test/builders/kdump-file.ts';
import { pfn } from '../base/address.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import { memorySource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { FlattenedSource } from './flattened.ts';
import { openSource } from './open.ts';

const open = (bytes: Uint8Array): DumpFile => openSource(memorySource(bytes), 'test.flat');
const source = (...records: readonly RecordSpec[]): FlattenedSource =>
  new FlattenedSource(memorySource(flattenedFile(records)));

const pages = new Map([1, 2, 3, 4095, 4096, 30_000].map((frame) => [frame, filledPage((frame % 251) + 1)]));
const kdumpSpec = {
  maxPfn: 40_000,
  pages,
  excluded: [7, 8],
  compression: 'zlib',
  vmcoreinfo: 'OSRELEASE=6.1.0\n',
} as const;
const elfSpec = {
  notes: [vmcoreinfoSpec('OSRELEASE=6.1.0\n')],
  segments: [{ paddr: 0x1000, vaddr: 0xffff888000001000n, data: Buffer.concat([filledPage(1), filledPage(2)]) }],
};

/** State and bytes of some frames, as one text. */
function look(dump: DumpFile): string[] {
  const page = new Uint8Array(dump.pageSize);
  return [0, 1, 2, 3, 7, 4095, 4096, 30_000, 39_999].map((frame) => {
    const status = dump.readPage(pfn(frame), page);
    return `${frame} ${dump.status(pfn(frame))} ${status} ${status === 'data' ? page.join() : ''}`;
  });
}

/** Whether it throws a FormatError. */
function refuses(read: () => unknown): boolean {
  try {
    read();
    return false;
  } catch (error) {
    if (error instanceof FormatError) return true;
    throw error;
  }
}

describe('the bytes of a flattened file', () => {
  it('are those that were written last, and zero where none were', () => {
    const record = fc.record({ offset: fc.nat(300), data: fc.uint8Array({ minLength: 0, maxLength: 60 }) });
    const range = fc.tuple(fc.nat(360), fc.nat(80));
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), fc.array(range), (records, ranges) => {
        const expected = new Uint8Array(400);
        let end = 0;
        for (const { offset, data } of records) {
          expected.set(data, offset);
          if (data.length > 0) end = Math.max(end, offset + data.length);
        }
        fc.pre(end > 0);
        const made = source(...records);
        expect(made.size).toBe(end);
        for (const [start, length] of [[0, end] as const, ...ranges]) {
          const wanted = expected.subarray(start, Math.min(end, start + length));
          expect(refuses(() => made.peek(start, length))).toBe(start + length > end);
          if (start > end) continue;
          const into = new Uint8Array(wanted.length).fill(0xcc);
          made.read(start, into);
          expect(Buffer.compare(into, wanted)).toBe(0);
          expect(Buffer.compare(made.peek(start, wanted.length), wanted)).toBe(0);
          expect(made.container.has(start, wanted.length)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are found in records of equal size that follow one another, and in one that overwrites their middle', () => {
    const content = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    const patch = { offset: 3_333, data: new Uint8Array(500).fill(1) };
    const made = source(...recordsOf(content, 100), patch, { offset: 3_400, data: new Uint8Array(10).fill(2) });
    content.fill(1, 3_333, 3_833);
    content.fill(2, 3_400, 3_410);
    expect(Buffer.compare(made.peek(0, 10_000), content)).toBe(0);
    for (let at = 0; at < 9_900; at += 33) {
      expect(Buffer.compare(made.peek(at, 100), content.subarray(at, at + 100))).toBe(0);
    }
  });

  it('end at the end mark', () => {
    const file = flattenedFile([{ offset: 0, data: filledPage(1) }]);
    const made = new FlattenedSource(
      memorySource(Buffer.concat([file, flattenedFile([{ offset: 9999, data: file }])])),
    );
    expect([made.size, made.container.problems]).toEqual([4096, []]);
    expect(made.container.fileSize).toBeGreaterThan(3 * 4096);
  });

  it('are read of the file when they are asked for, and not before', () => {
    const file = flattenedFile(recordsOf(new Uint8Array(2 ** 20), 2 ** 16));
    const inner = memorySource(file);
    let bytes = 0;
    const counting = {
      ...inner,
      readOnce: (offset: number, into: Uint8Array): void => {
        bytes += into.length;
        inner.readOnce(offset, into);
      },
      read: () => expect.unreachable('data was read'),
    };
    expect(new FlattenedSource(counting).size).toBe(2 ** 20);
    expect(bytes).toBeLessThanOrEqual(17 * 4096);
  });
});

describe('a flattened dump', () => {
  it('gives what the dump in it gives, whatever the order and the size of its records', () => {
    for (const file of [kdumpFile(kdumpSpec), elfFile(elfSpec)]) {
      const expected = look(open(file));
      for (const size of [1000, 4096, 65_536]) {
        const records = recordsOf(file, size);
        for (const order of [records, records.toReversed()]) {
          const dump = open(flattenedFile(order));
          expect(look(dump)).toEqual(expected);
          expect(dump.problems).toEqual([]);
          expect(Buffer.from(dump.vmcoreinfo ?? []).toString()).toBe('OSRELEASE=6.1.0\n');
        }
      }
    }
  });

  it('is called flattened', () => {
    expect(open(flattenedFile(recordsOf(kdumpFile(kdumpSpec), 999))).description).toMatch(/^kdump-.*, flattened$/);
    expect(open(flattenedFile(recordsOf(elfFile(elfSpec), 999))).description).toMatch(/^ELF .*, flattened$/);
  });

  it('that is cut off anywhere behind its bitmaps loses only what is gone', () => {
    const { bytes, subHeader, bitmap1, descriptors, data } = kdumpLayout(kdumpSpec);
    const piece = (offset: number, end: number): RecordSpec => ({ offset, data: bytes.subarray(offset, end) });
    const pages = bytes.length - data;
    // In makedumpfile's order: headers without their padding, bitmaps, then descriptors and pages by turns.
    const records = [
      piece(0, 464),
      piece(subHeader + 104, bitmap1 - 3000),
      piece(subHeader, subHeader + 104),
      piece(bitmap1, descriptors),
      ...[0, 1, 2].flatMap((i) => [
        piece(descriptors + 48 * i, descriptors + 48 * (i + 1)),
        piece(data + Math.floor((pages * i) / 3), data + Math.floor((pages * (i + 1)) / 3)),
      ]),
    ];
    const file = flattenedFile(records);
    const intact = look(open(file));
    expect(intact.filter((line) => line.includes('data data')).length).toBe(6);
    expect(open(file).problems).toEqual([]);
    const tail = bytes.length - descriptors + 7 * 16;
    let before = -1;
    for (let size = file.length - tail; size < file.length; size += 5) {
      const dump = open(file.subarray(0, size));
      const now = look(dump);
      const readable = now.filter((line, i) => line === intact[i] && line.includes('data data')).length;
      expect(now.every((line, i) => line === intact[i] || line.endsWith(' lost lost '))).toBe(true);
      expect(readable).toBeGreaterThanOrEqual(before);
      expect(dump.counts).toEqual({ inFile: readable, excluded: 2, lost: 6 - readable });
      expect(dump.problems[0]).toMatch(/^the flattened file is cut off: /);
      expect(dump.problems.slice(1)).toEqual(readable < 6 ? [`${6 - readable} of 6 pages are missing`] : []);
      const walked: number[] = [];
      for (let at = dump.nextInFile(pfn(0)); at !== undefined; at = dump.nextInFile(pfn(at + 1))) walked.push(at);
      expect(walked.length).toBe(readable);
      before = readable;
    }
    expect(before).toBe(6);
  });

  it('that is cut off before its indexes says so', () => {
    const file = elfFile(elfSpec);
    const headersLast = [
      { offset: 0, data: file.subarray(0, 64) },
      { offset: 500, data: file.subarray(500) },
    ];
    expect(() => open(flattenedFile(headersLast, { open: true }))).toThrow(
      /writes the program headers last, .* cut off/,
    );
    const whole = flattenedFile(recordsOf(kdumpFile(kdumpSpec), 4096));
    for (const size of [10_000, 4096 + 16 + 300]) {
      expect(() => open(whole.subarray(0, size))).toThrow(FormatError);
      expect(() => open(whole.subarray(0, size))).toThrow(/^[^\n]+$/);
    }
  });

  it('takes no zeros for records, whose end would make a header of anything', () => {
    const zeroed = Buffer.concat([
      flattenedFile([{ offset: 0, data: Uint8Array.of(1, 2, 3) }]).subarray(0, 4096 + 16 + 3),
      Buffer.alloc(1000),
      // What follows looks like a record for the same place.
      flattenedFile([{ offset: 0, data: Uint8Array.of(9, 9, 9) }]).subarray(4096),
    ]);
    const damaged = new FlattenedSource(memorySource(zeroed));
    const bytes = new Uint8Array(3);
    damaged.read(0, bytes);
    expect([...bytes]).toEqual([1, 2, 3]);
    expect(damaged.container?.problems.join()).toMatch(/makes no sense; nothing behind it is read/);
  });

  it('keeps what stands before a record that makes no sense', () => {
    const records = recordsOf(kdumpFile(kdumpSpec), 4096);
    const senseless: RecordSpec[] = [
      { offset: -2n, data: new Uint8Array(3) },
      { offset: -1n, data: new Uint8Array(3) },
      { offset: 0, size: -2n, data: new Uint8Array(3) },
      { offset: 2n ** 62n, data: new Uint8Array(3) },
      { offset: 2 ** 52, size: 2 ** 53, data: new Uint8Array(3) },
    ];
    const intact = look(open(flattenedFile(records)));
    for (const record of senseless) {
      const dump = open(flattenedFile([...records, record]));
      expect(look(dump)).toEqual(intact);
      expect(dump.problems[0]).toMatch(
        /is damaged: record \d+, at offset \d+, makes no sense; nothing behind it is read/,
      );
    }
    const early = open(flattenedFile([...records.slice(0, -1), ...senseless.slice(0, 1), ...records.slice(-1)]));
    expect(look(early)).not.toEqual(intact);
  });

  it('is refused in one line when there is nothing to read in it', () => {
    const cases: [Uint8Array, new (...args: never[]) => Error, RegExp][] = [
      [flattenedFile([]), FormatError, /there is nothing in it/],
      [flattenedFile([], { open: true }), FormatError, /cut off: it has no end mark/],
      [flattenedFile([]).subarray(0, 100), FormatError, /ends in its header \(100 bytes\)/],
      [flattenedFile([], { type: 2 }), FormatError, /type 2 and version 1/],
      [flattenedFile([], { version: 7 }), FormatError, /type 1 and version 7/],
      [flattenedFile([{ offset: 0, data: Buffer.from('some text') }]), UsageError, /text file/],
      [flattenedFile(recordsOf(flattenedFile([]), 4096)), UsageError, /a flattened file inside a flattened file/],
      [flattenedFile([{ offset: 5, data: Buffer.from('x') }], { open: true }), FormatError, /are missing/],
    ];
    for (const [bytes, kind, message] of cases) {
      expect(() => open(bytes)).toThrow(kind);
      expect(() => open(bytes)).toThrow(message);
    }
  });

  it('says which record cannot be read', () => {
    const file = flattenedFile(recordsOf(kdumpFile(kdumpSpec), 5000));
    const inner = memorySource(file);
    const failing = {
      ...inner,
      readOnce: (offset: number, into: Uint8Array): void => {
        if (offset > 29_000) throw new FormatError('file', 'cannot be read: EIO', offset);
        inner.readOnce(offset, into);
      },
    };
    expect(openSource(failing, 'test.flat').problems[0]).toMatch(/cannot be read at offset \d+: cannot be read: EIO/);
  });
});
