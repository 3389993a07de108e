/**
 * Hand-built ELF64 files with sections (a vmlinux in small) by elf(5) alone: shares nothing with the reader. The section
 * headers lie behind the sections.
 */
export interface SectionSpec {
  readonly name: string;
  readonly data: Uint8Array;
  /** SHT_PROGBITS when absent. */
  readonly type?: number;
  readonly flags?: number;
  readonly address?: bigint;
  readonly link?: number;
}

export interface SymbolSpec {
  readonly name: string;
  readonly value: bigint;
  readonly size?: number;
  /** STB_GLOBAL (1) and STT_FUNC (2) when absent. */
  readonly info?: number;
  /** Number of the section; 1 when absent. */
  readonly section?: number;
}

export function elfImage(sections: readonly SectionSpec[], type = 2): Uint8Array {
  const all: SectionSpec[] = [{ name: '', data: new Uint8Array(0), type: 0 }, ...sections];
  const names: number[] = [];
  let strings = '';
  for (const name of [...all.map((each) => each.name), '.shstrtab']) {
    names.push(strings.length);
    strings += `${name}\0`;
  }
  all.push({ name: '.shstrtab', data: Buffer.from(strings, 'latin1'), type: 3 });
  const headers = Buffer.alloc(all.length * 64);
  const parts: Uint8Array[] = [];
  let at = 64;
  all.forEach((section, i) => {
    const h = i * 64;
    headers.writeUInt32LE(names[i] ?? 0, h);
    headers.writeUInt32LE(section.type ?? 1, h + 4);
    headers.writeBigUInt64LE(BigInt(section.flags ?? 0), h + 8);
    headers.writeBigUInt64LE(section.address ?? 0n, h + 16);
    headers.writeBigUInt64LE(BigInt(at), h + 24);
    headers.writeBigUInt64LE(BigInt(section.data.length), h + 32);
    headers.writeUInt32LE(section.link ?? 0, h + 40);
    parts.push(section.data);
    at += section.data.length;
  });
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(type, 16);
  head.writeUInt16LE(62, 18);
  head.writeBigUInt64LE(BigInt(at), 40);
  head.writeUInt16LE(64, 58);
  head.writeUInt16LE(all.length, 60);
  head.writeUInt16LE(all.length - 1, 62);
  return Buffer.concat([head, ...parts, headers]);
}

/** `.notes` with the build-id, as GNU ld writes it. */
export function buildIdSection(hexId: string): SectionSpec {
  const id = Buffer.from(hexId, 'hex');
  const head = Buffer.alloc(16);
  head.writeUInt32LE(4, 0);
  head.writeUInt32LE(id.length, 4);
  head.writeUInt32LE(3, 8);
  head.write('GNU\0', 12, 'latin1');
  return { name: '.notes', data: Buffer.concat([head, id]), type: 7, flags: 2 };
}

/** `.symtab` and `.strtab`; `first` is the number that the first of them gets. */
export function symbolSections(symbols: readonly SymbolSpec[], first: number): SectionSpec[] {
  const table = Buffer.alloc((symbols.length + 1) * 24);
  let strings = '\0';
  symbols.forEach((symbol, i) => {
    const at = (i + 1) * 24;
    table.writeUInt32LE(strings.length, at);
    strings += `${symbol.name}\0`;
    table.writeUInt8(symbol.info ?? 0x12, at + 4);
    table.writeUInt16LE(symbol.section ?? 1, at + 6);
    table.writeBigUInt64LE(symbol.value, at + 8);
    table.writeBigUInt64LE(BigInt(symbol.size ?? 0), at + 16);
  });
  return [
    { name: '.symtab', data: table, type: 2, link: first + 1 },
    { name: '.strtab', data: Buffer.from(strings, 'latin1'), type: 3 },
  ];
}

/** SHF_COMPRESSED: Elf64_Chdr and the packed bytes. @param kind - 1 zlib, 2 zstd */
export function compressedSection(name: string, kind: number, packed: Uint8Array, size: number): SectionSpec {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(kind, 0);
  head.writeBigUInt64LE(BigInt(size), 8);
  head.writeBigUInt64LE(1n, 16);
  return { name, data: Buffer.concat([head, packed]), flags: 0x800 };
}
