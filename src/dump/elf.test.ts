import { describe, expect, it } from 'vitest';
import { elfFile, filledPage, vmcoreinfoSpec } from '../../test/builders/elf-file.ts';
import { pfn } from '../base/address.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import { memorySource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { openSource } from './open.ts';

function open(bytes: Uint8Array): DumpFile {
  return openSource(memorySource(bytes), 'test.vmcore');
}

function pages(...values: number[]): Uint8Array {
  return Buffer.concat(values.map((value) => filledPage(value)));
}

/** Status of a frame before reading, after reading, and the first byte when it can be read. */
function look(dump: DumpFile, frame: number): string {
  const page = new Uint8Array(dump.pageSize);
  const before = dump.status(pfn(frame));
  const after = dump.readPage(pfn(frame), page);
  const first = after === 'data' || after === 'zero' ? ` ${page[0]}` : '';
  return `${before} ${after}${first}`;
}

describe('ELF vmcore', () => {
  const info = vmcoreinfoSpec('OSRELEASE=6.1.0\nPAGESIZE=4096\n');

  it('tells data, zero, excluded-or-zero and absent apart', () => {
    const dump = open(
      elfFile({
        notes: [info],
        segments: [
          { paddr: 0x1000, data: pages(1, 0), memsz: 0x4000 },
          { paddr: 0x8000, data: pages(8) },
        ],
      }),
    );
    expect([0, 1, 2, 3, 4, 5, 7, 8, 9].map((frame) => look(dump, frame))).toEqual([
      'absent absent',
      'data data 1',
      'data zero 0',
      'excluded-or-zero excluded-or-zero',
      'excluded-or-zero excluded-or-zero',
      'absent absent',
      'absent absent',
      'data data 8',
      'absent absent',
    ]);
    expect(dump.maxPfn).toBe(9);
    expect(dump.counts).toEqual({ inFile: 3, excluded: undefined, lost: 0 });
    expect(dump.problems).toEqual([]);
    expect(dump.machine).toBe('x86_64');
    expect(Buffer.from(dump.vmcoreinfo ?? []).toString()).toBe('OSRELEASE=6.1.0\nPAGESIZE=4096\n');
    expect(look(dump, -1)).toBe('absent absent');
    expect(look(dump, 2 ** 40)).toBe('absent absent');
  });

  it('walks the pages in the file, whatever order the segments have', () => {
    const dump = open(
      elfFile({
        segments: [
          { paddr: 0x9000, data: pages(9) },
          { paddr: 0x2000, data: pages(2, 3) },
          { paddr: 0x5000, memsz: 0x2000 },
        ],
      }),
    );
    const found: number[] = [];
    for (let p = dump.nextInFile(pfn(0)); p !== undefined; p = dump.nextInFile(pfn(p + 1))) found.push(p);
    expect(found).toEqual([2, 3, 9]);
  });

  it('derives PAGE_OFFSET and phys_base from p_vaddr as the kernel and makedumpfile write it', () => {
    const dump = open(
      elfFile({
        segments: [
          { paddr: 0x9a00000, vaddr: 0xffffffffa5400000n, data: pages(1) },
          { paddr: 0x100000, vaddr: 0xffff8e6680100000n, data: pages(2) },
          { paddr: 0x9a00000, vaddr: 0xffff8e6689a00000n, data: pages(1) },
        ],
      }),
    );
    expect(dump.pageOffset).toBe(0xffff8e6680000000n);
    // "Negative", as with KASLR: 0x9a00000 - 0x25400000.
    expect(dump.physBase).toBe(BigInt.asUintN(64, 0x9a00000n - 0x25400000n));
    // 5-level paging: the direct map is at 0xff11...
    const five = open(elfFile({ segments: [{ paddr: 0x1000, vaddr: 0xff11000000001000n, data: pages(1) }] }));
    expect(five.pageOffset).toBe(0xff11000000000000n);
  });

  it('derives nothing from the p_vaddr that QEMU writes', () => {
    for (const vaddr of [0n, 0x1000n]) {
      const dump = open(elfFile({ segments: [{ paddr: 0x1000, vaddr, data: pages(1) }] }));
      expect([dump.pageOffset, dump.physBase]).toEqual([undefined, undefined]);
    }
  });

  it('gives up PAGE_OFFSET when the segments contradict each other', () => {
    const dump = open(
      elfFile({
        segments: [
          { paddr: 0x1000, vaddr: 0xffff888000001000n, data: pages(1) },
          { paddr: 0x2000, vaddr: 0xffff999000002000n, data: pages(2) },
        ],
      }),
    );
    expect(dump.pageOffset).toBeUndefined();
  });

  it('reads overlapping segments: data wins over a tail, file order does not matter', () => {
    const text = { paddr: 0x2000, data: pages(2, 3) };
    const map = { paddr: 0x1000, data: pages(1), memsz: 0x5000 };
    for (const segments of [
      [text, map],
      [map, text],
    ]) {
      const dump = open(elfFile({ segments }));
      expect([1, 2, 3, 4].map((frame) => look(dump, frame))).toEqual([
        'data data 1',
        'data data 2',
        'data data 3',
        'excluded-or-zero excluded-or-zero',
      ]);
      expect(dump.counts.inFile).toBe(3);
    }
  });

  it('puts a page together from segments that share it, and calls one covered in part absent', () => {
    const dump = open(
      elfFile({
        segments: [
          { paddr: 0x1000, data: new Uint8Array(0x400).fill(7) },
          { paddr: 0x1400, data: new Uint8Array(0xc00).fill(9) },
          { paddr: 0x3000, data: new Uint8Array(0x800).fill(5) },
          { paddr: 0x5800, data: new Uint8Array(0x800).fill(5) },
        ],
      }),
    );
    const page = new Uint8Array(4096);
    expect(dump.readPage(pfn(1), page)).toBe('data');
    expect([page[0], page[0x3ff], page[0x400], page[0xfff]]).toEqual([7, 7, 9, 9]);
    expect(look(dump, 3)).toBe('absent absent');
    expect(look(dump, 5)).toBe('absent absent');
    expect(dump.nextInFile(pfn(0))).toBe(1);
    expect(dump.nextInFile(pfn(2))).toBeUndefined();
  });

  it('calls a page covered in part absent even when that part cannot be read, as its status says', () => {
    const bytes = elfFile({ segments: [{ paddr: 0x1000, data: filledPage(1).subarray(0, 2048) }] });
    const sound = memorySource(bytes);
    const last = bytes.length - 2048;
    // As a flattened file that is cut off: something in the middle cannot be read.
    const dump = openSource(
      {
        ...sound,
        read(offset, into) {
          if (offset >= last) throw new FormatError('flattened', 'missing');
          sound.read(offset, into);
        },
      },
      'test.vmcore',
    );
    expect(look(dump, 1)).toBe('absent absent');
  });

  it('calls pages behind the end of a truncated file lost and says how many', () => {
    const whole = elfFile({ notes: [info], segments: [{ paddr: 0x1000, data: pages(1, 2, 3, 4) }] });
    const dump = open(whole.subarray(0, whole.length - 2 * 4096 - 1));
    expect([1, 2, 3, 4].map((frame) => look(dump, frame))).toEqual([
      'data data 1',
      'lost lost',
      'lost lost',
      'lost lost',
    ]);
    expect(dump.counts.lost).toBe(3);
    expect(dump.problems.join()).toMatch(/truncated: 3 pages/);
  });

  it('calls uncovered pages of an incomplete dump lost, not absent', () => {
    const dump = open(elfFile({ flags: 1, segments: [{ paddr: 0x1000, data: pages(1) }, { paddr: 0 }] }));
    expect(look(dump, 5)).toBe('lost lost');
    expect(dump.problems.join()).toMatch(/incomplete/);
  });

  it('counts program headers in section 0 when e_phnum is PN_XNUM', () => {
    const bytes = elfFile({ extendedCount: true, segments: [{ paddr: 0x1000, data: pages(1) }] });
    expect(look(open(bytes), 1)).toBe('data data 1');
  });

  it('reads 70,000 segments', () => {
    const segments = Array.from({ length: 70_000 }, (_, i) => ({ paddr: i * 0x2000, memsz: 0x1000 }));
    const dump = open(elfFile({ extendedCount: true, segments: [...segments, { paddr: 0x1000, data: pages(1) }] }));
    expect([look(dump, 1), look(dump, 69_999 * 2), look(dump, 69_999 * 2 + 1)]).toEqual([
      'data data 1',
      'excluded-or-zero excluded-or-zero',
      'absent absent',
    ]);
  });

  it('reads notes whose name and descriptor are padded to 4 bytes', () => {
    const dump = open(
      elfFile({
        notes: [
          { name: 'CORE', type: 1, desc: Uint8Array.of(1, 2, 3) },
          { name: 'LINUX', type: 0x700, desc: new Uint8Array(0) },
          { name: 'QEMU', type: 0, desc: Uint8Array.of(4) },
          info,
        ],
        segments: [{ paddr: 0x1000, data: pages(1) }],
      }),
    );
    expect(dump.notes.map((note) => [note.name, note.type, note.desc.length])).toEqual([
      ['CORE', 1, 3],
      ['LINUX', 0x700, 0],
      ['QEMU', 0, 1],
      ['VMCOREINFO', 0, info.desc.length],
    ]);
  });

  it('takes the page size of an arm64 dump from VMCOREINFO', () => {
    const dump = open(
      elfFile({
        machine: 183,
        notes: [vmcoreinfoSpec('OSRELEASE=6.1.0\nPAGESIZE=65536\n')],
        segments: [{ paddr: 0x10000, data: filledPage(3, 65536) }],
      }),
    );
    expect([dump.machine, dump.pageSize, look(dump, 1)]).toEqual(['aarch64', 65536, 'data data 3']);
  });

  it('names what is no dump of a kernel', () => {
    const segments = [{ paddr: 0x1000, data: pages(1) }];
    const auxv = { name: 'CORE', type: 6, desc: new Uint8Array(16) };
    const cases: [Parameters<typeof elfFile>[0], RegExp][] = [
      [{ segments, type: 1 }, /object file or kernel module/],
      [{ segments, type: 2 }, /vmlinux/],
      [{ segments, type: 3 }, /executable or shared library/],
      [{ segments, type: 77 }, /ELF file of type 77/],
      [{ segments, machine: 22 }, /s390/],
      [{ segments, machine: 999 }, /ELF machine 999/],
      [{ segments, elfClass: 1, machine: 3 }, /32-bit dump \(i386\)/],
      [{ segments, encoding: 2, machine: 21 }, /big-endian dump \(ppc64\)/],
      [{ segments: [{ paddr: 0, vaddr: 0x400000n, data: pages(1) }], notes: [auxv] }, /core file of a process/],
      [{ segments, notes: [{ name: 'CORE', type: 4, desc: new Uint8Array(4) }] }, /\/proc\/kcore/],
    ];
    for (const [spec, message] of cases) {
      const attempt = (): DumpFile => open(elfFile(spec));
      expect(attempt).toThrow(UsageError);
      expect(attempt).toThrow(message);
      expect(attempt).toThrow(/^test\.vmcore: [^\n]+$/);
    }
    // With VMCOREINFO or a kernel address the same notes do not make it a process.
    expect(open(elfFile({ segments, notes: [auxv, info] })).maxPfn).toBe(2);
    const kernel = [{ paddr: 0x1000, vaddr: 0xffff888000001000n, data: pages(1) }];
    expect(open(elfFile({ segments: kernel, notes: [auxv] })).maxPfn).toBe(2);
  });

  it('leaves out senseless segments and keeps the rest', () => {
    const dump = open(
      elfFile({
        segments: [
          { paddr: 0xffffffffffff0000n, data: pages(1) },
          { paddr: 0x1000, memsz: 2n ** 63n, filesz: 0 },
          { paddr: 0x1000, filesz: 0x4000, memsz: 0x1000 },
          { paddr: 0x1000, filesz: 0x1000, offset: 2n ** 64n - 1n },
          { paddr: 0x2000, data: pages(2) },
        ],
      }),
    );
    expect([look(dump, 1), look(dump, 2), dump.maxPfn]).toEqual(['absent absent', 'data data 2', 3]);
    expect(dump.problems).toEqual(['4 ELF program headers make no sense and are left out']);
  });

  it('refuses a file without memory', () => {
    expect(() => open(elfFile({ segments: [] }))).toThrow(FormatError);
    expect(() => open(elfFile({ segments: [{ paddr: 2n ** 60n, memsz: 4096 }] }))).toThrow(FormatError);
  });
});
