/**
 * 69 more: damage that the headers' own checks do not see, in a real dump, so that what stands on them meets it too;
 * flattened files, split dumps, page data of other compressions, hostile text, memory that only looks like a kernel's.
 */
import { elfFile } from '../builders/elf-file.ts';
import { flattenedFile, recordsOf } from '../builders/flattened.ts';
import { kdumpLayout } from '../builders/kdump-file.ts';
import { limeFile } from '../builders/memory-image.ts';
import { type Bases, RECORD_SIZE, SPLIT_AT } from './bases.ts';
import { type Base, fill, type FileSpec, type MalformedCase, type Patch, text, u16, u32, u64 } from './case.ts';

const PROGRAM_HEADERS = 64;
const PHDR = 56;

const senseless = /(\d+) of \1 pages have descriptors that make no sense/;
const damaged = /the data of \d+ pages is damaged or cannot be read/;
const noKernel = /the kernel's symbol table cannot be read/;

export function ourHeaders(bases: Bases): readonly MalformedCase[] {
  return [
    ...kdumpCases(bases),
    ...vmcoreinfoCases(bases),
    ...elfCases(bases),
    ...flattenedCases(bases),
    ...splitCases(bases),
    ...others(),
  ];
}

/** `base` with these changes; `says` is in stderr with status 3, in a problem with 1. */
function of(base: Base) {
  return (
    name: string,
    status: MalformedCase['status'],
    says: RegExp,
    ...patches: readonly Patch[]
  ): MalformedCase => ({
    name: `${base}: ${name}`,
    files: [{ base, patches }],
    status,
    says,
  });
}

function kdumpCases({ kdump, spec }: Bases): MalformedCase[] {
  const { subHeader: sub, bitmap1, bitmap2, descriptors, data, bytes } = kdump;
  const bitmap = bitmap2 - bitmap1;
  const count = spec.pages.size;
  const change = of('kdump');
  const each = (make: (at: number) => Patch): Patch[] =>
    Array.from({ length: count }, (_, i) => make(descriptors + 24 * i));
  const cut = (name: string, size: number, status: 1 | 3, says: RegExp): MalformedCase => ({
    name: `kdump: cut off ${name}`,
    files: [{ base: 'kdump', patches: [], size }],
    status,
    says,
  });
  return [
    change('no descriptor says anything', 1, senseless, fill(descriptors, 24 * count, 0)),
    change('descriptors of ones', 1, senseless, fill(descriptors, 24 * count, 0xff)),
    change('pages of 2^32-1 bytes', 1, senseless, ...each((at) => u32(at + 8, 0xffffffff))),
    change('pages of 1 byte', 1, damaged, ...each((at) => u32(at + 8, 1))),
    change('every page is the first one', 1, noKernel, ...each((at) => u64(at, data))),
    change('page data in the headers', 1, senseless, ...each((at) => u64(at, 4096))),
    change(
      'all pages behind the end',
      1,
      /(\d+) of \1 pages lie behind the end/,
      ...each((at) => u64(at, bytes.length)),
    ),
    change('pages said to be LZO', 1, damaged, ...each((at) => u32(at + 12, 2))),
    change('pages said to be snappy', 1, damaged, ...each((at) => u32(at + 12, 4))),
    change('pages said to be zstd', 1, damaged, ...each((at) => u32(at + 12, 0x20))),
    change('pages said to be uncompressed', 1, damaged, ...each((at) => u32(at + 12, 0))),
    change('pages of an unknown compression', 1, damaged, ...each((at) => u32(at + 12, 0x40))),
    change('page data of ones', 1, damaged, fill(data, bytes.length - data, 0xff)),
    change('one page in ten damaged', 1, damaged, ...each((at) => u32(at + 8, 7)).filter((_, i) => i % 10 === 9)),
    change('bitmap of pages all ones', 1, /pages have descriptors that make no sense/, fill(bitmap2, bitmap, 0xff)),
    change('bitmap of pages all zero', 1, noKernel, fill(bitmap2, bitmap, 0)),
    change('bitmap of memory all zero', 0, /^$/, fill(bitmap1, bitmap, 0)),
    change('marked as incomplete', 1, /incomplete/, u32(424, 9)),
    change('every status bit', 1, /incomplete/, u32(424, 0xffffffff)),
    change('a machine that is not supported', 3, /s390x/, text(12 + 4 * 65, 's390x\0')),
    change('no machine', 3, /no machine name/, fill(12 + 4 * 65, 65, 0)),
    change('a machine of control characters', 3, /no machine name/, text(12 + 4 * 65, '\x1b[31m\r\n')),
    change('header version 0', 3, /header version 0/, u32(8, 0)),
    change('header version of a big-endian machine', 3, /big-endian/, { at: 8, bytes: Uint8Array.of(0, 0, 0, 6) }),
    change('header version 5 with 2^32-1 page frames', 3, /do not fit/, u32(8, 5), u32(440, 0xffffffff)),
    change('one page frame', 1, noKernel, u64(sub + 96, 1)),
    change('erase information behind the end', 1, /erase information/, u64(sub + 64, 2 ** 50), u64(sub + 72, 1)),
    cut('in its header', 463, 3, /ends inside its header/),
    cut('in its sub header', 4100, 3, /headers and bitmaps need/),
    cut('in its bitmaps', bitmap2 + 7, 3, /headers and bitmaps need/),
    cut('in its descriptors', descriptors + 24 * 100 + 5, 1, /(\d+) of \1 pages lie behind the end/),
    cut('in its last page', bytes.length - 3, 1, /1 of \d+ pages lie behind the end/),
  ];
}

function vmcoreinfoCases({ kdump, spec }: Bases): MalformedCase[] {
  const { subHeader: sub, bytes } = kdump;
  const info = spec.vmcoreinfo ?? '';
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(info, 0, 'latin1');
  const change = of('kdump');
  /** The line of a key with the value replaced, as long as it was. */
  const value = (key: string, put: string): Patch => {
    const from = info.indexOf(`${key}=`) + key.length + 1;
    const end = info.indexOf('\n', from);
    return text(at + from, put.repeat(end - from).slice(0, end - from));
  };
  return [
    change('VMCOREINFO over the whole file', 3, /VMCOREINFO/, u64(sub + 32, 1), u64(sub + 40, bytes.length - 1)),
    change('VMCOREINFO of one byte', 3, /VMCOREINFO/, u64(sub + 40, 1)),
    change('VMCOREINFO of zeros', 3, /VMCOREINFO/, fill(at, info.length, 0)),
    change('VMCOREINFO without line ends', 3, /VMCOREINFO/, text(at, info.replaceAll('\n', ' '))),
    change('a kernel release of control characters', 0, /^$/, value('OSRELEASE', '\x1b[31m\r')),
    change('PAGESIZE of 9999', 0, /^$/, value('PAGESIZE', '9')),
    change('phys_base of nines', 1, noKernel, value('NUMBER(phys_base)', '9')),
    change('the page table at ffff...', 1, /cannot read virtual memory/, value('SYMBOL(init_top_pgt)', 'f')),
    change('kallsyms said to be elsewhere', 1, noKernel, value('SYMBOL(kallsyms_names)', 'e')),
  ];
}

function elfCases({ files }: Bases): MalformedCase[] {
  const change = of('elf');
  const view = new DataView(files.elf.buffer, files.elf.byteOffset);
  const segments = view.getUint16(56, true) - 1;
  const headers = Array.from({ length: segments }, (_, i) => PROGRAM_HEADERS + PHDR * (i + 1));
  return [
    change('no memory size', 3, /no memory in it/, ...headers.map((at) => u64(at + 40, 0))),
    change('memory of 2^64-1 bytes each', 3, /no memory in it/, ...headers.map((at) => u64(at + 40, -1n))),
    change('all segments at one address', 1, noKernel, ...headers.map((at) => u64(at + 24, 0x1000))),
    change(
      'one segment in ten behind the end',
      1,
      /truncated/,
      ...headers.filter((_, i) => i % 10 === 0).map((at) => u64(at + 8, 2 ** 40)),
    ),
    change('marked as incomplete', 1, /incomplete/, u32(48, 1)),
    change('32-bit', 3, /32-bit/, { at: 4, bytes: Uint8Array.of(1) }),
    change('an executable', 3, /executable/, u16(16, 2)),
    change(
      'notes over the whole file',
      3,
      /VMCOREINFO/,
      u64(PROGRAM_HEADERS + 8, 0),
      u64(PROGRAM_HEADERS + 32, files.elf.length),
    ),
  ];
}

function flattenedCases({ files }: Bases): MalformedCase[] {
  const change = of('flattened');
  const record = (n: number): number => 4096 + n * (RECORD_SIZE + 16);
  const big = (at: number, value: bigint): Patch => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(value);
    return { at, bytes };
  };
  const last = Math.floor(files.kdump.length / RECORD_SIZE);
  const tiny = Array.from({ length: 60_000 }, (_, i) => ({ offset: (i * 7919) % 50_000, data: Uint8Array.of(i) }));
  return [
    change('of type 2', 3, /type 2 and version 1/, big(16, 2n)),
    change('the first record has -2 bytes', 3, /makes no sense/, big(4096 + 8, -2n)),
    change('the last record belongs at 2^62', 1, /makes no sense/, big(record(last), 2n ** 62n)),
    change('the last record has 2^40 bytes', 1, /ends inside record/, big(record(last) + 8, 2n ** 40n)),
    whole('flattened: 60,000 bytes in 60,000 records', flattenedFile(tiny), /known format|text/),
    whole(
      'flattened: a flattened file inside',
      flattenedFile(recordsOf(flattenedFile([]), 4096)),
      /inside a flattened/,
    ),
  ];
}

function splitCases({ spec }: Bases): MalformedCase[] {
  const whole: FileSpec[] = [
    { base: 'part1', patches: [] },
    { base: 'part2', patches: [] },
  ];
  const other = kdumpLayout({
    ...spec,
    pages: new Map(),
    window: [SPLIT_AT, spec.maxPfn],
    vmcoreinfo: 'OSRELEASE=1\n',
  });
  return [
    { name: 'split: a file twice', files: [...whole, ...whole.slice(0, 1)], status: 3, says: /is one of them a copy/ },
    { name: 'split: a file missing', files: whole.slice(1), status: 1, says: /is missing: \d+ pages are lost/ },
    {
      name: 'split: a file of another dump',
      files: [...whole.slice(0, 1), { bytes: other.bytes }],
      status: 3,
      says: /of another dump/,
    },
    {
      name: 'split: a window that ends before it starts',
      files: [{ base: 'part1', patches: [u64(4096 + 80, 9), u64(4096 + 88, 8)] }, ...whole.slice(1)],
      status: 3,
      says: /part of a split dump/,
    },
  ];
}

function whole(name: string, bytes: Uint8Array, says: RegExp): MalformedCase {
  return { name, files: [{ bytes }], status: 3, says };
}

function others(): MalformedCase[] {
  return [whole('a signature and nothing else', Buffer.from('KDUMP   '), /ends inside its header/), ...withoutKernel()];
}

/** Memory without a kernel, or with what looks like one. */
function withoutKernel(): MalformedCase[] {
  const none = /no Linux kernel of x86-64 was found in it/;
  const page = new Uint8Array(4096).fill(1);
  const raw = (text: string): Buffer => Buffer.alloc(8 << 20, Buffer.from(text.padEnd(4096, '\0'), 'latin1'));
  const info = 'OSRELEASE=6.1.0\nSYMBOL(_stext)=ffffffff81000000\nSYMBOL(swapper_pg_dir)=ffffffff80001000\n';
  const banner = 'Linux version 6.1.0-test (builder@host) (gcc) #1 SMP\n\0';
  return [
    whole('LiME: a header and nothing behind it', limeFile([{ first: 0, last: 4095, data: new Uint8Array(0) }]), none),
    whole('LiME: all memory there can be', limeFile([{ first: 0, last: 2n ** 52n - 1n, data: page }]), none),
    whole('LiME: a range up to 2^64-1', limeFile([{ first: 0, last: 2n ** 64n - 1n, data: page }]), /LiME: a range/),
    whole(
      'LiME: 20,000 ranges of a byte',
      limeFile(Array.from({ length: 20_000 }, (_, i) => ({ first: i * 3, data: Uint8Array.of(i) }))),
      none,
    ),
    whole('raw: nothing but zeros', new Uint8Array(8 << 20), none),
    whole('raw: VMCOREINFO on each page', raw(`${info}NUMBER(phys_base)=0\n`), none),
    whole('raw: VMCOREINFO that has phys_base searched', raw(`${info}SYMBOL(phys_base)=ffffffff80001000\n`), none),
    whole('raw: a banner on each page', raw(banner), none),
    whole('ELF: page tables of a CPU that map everything to themselves', selfMapped(), none),
  ];
}

/** A note of a CPU whose page tables are one page, every entry of which leads to it. */
function selfMapped(): Uint8Array {
  const tables = Buffer.alloc(4096);
  for (let i = 0; i < 512; i++) tables.writeBigUInt64LE(0x1003n, i * 8);
  const state = Buffer.alloc(440);
  state.writeUInt32LE(1, 0);
  for (const [at, value] of [[392, 1n << 31n] as const, [416, 0x1000n] as const, [424, 0x20n] as const])
    state.writeBigUInt64LE(value, at);
  return elfFile({
    notes: [{ name: 'QEMU', type: 0, desc: state }],
    segments: [
      { paddr: 0, data: tables },
      { paddr: 0x1000, data: tables },
    ],
  });
}
