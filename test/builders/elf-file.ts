/**
 * Hand-built ELF64 vmcores for tests, by elf(5) alone: shares nothing with the reader. Every field can be set to
 * nonsense. The result is small: program headers, notes, then the data of each segment in order.
 */
export interface NoteSpec {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

export interface SegmentSpec {
  readonly paddr: number | bigint;
  /** 0 when absent, as QEMU writes it. */
  readonly vaddr?: bigint;
  readonly data?: Uint8Array;
  /** The data's length when absent. */
  readonly filesz?: number | bigint;
  /** p_filesz when absent. */
  readonly memsz?: number | bigint;
  /** Where the data was put, when absent. */
  readonly offset?: number | bigint;
}

export interface ElfSpec {
  readonly segments: readonly SegmentSpec[];
  readonly notes?: readonly NoteSpec[];
  /** EM_X86_64 when absent. */
  readonly machine?: number;
  /** ET_CORE when absent. */
  readonly type?: number;
  /** ELFCLASS64 when absent. */
  readonly elfClass?: number;
  /** ELFDATA2LSB when absent; 2 also writes e_type and e_machine big-endian. */
  readonly encoding?: number;
  readonly flags?: number;
  /** Put 0xffff into e_phnum and the number into sh_info of section 0. */
  readonly extendedCount?: boolean;
}

const EHDR = 64;
const PHDR = 56;
const SHDR = 64;

/** VMCOREINFO text as the note that kernels since 2.6.24 have. */
export function vmcoreinfoSpec(text: string): NoteSpec {
  return { name: 'VMCOREINFO', type: 0, desc: Buffer.from(text) };
}

/** A page whose every byte is `value`. */
export function filledPage(value: number, size = 4096): Uint8Array {
  return new Uint8Array(size).fill(value);
}

export function noteBytes(notes: readonly NoteSpec[]): Uint8Array {
  const parts: Buffer[] = [];
  for (const note of notes) {
    const name = Buffer.from(`${note.name}\0`, 'latin1');
    const head = Buffer.alloc(12);
    head.writeUInt32LE(name.length, 0);
    head.writeUInt32LE(note.desc.length, 4);
    head.writeUInt32LE(note.type, 8);
    parts.push(head, name, Buffer.alloc(-name.length & 3), Buffer.from(note.desc), Buffer.alloc(-note.desc.length & 3));
  }
  return Buffer.concat(parts);
}

export function elfFile(spec: ElfSpec): Uint8Array {
  const notes = noteBytes(spec.notes ?? []);
  const headers = 1 + spec.segments.length;
  const sections = spec.extendedCount === true ? SHDR : 0;
  const notesAt = EHDR + headers * PHDR + sections;
  let at = notesAt + notes.length;
  const total = at + spec.segments.reduce((sum, segment) => sum + (segment.data?.length ?? 0), 0);
  const file = Buffer.alloc(total);
  const bigEndian = spec.encoding === 2;

  file.write('\x7fELF', 0, 'latin1');
  file[4] = spec.elfClass ?? 2;
  file[5] = spec.encoding ?? 1;
  file[6] = 1;
  const type = spec.type ?? 4;
  const machine = spec.machine ?? 62;
  if (bigEndian) {
    file.writeUInt16BE(type, 16);
    file.writeUInt16BE(machine, 18);
  } else {
    file.writeUInt16LE(type, 16);
    file.writeUInt16LE(machine, 18);
  }
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(EHDR), 32);
  if (sections > 0) file.writeBigUInt64LE(BigInt(EHDR + headers * PHDR), 40);
  file.writeUInt32LE(spec.flags ?? 0, 48);
  file.writeUInt16LE(EHDR, 52);
  file.writeUInt16LE(PHDR, 54);
  file.writeUInt16LE(spec.extendedCount === true ? 0xffff : headers, 56);
  if (sections > 0) {
    file.writeUInt16LE(SHDR, 58);
    file.writeUInt16LE(1, 60);
    file.writeUInt32LE(headers, EHDR + headers * PHDR + 44);
  }

  const header = (index: number, ptype: number, fields: readonly (number | bigint)[]): void => {
    const base = EHDR + index * PHDR;
    file.writeUInt32LE(ptype, base);
    fields.forEach((field, i) => {
      file.writeBigUInt64LE(BigInt.asUintN(64, BigInt(field)), base + 8 + 8 * i);
    });
  };
  header(0, 4, [notesAt, 0, 0, notes.length, notes.length, 4]);
  file.set(notes, notesAt);
  spec.segments.forEach((segment, i) => {
    const data = segment.data ?? new Uint8Array(0);
    const filesz = segment.filesz ?? data.length;
    header(i + 1, 1, [segment.offset ?? at, segment.vaddr ?? 0n, segment.paddr, filesz, segment.memsz ?? filesz, 0]);
    file.set(data, at);
    at += data.length;
  });
  return file;
}
