/**
 * Sections of an ELF64 little-endian file (a vmlinux, a module, or their split debug files), by their headers and read one
 * by one: include/uapi/linux/elf.h, and SHF_COMPRESSED of the gABI (zlib and zstd) with the older `.zdebug_*` of GNU.
 * Relocations are never applied: a vmlinux linked with --emit-relocs keeps those that the linker has applied already.
 * Not handled: 32-bit and big-endian files.
 */
import { inflateSync, zstdDecompressSync } from 'node:zlib';
import { ByteView, cstring } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';
import { ElfSymbols } from './elf-symbols.ts';
import type { ImageBytes } from './image-file.ts';

const FORMAT = 'ELF file';
const EHDR = 64;
const SHDR = 64;
const SHT_SYMTAB = 2;
const SHT_NOTE = 7;
const SHT_NOBITS = 8;
const SHF_ALLOC = 2;
const SHF_COMPRESSED = 0x800;
const ET_CORE = 4;
const NT_GNU_BUILD_ID = 3;
/** The largest kernels have some hundred; modules built with -ffunction-sections some thousand. */
const MAX_SECTIONS = 1 << 17;
/** Larger than any section of a kernel; what claims more is damaged. */
const MAX_SECTION = 2 ** 31 - 1;
const MAX_NOTES = 1 << 20;

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  /** Where it lies in memory; 0n for what is not loaded. */
  readonly address: bigint;
  /** In the file. */
  readonly offset: number;
  /** Bytes in the file; as it lies in memory unless it is compressed. */
  readonly size: number;
  readonly link: number;
}

export class ElfImage {
  /** What messages call it. */
  readonly name: string;
  readonly machine: number;
  /** ET_EXEC 2, ET_DYN 3, ET_REL 1, ET_CORE 4. */
  readonly type: number;
  readonly sections: readonly ElfSection[];
  readonly #bytes: ImageBytes;
  #buildId: string | undefined | null = null;

  /** @throws FormatError when it is no ELF64 file or its section headers do not fit it */
  constructor(bytes: ImageBytes, name: string) {
    this.#bytes = bytes;
    this.name = name;
    const head = new ByteView(bytes.read(0, Math.min(EHDR, bytes.size)), FORMAT);
    if (!isElf(head.bytes)) throw new FormatError(FORMAT, 'it does not begin as one', 0);
    if (head.u8(4) !== 2 || head.u8(5) !== 1) throw new FormatError(FORMAT, 'it is not 64-bit little-endian', 4);
    this.type = head.u16(16);
    this.machine = head.u16(18);
    this.sections = this.#readSections(head);
  }

  #readSections(head: ByteView): ElfSection[] {
    const at = head.size64(40);
    if (at === 0) return [];
    if (head.u16(58) !== SHDR) throw new FormatError(FORMAT, `section headers of ${head.u16(58)} bytes`, 58);
    const first = new ByteView(this.#bytes.read(at, SHDR), FORMAT);
    // With more than 0xff00 sections the numbers stand in the first header.
    const count = head.u16(60) === 0 ? first.size64(32) : head.u16(60);
    const names = head.u16(62) === 0xffff ? first.u32(40) : head.u16(62);
    if (count > MAX_SECTIONS) throw new FormatError(FORMAT, `claims ${count} sections`, 60);
    const view = new ByteView(this.#bytes.read(at, count * SHDR), FORMAT);
    if (names >= count) throw new FormatError(FORMAT, 'has no section with the names of sections', 62);
    const offset = view.size64(names * SHDR + 24);
    const strings = new ByteView(this.#bytes.read(offset, bounded(view.size64(names * SHDR + 32))), FORMAT);
    return Array.from({ length: count }, (_, i): ElfSection => {
      const header = i * SHDR;
      return {
        name: strings.cstring(view.u32(header), 256),
        type: view.u32(header + 4),
        flags: view.u64(header + 8),
        address: view.u64(header + 16),
        offset: view.size64(header + 24),
        size: view.size64(header + 32),
        link: view.u32(header + 40),
      };
    });
  }

  /** The first section of that name; `.debug_info` may be called `.zdebug_info`. */
  section(name: string): ElfSection | undefined {
    const old = name.startsWith('.debug_') ? `.z${name.slice(1)}` : name;
    return this.sections.find((each) => each.name === name) ?? this.sections.find((each) => each.name === old);
  }

  /**
   * Bytes of a section, decompressed; undefined when there is none of that name or it has no bytes in the file.
   * @throws FormatError when it does not fit the file, or does not decompress to the size that it claims
   */
  read(name: string): Uint8Array | undefined {
    const section = this.section(name);
    if (section === undefined || section.type === SHT_NOBITS) return undefined;
    const bytes = this.#bytes.read(section.offset, bounded(section.size));
    if ((section.flags & BigInt(SHF_COMPRESSED)) !== 0n) {
      const view = new ByteView(bytes, section.name);
      return decompressed(section.name, view.u32(0), bytes.subarray(24), view.size64(8));
    }
    if (section.name.startsWith('.zdebug_')) {
      const view = new ByteView(bytes, section.name, false);
      if (view.cstring(0, 4) !== 'ZLIB') throw new FormatError(section.name, 'it does not begin with ZLIB', 0);
      return decompressed(section.name, 1, bytes.subarray(12), view.size64(4));
    }
    return bytes;
  }

  /** True when it is stored as it is, so that parts of it can be read. */
  #isPlain(section: ElfSection): boolean {
    return (section.flags & BigInt(SHF_COMPRESSED)) === 0n && !section.name.startsWith('.zdebug_');
  }

  /**
   * A section that is read piece by piece; one that is compressed is decompressed whole.
   * @throws FormatError
   */
  pieces(name: string): SectionBytes | undefined {
    const section = this.section(name);
    if (section === undefined || section.type === SHT_NOBITS) return undefined;
    if (!this.#isPlain(section)) {
      const bytes = this.read(name) ?? new Uint8Array(0);
      return { size: bytes.length, read: (offset, length) => new ByteView(bytes, name).slice(offset, length) };
    }
    const { offset: start, size } = section;
    return {
      size: bounded(size),
      read: (offset, length) => {
        if (!(offset >= 0 && length >= 0 && offset + length <= size))
          throw new FormatError(name, `needs ${length} bytes, has ${size}`, offset);
        return this.#bytes.read(start + offset, length);
      },
    };
  }

  /** Lower-case hex of the build-id note; undefined when there is none. */
  get buildId(): string | undefined {
    if (this.#buildId === null) this.#buildId = this.#readBuildId();
    return this.#buildId;
  }

  #readBuildId(): string | undefined {
    for (const section of this.sections) {
      if (section.type !== SHT_NOTE || section.size > MAX_NOTES) continue;
      // A file of debug symbols alone has NOBITS in place of what is loaded, but keeps its notes.
      const notes = new ByteView(this.#bytes.read(section.offset, section.size), section.name);
      for (let at = 0; at + 12 <= notes.length; ) {
        const nameSize = notes.u32(at);
        const size = notes.u32(at + 4);
        const data = at + 12 + align4(nameSize);
        if (data + size > notes.length) break;
        if (notes.u32(at + 8) === NT_GNU_BUILD_ID && notes.cstring(at + 12, nameSize) === 'GNU' && size <= 64)
          return Buffer.from(notes.slice(data, size)).toString('hex');
        at = data + align4(size);
      }
    }
    return undefined;
  }

  /** Name and CRC-32 of the file with the debug information, where this one names it. */
  get debugLink(): { readonly file: string; readonly crc: number } | undefined {
    const bytes = this.read('.gnu_debuglink');
    if (bytes === undefined) return undefined;
    const file = cstring(bytes);
    return { file, crc: new ByteView(bytes, '.gnu_debuglink').u32(align4(file.length + 1)) };
  }

  /** `linux_banner` and whatever else is loaded at an address of the image. @throws FormatError */
  atAddress(address: bigint, length: number): Uint8Array {
    for (const section of this.sections) {
      if ((section.flags & BigInt(SHF_ALLOC)) === 0n || section.type === SHT_NOBITS) continue;
      const into = address - section.address;
      if (into >= 0n && into < BigInt(section.size))
        return this.#bytes.read(section.offset + Number(into), Math.min(length, section.size - Number(into)));
    }
    throw new FormatError(FORMAT, `nothing of it is loaded at ${address.toString(16)}`);
  }

  /** Symbols of `.symtab`; undefined when it is stripped. @throws FormatError */
  symbols(): ElfSymbols | undefined {
    const section = this.sections.find(({ type }) => type === SHT_SYMTAB);
    const strings = section === undefined ? undefined : this.sections[section.link];
    if (section === undefined || strings === undefined) return undefined;
    return new ElfSymbols(
      this.#bytes.read(section.offset, bounded(section.size)),
      this.#bytes.read(strings.offset, bounded(strings.size)),
      this.sections,
    );
  }

  get isCore(): boolean {
    return this.type === ET_CORE;
  }

  close(): void {
    this.#bytes.close();
  }
}

/** A part of a file with offsets of its own. */
export interface SectionBytes {
  readonly size: number;
  /** Exactly `length` bytes. @throws FormatError behind the end */
  read(offset: number, length: number): Uint8Array;
}

/** True for bytes that begin as ELF. */
export function isElf(head: Uint8Array): boolean {
  return head.length >= 20 && head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function bounded(size: number): number {
  if (size > MAX_SECTION) throw new FormatError(FORMAT, `a section of ${size} bytes`);
  return size;
}

/** @param kind - ch_type: ELFCOMPRESS_ZLIB 1, ELFCOMPRESS_ZSTD 2 */
function decompressed(name: string, kind: number, packed: Uint8Array, size: number): Uint8Array {
  if (kind !== 1 && kind !== 2) throw new FormatError(name, `compressed in a way that is not known (${kind})`);
  // Neither packs a thousand times denser than this, so that a small file cannot claim all memory.
  if (bounded(size) > 64 + packed.length * 32_768) throw new FormatError(name, `claims ${size} bytes`);
  const options = { maxOutputLength: Math.max(1, size) };
  let bytes: Uint8Array;
  try {
    bytes = kind === 1 ? inflateSync(packed, options) : zstdDecompressSync(packed, options);
  } catch (error) {
    throw new FormatError(name, 'does not decompress', undefined, { cause: error });
  }
  if (bytes.length !== size) throw new FormatError(name, `decompresses to ${bytes.length} bytes, not to ${size}`);
  return bytes;
}
