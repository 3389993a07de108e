/**
 * A module's file (ET_REL) as the kernel has loaded it: sections of debug information with their relocations applied, for the
 * addresses at which its sections lie in the dump. What the linker has applied already (a vmlinux with --emit-relocs) is never
 * read through this.
 * System V ABI for x86-64: R_X86_64_64, _32, _32S. References to what lies elsewhere, or was not loaded, stay as they are.
 */
import { ByteView } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';
import type { ElfImage, ElfSection, SectionBytes } from './elf-image.ts';
import type { ElfSymbols } from './elf-symbols.ts';

const RELA = 24;
const R_NONE = 0;
const R_64 = 1;
const R_PC32 = 2;
const R_32 = 10;
const R_32S = 11;

/** What readers of debug information need of a file. */
export type DebugSections = Pick<ElfImage, 'name' | 'read' | 'pieces' | 'section'>;

export class RelocatedImage implements DebugSections {
  readonly name: string;
  readonly #image: ElfImage;
  readonly #symbols: ElfSymbols | undefined;
  readonly #bases: ReadonlyMap<number, bigint>;

  /** @param bases - by number of section: where its first byte lies in memory; 0n is right for debug information itself */
  constructor(image: ElfImage, bases: ReadonlyMap<number, bigint>) {
    this.name = image.name;
    this.#image = image;
    this.#symbols = image.symbols();
    this.#bases = bases;
  }

  section(name: string): ElfSection | undefined {
    return this.#image.section(name);
  }

  /** @throws FormatError */
  pieces(name: string): SectionBytes | undefined {
    const bytes = this.read(name);
    if (bytes === undefined) return undefined;
    return { size: bytes.length, read: (offset, length) => new ByteView(bytes, name).slice(offset, length) };
  }

  /** @throws FormatError for relocations that no debug information has, and for those that do not fit */
  read(name: string): Uint8Array | undefined {
    const bytes = this.#image.read(name);
    const table = bytes === undefined ? undefined : this.#image.read(`.rela${name}`);
    if (bytes === undefined || table === undefined || this.#symbols === undefined) return bytes;
    const relocated = Uint8Array.from(bytes);
    this.#apply(relocated, new ByteView(table, `.rela${name}`), this.#symbols);
    return relocated;
  }

  #apply(bytes: Uint8Array, table: ByteView, symbols: ElfSymbols): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + RELA <= table.length; at += RELA) {
      const offset = table.size64(at);
      const type = table.u32(at + 8);
      if (type === R_NONE || type === R_PC32) continue;
      const size = type === R_64 ? 8 : 4;
      if (type !== R_64 && type !== R_32 && type !== R_32S)
        throw new FormatError(table.format, `a relocation of type ${type}`, at);
      if (offset + size > bytes.length) throw new FormatError(table.format, 'a relocation behind the end', at);
      const symbol = symbols.placeOf(table.u32(at + 12));
      const base = symbol === undefined ? undefined : this.#bases.get(symbol.section);
      if (symbol === undefined || base === undefined) continue;
      const value = BigInt.asUintN(64, base + symbol.value + BigInt.asIntN(64, table.u64(at + 16)));
      if (size === 8) view.setBigUint64(offset, value, true);
      else view.setUint32(offset, Number(value & 0xffff_ffffn), true);
    }
  }
}
