/**
 * ELF notes, as they stand in PT_NOTE segments and in the note area of a kdump file (elf(5); the kernel's
 * include/uapi/linux/elf.h `Elf64_Nhdr`). Name and descriptor are each padded to 4 bytes, also in 64-bit files.
 * Names are 'CORE', 'LINUX', 'QEMU', 'VMCOREINFO' and others; this file gives none of them a meaning but VMCOREINFO.
 */
import { ByteView, cstring } from '../base/bytes.ts';
import type { ElfNote, Machine } from './dump-file.ts';

const HEADER_SIZE = 12;
/** 8192 CPUs give some 3 MB of notes. */
export const MAX_NOTES_BYTES = 64 * 2 ** 20;
/** 8192 CPUs give some 25,000; more of them take memory for nothing. */
export const MAX_NOTES = 1 << 17;

export interface ParsedNotes {
  readonly notes: readonly ElfNote[];
  /** Why parsing ended before the end of the bytes; the notes before it are good. */
  readonly problem: string | undefined;
}

const pad4 = (size: number): number => Math.ceil(size / 4) * 4;

/**
 * Never throws: damaged notes end the list. The descriptors are views of `bytes`.
 * @param max - so many are read
 * @param base - where `bytes` begin in the file, for the notes' offsets
 */
export function parseNotes(bytes: Uint8Array, max = MAX_NOTES, base?: number): ParsedNotes {
  const view = new ByteView(bytes, 'ELF notes');
  const notes: ElfNote[] = [];
  let at = 0;
  while (at + HEADER_SIZE <= bytes.length) {
    const nameSize = view.u32(at);
    const descSize = view.u32(at + 4);
    const type = view.u32(at + 8);
    if (nameSize === 0) {
      // Padding: the kernel ends the notes of a CPU with zeros. No note of a dump is without a name.
      at += 4;
      continue;
    }
    const descAt = at + HEADER_SIZE + pad4(nameSize);
    if (descAt + descSize > bytes.length) {
      return { notes, problem: `ELF note ${notes.length + 1} is longer than the notes (at byte ${at})` };
    }
    if (notes.length >= max) return { notes, problem: `more than ${MAX_NOTES} ELF notes; the rest is not read` };
    const name = cstring(bytes.subarray(at + HEADER_SIZE, at + HEADER_SIZE + nameSize));
    const desc = bytes.subarray(descAt, descAt + descSize);
    notes.push(base === undefined ? { name, type, desc } : { name, type, desc, offset: base + descAt });
    at = descAt + pad4(descSize);
  }
  return { notes, problem: undefined };
}

export function vmcoreinfoNote(notes: readonly ElfNote[]): Uint8Array | undefined {
  return notes.find((note) => note.name === 'VMCOREINFO' && note.desc.length > 0)?.desc;
}

/** `PAGESIZE=` of VMCOREINFO when it is a size a page can have, else the architecture's usual one. */
export function pageSizeOf(vmcoreinfo: Uint8Array | undefined, machine: Machine): number {
  if (vmcoreinfo !== undefined && machine === 'aarch64') {
    const stated = Number(/(?:^|\n)PAGESIZE=(\d{1,6})\n/.exec(Buffer.from(vmcoreinfo).toString('latin1'))?.[1]);
    if (isPageSize(stated)) return stated;
  }
  return 4096;
}

/** A page size that Linux has on the 64-bit machines: 4, 16 or 64 KiB. */
export function isPageSize(size: number): boolean {
  return size === 4096 || size === 16384 || size === 65536;
}

/** The bytes of these notes, as `parseNotes` reads them. */
export function encodeNotes(notes: readonly ElfNote[]): Uint8Array {
  const sizes = notes.map((note) => HEADER_SIZE + pad4(note.name.length + 1) + pad4(note.desc.length));
  const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  notes.forEach((note, i) => {
    bytes.writeUInt32LE(note.name.length + 1, at);
    bytes.writeUInt32LE(note.desc.length, at + 4);
    bytes.writeUInt32LE(note.type, at + 8);
    bytes.write(note.name, at + HEADER_SIZE, 'latin1');
    bytes.set(note.desc, at + HEADER_SIZE + pad4(note.name.length + 1));
    at += sizes[i] ?? 0;
  });
  return bytes;
}
