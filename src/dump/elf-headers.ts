/**
 * ELF64 file header and program headers (elf(5), include/uapi/linux/elf.h), little endian. Counts and sizes are checked
 * against the file before anything is allocated by them. Segments whose numbers make no sense are left out and named
 * in `problems`; a header that makes no sense is a FormatError.
 */
import { ByteView } from '../base/bytes.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { Machine } from './dump-file.ts';
import { crashOf } from './foreign.ts';

const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const SHDR_SIZE = 64;
const ET_CORE = 4;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PN_XNUM = 0xffff;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
/** A fragmented makedumpfile -E file of a terabyte stays far below this. */
const MAX_SEGMENTS = 1 << 20;
const MAX_NOTE_SEGMENTS = 1024;
/** Physical addresses: 52 bits on x86-64 and arm64. */
const MAX_PHYS = 2 ** 52;

const machineNames: ReadonlyMap<number, string> = new Map([
  [2, 'SPARC'],
  [3, 'i386'],
  [8, 'MIPS'],
  [20, 'PowerPC'],
  [21, 'ppc64'],
  [22, 's390'],
  [40, 'ARM'],
  [43, 'sparc64'],
  [50, 'ia64'],
  [EM_X86_64, 'x86_64'],
  [EM_AARCH64, 'aarch64'],
  [243, 'riscv'],
  [258, 'loongarch'],
]);

export interface ElfHeader {
  readonly machine: number;
  readonly flags: number;
  readonly programHeaders: number;
  readonly programHeaderCount: number;
}

/** PT_LOAD segments as struct of arrays, in file order, and where the notes are. */
export interface ElfSegments {
  readonly count: number;
  readonly physStart: Float64Array;
  readonly memSize: Float64Array;
  readonly fileSize: Float64Array;
  readonly offset: Float64Array;
  readonly virtStart: BigUint64Array;
  readonly notes: readonly { readonly offset: number; readonly size: number }[];
  readonly problems: readonly string[];
}

export function machineOf(elfMachine: number): Machine | undefined {
  if (elfMachine === EM_X86_64) return 'x86_64';
  return elfMachine === EM_AARCH64 ? 'aarch64' : undefined;
}

/**
 * @param name - the file as the user named it, for messages
 * @throws UsageError for ELF files that are no dump or of no supported kind; FormatError for damaged ones
 */
export function readElfHeader(source: ByteSource, name: string): ElfHeader {
  const ident = Uint8Array.from(source.peek(0, Math.min(EHDR_SIZE, source.size)));
  if (ident.length < 20) throw new FormatError('ELF', `the file ends inside the ELF header (${source.size} bytes)`);
  const bigEndian = ident[5] === 2;
  const is64 = ident[4] === 2;
  const short = new ByteView(ident, 'ELF header', !bigEndian);
  const type = short.u16(16);
  const machine = short.u16(18);
  if (type !== ET_CORE) throw new UsageError(`${name}: ${notACore(type)}, not a dump`);
  const called = machineNames.get(machine) ?? `ELF machine ${machine}`;
  if (!is64)
    throw new UsageError(`${name}: 32-bit dump (${called}); only 64-bit kernels are supported${crashOf(called)}`);
  if (bigEndian)
    throw new UsageError(
      `${name}: big-endian dump (${called}); only little-endian ones are supported${crashOf(called)}`,
    );
  if (machineOf(machine) === undefined) {
    throw new UsageError(`${name}: dump of a machine that is not supported (${called})${crashOf(called)}`);
  }

  const view = new ByteView(source.peek(0, Math.min(EHDR_SIZE, source.size)), 'ELF header');
  const entrySize = view.u16(54);
  if (entrySize !== PHDR_SIZE) throw new FormatError('ELF', `program headers of ${entrySize} bytes`, 54);
  const programHeaders = view.size64(32);
  let programHeaderCount = view.u16(56);
  if (programHeaderCount === PN_XNUM) programHeaderCount = extendedCount(source, view.size64(40));
  if (programHeaderCount > MAX_SEGMENTS && programHeaderCount * PHDR_SIZE <= source.size)
    throw new FormatError('ELF', `${programHeaderCount} program headers; more than ${MAX_SEGMENTS} are not read`);
  if (programHeaderCount > MAX_SEGMENTS || programHeaders + programHeaderCount * PHDR_SIZE > source.size) {
    throw new FormatError('ELF', `${programHeaderCount} program headers do not fit into ${source.size} bytes`);
  }
  return { machine, flags: view.u32(48), programHeaders, programHeaderCount };
}

/** PN_XNUM: 65535 or more program headers; the number stands in sh_info of section 0. */
function extendedCount(source: ByteSource, sectionHeaders: number): number {
  if (sectionHeaders === 0) return PN_XNUM;
  return new ByteView(source.peek(sectionHeaders, SHDR_SIZE), 'ELF section 0').u32(44);
}

function notACore(type: number): string {
  if (type === 1) return 'this is an object file or kernel module';
  if (type === 2) return 'this is a kernel image (vmlinux) or an executable';
  if (type === 3) return 'this is an executable or shared library';
  return `this is an ELF file of type ${type}`;
}

/** @throws FormatError when the headers cannot be read */
export function readSegments(source: ByteSource, header: ElfHeader): ElfSegments {
  const total = header.programHeaderCount;
  if (source.container?.has(header.programHeaders, total * PHDR_SIZE) === false) {
    throw new FormatError(
      'ELF',
      'makedumpfile writes the program headers last, and the flattened file is cut off before',
    );
  }
  const table = new Uint8Array(total * PHDR_SIZE);
  source.read(header.programHeaders, table);
  const view = new ByteView(table, 'ELF program headers');
  const physStart = new Float64Array(total);
  const memSize = new Float64Array(total);
  const fileSize = new Float64Array(total);
  const offset = new Float64Array(total);
  const virtStart = new BigUint64Array(total);
  const notes: { offset: number; size: number }[] = [];
  let count = 0;
  let senseless = 0;
  for (let i = 0; i < total; i++) {
    const at = i * PHDR_SIZE;
    const type = view.u32(at);
    // Numbers above 2^53 lose low bits here; they are refused below.
    const fileOffset = Number(view.u64(at + 8));
    const phys = Number(view.u64(at + 24));
    const stored = Number(view.u64(at + 32));
    const size = Number(view.u64(at + 40));
    if (type === PT_NOTE) {
      if (notes.length >= MAX_NOTE_SEGMENTS || fileOffset + stored > Number.MAX_SAFE_INTEGER) senseless++;
      else notes.push({ offset: fileOffset, size: stored });
    } else if (type === PT_LOAD && (size > 0 || stored > 0)) {
      const sane = phys + size <= MAX_PHYS && stored <= size && fileOffset + stored <= Number.MAX_SAFE_INTEGER;
      if (!sane) {
        senseless++;
        continue;
      }
      physStart[count] = phys;
      memSize[count] = size;
      fileSize[count] = stored;
      offset[count] = fileOffset;
      virtStart[count] = view.u64(at + 16);
      count++;
    }
  }
  return {
    count,
    physStart: physStart.subarray(0, count),
    memSize: memSize.subarray(0, count),
    fileSize: fileSize.subarray(0, count),
    offset: offset.subarray(0, count),
    virtStart: virtStart.subarray(0, count),
    notes,
    problems: senseless === 0 ? [] : [`${senseless} ELF program headers make no sense and are left out`],
  };
}
