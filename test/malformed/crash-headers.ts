/**
 * 39 malformed headers of the kinds that crash 8.0.2 and 9.0.2 were measured with, made again by their description: four
 * ended it with SIGSEGV, the others with status 1 and often a misleading line or none. Of these files, the first three
 * end crash 9.0.2 with SIGSEGV; the fourth it refuses. Small files, each with one thing wrong.
 */
import { elfFile, filledPage, vmcoreinfoSpec } from '../builders/elf-file.ts';
import { kdumpLayout } from '../builders/kdump-file.ts';
import { type MalformedCase, type Patch, patched, u16, u32, u64 } from './case.ts';

const pages = new Map([1, 2, 3, 4096, 30_000].map((frame) => [frame, filledPage((frame % 250) + 1)]));
/** Enough for a report that says that there is no kernel in the dump; what is wrong with the header it says too. */
const VMCOREINFO = [
  'OSRELEASE=6.1.0',
  'PAGESIZE=4096',
  'SYMBOL(init_top_pgt)=ffffffff81001000',
  'NUMBER(phys_base)=0',
  'KERNELOFFSET=0',
  '',
].join('\n');
/** `struct elf_prstatus` is 336 bytes. */
const prstatus = { name: 'CORE', type: 1, desc: new Uint8Array(336) };
const kdump = kdumpLayout({
  maxPfn: 32_768,
  pages,
  compression: 'zlib',
  vmcoreinfo: VMCOREINFO,
  notes: [prstatus],
});
const elf = elfFile({
  notes: [prstatus, vmcoreinfoSpec(VMCOREINFO)],
  segments: [{ paddr: 0x1000, vaddr: 0xffff888000001000n, data: filledPage(1) }],
});
/** Where the program headers of the notes and of the segment are, and the notes themselves. */
const NOTE = 64;
const LOAD = NOTE + 56;
const NOTES = LOAD + 56;

const SUB = kdump.subHeader;
const KDUMP_NOTES = SUB + 104;

function one(name: string, bytes: Uint8Array, says: RegExp, status: 1 | 3 = 3): MalformedCase {
  return { name, files: [{ bytes }], status, says };
}
const ofKdump = (name: string, says: RegExp, ...patches: readonly Patch[]): MalformedCase =>
  one(`kdump: ${name}`, patched(kdump.bytes, patches), says);
/** Opens all the same. */
const ofNotes = (name: string, says: RegExp, ...patches: readonly Patch[]): MalformedCase =>
  one(`kdump: ${name}`, patched(kdump.bytes, patches), says, 1);
const ofElf = (name: string, says: RegExp, ...patches: readonly Patch[]): MalformedCase =>
  one(`ELF: ${name}`, patched(elf, patches), says);

/** Headers with bytes of a fixed pseudo-random sequence in them, behind what tells the format. */
function random(of: 'kdump' | 'ELF', seed: number): MalformedCase {
  const bytes = Uint8Array.from(of === 'kdump' ? kdump.bytes : elf);
  let state = seed;
  const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 8;
  const [from, to] = of === 'kdump' ? [8, SUB + 104] : [16, NOTES];
  for (let i = 0; i < 200; i++) bytes[from + (next() % (to - from))] = next() & 0xff;
  const name = `${of}: random header bytes, seed ${seed}`;
  // Two of them hit nothing that makes the file unreadable: there is a report, of a dump without a kernel.
  if (of === 'kdump' && (seed === 1 || seed === 3)) return one(name, bytes, /symbol table cannot be read/, 1);
  return one(name, bytes, of === 'kdump' ? /kdump|machine/ : /ELF|type/);
}

function padded(bytes: Uint8Array, size: number): Uint8Array {
  const file = new Uint8Array(size);
  file.set(bytes);
  return file;
}

export function crashHeaders(): readonly MalformedCase[] {
  const behind = /the ELF note area .* lies behind the end of the file/;
  return [
    ofKdump('max_mapnr_64 of 2^30 with bitmaps of 8 KiB', /1073741824 page frames do not fit/, u64(SUB + 96, 2 ** 30)),
    ofKdump('max_mapnr_64 of 2^40 with bitmaps of 8 KiB', /do not fit a bitmap/, u64(SUB + 96, 2 ** 40)),
    ofKdump(
      'split, from page frame 2^40 on',
      /part of a split dump/,
      u32(SUB + 12, 1),
      u64(SUB + 80, 2 ** 40),
      u64(SUB + 88, 2 ** 40 + 10),
    ),
    one('ELF: 65535 program headers in 8 KiB', padded(patched(elf, [u16(56, 0xffff)]), 8192), /65535 program headers/),
    ...[1, 2, 3, 4, 5, 6].flatMap((seed) => [random('kdump', seed), random('ELF', seed)]),
    ofKdump('block size 0', /block size 0/, u32(428, 0)),
    ofKdump('block size -4096', /block size -4096/, u32(428, -4096)),
    ofKdump('block size 1', /block size 1/, u32(428, 1)),
    ofKdump('block size 2^30', /block size 1073741824/, u32(428, 2 ** 30)),
    ofKdump('sub header of -1 blocks', /sub header of -1 blocks/, u32(432, -1)),
    ofKdump('sub header of 2^31-1 blocks', /headers and bitmaps need/, u32(432, 0x7fffffff)),
    ofKdump('no bitmap', /do not fit a bitmap of 0 bytes/, u32(436, 0)),
    ofKdump('bitmaps of 2^32-1 blocks', /headers and bitmaps need/, u32(436, 0xffffffff)),
    ofKdump('header version -1', /header version -1/, u32(8, -1)),
    ofKdump('header version 2^31-1', /header version 2147483647/, u32(8, 0x7fffffff)),
    ofNotes('notes of 2^63 bytes', behind, u64(SUB + 56, 2n ** 63n)),
    ofNotes('notes of -1 bytes', behind, u64(SUB + 56, -1n)),
    ofNotes('notes at 2^40', behind, u64(SUB + 48, 2 ** 40)),
    ofNotes(
      'VMCOREINFO of 2^63-1 bytes',
      /VMCOREINFO .* lies behind the end of the file/,
      u64(SUB + 40, 2n ** 63n - 1n),
    ),
    ofNotes('note with a name of 2^32-1 bytes', /note 1 is longer than the notes/, u32(KDUMP_NOTES, 0xffffffff)),
    ofNotes('note of 2^32-1 bytes', /note 1 is longer than the notes/, u32(KDUMP_NOTES + 4, 0xffffffff)),
    ofElf('segment data of 2^64-1 bytes', /no memory in it/, u64(LOAD + 32, -1n)),
    ofElf('segment data at 2^63', /no memory in it/, u64(LOAD + 8, 2n ** 63n)),
    ofElf('notes of 2^62 bytes', /no VMCOREINFO/, u64(NOTE + 32, 2n ** 62n)),
    ofElf('note with a name of 2^32-1 bytes', /no VMCOREINFO/, u32(NOTES, 0xffffffff)),
    one('an empty file', new Uint8Array(0), /the file is empty/),
    one('100 bytes of a kdump', kdump.bytes.subarray(0, 100), /ends inside its header \(100 bytes\)/),
    one('100 bytes of an ELF file', elf.subarray(0, 100), /program headers do not fit into 100 bytes/),
  ];
}
