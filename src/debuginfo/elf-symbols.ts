/**
 * The symbol table of an ELF file, sorted by address on first use. Addresses are those of the file: of a kernel that KASLR
 * has moved they differ by its offset from those of the dump.
 */
import { ByteView, cstring } from '../base/bytes.ts';
import type { ElfSection } from './elf-image.ts';

/** st_name u32, st_info u8, st_other u8, st_shndx u16, st_value u64, st_size u64. */
const SYM = 24;
const STT_SECTION = 3;
const STT_FILE = 4;
const SHN_LORESERVE = 0xff00;
const SHN_ABS = 0xfff1;

export interface ElfSymbol {
  readonly name: string;
  readonly address: bigint;
  /** Bytes, as the compiler says; 0 for most of assembly. */
  readonly size: number;
  /** nm's letter. */
  readonly type: string;
}

export class ElfSymbols {
  readonly #view: ByteView;
  readonly #strings: Uint8Array;
  readonly #sections: readonly ElfSection[];

  constructor(bytes: Uint8Array, strings: Uint8Array, sections: readonly ElfSection[]) {
    this.#view = new ByteView(bytes, '.symtab');
    this.#strings = strings;
    this.#sections = sections;
  }

  /** All but those of sections and files, as they stand in the file. */
  *entries(): Generator<ElfSymbol> {
    for (let at = SYM; at + SYM <= this.#view.length; at += SYM) {
      const symbol = this.#at(at);
      if (symbol !== undefined) yield symbol;
    }
  }

  #at(at: number): ElfSymbol | undefined {
    const info = this.#view.u8(at + 4);
    const section = this.#view.u16(at + 6);
    if (section === 0 || (info & 15) === STT_SECTION || (info & 15) === STT_FILE) return undefined;
    const name = cstring(this.#strings.subarray(this.#view.u32(at), this.#view.u32(at) + 512));
    if (name === '') return undefined;
    const size = this.#view.u64(at + 16);
    return {
      name,
      address: this.#view.u64(at + 8),
      size: Number(size < 0x7fff_ffffn ? size : 0n),
      type: this.#letter(info >>> 4, section),
    };
  }

  /** Of the symbol of that number, as relocations count: its section's number, and where in it. Undefined for what lies elsewhere. */
  placeOf(index: number): { readonly section: number; readonly value: bigint } | undefined {
    const at = index * SYM;
    if (at + SYM > this.#view.length) return undefined;
    const section = this.#view.u16(at + 6);
    return section === 0 || section >= SHN_LORESERVE ? undefined : { section, value: this.#view.u64(at + 8) };
  }

  /** Symbols with a name, of sections of the file: for each its section and where in it. */
  *places(): Generator<{ readonly name: string; readonly section: number; readonly value: bigint }> {
    for (let at = SYM; at + SYM <= this.#view.length; at += SYM) {
      const place = this.placeOf(at / SYM);
      const symbol = place === undefined ? undefined : this.#at(at);
      if (place !== undefined && symbol !== undefined) yield { name: symbol.name, ...place };
    }
  }

  /** The first of that name. Compares bytes: a kernel has 200,000 symbols, of which one is wanted. */
  find(name: string): ElfSymbol | undefined {
    const wanted = Buffer.from(`${name}\0`, 'latin1');
    const strings = this.#strings;
    for (let at = SYM; at + SYM <= this.#view.length; at += SYM) {
      const from = this.#view.u32(at);
      let i = 0;
      while (i < wanted.length && strings[from + i] === wanted[i]) i++;
      if (i < wanted.length) continue;
      const symbol = this.#at(at);
      if (symbol !== undefined) return symbol;
    }
    return undefined;
  }

  #letter(binding: number, index: number): string {
    const letter = index === SHN_ABS ? 'a' : letterOf(this.#sections[index]);
    if (binding === 2) return letter === 't' || letter === 'a' ? 'W' : 'V';
    return binding === 0 ? letter : letter.toUpperCase();
  }
}

/** SHF_EXECINSTR 4, SHF_WRITE 1; SHT_NOBITS 8. */
function letterOf(section: ElfSection | undefined): string {
  if (section === undefined) return '?';
  if ((section.flags & 4n) !== 0n) return 't';
  if (section.type === 8) return 'b';
  return (section.flags & 1n) === 0n ? 'r' : 'd';
}
