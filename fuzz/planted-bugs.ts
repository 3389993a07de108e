/**
 * Twenty bounds bugs, as people make them: a check that is missing, a limit that is off by one, a count that nobody looked
 * at, a loop that need not end. Each is a change of the text of a reader; planted.ts plants them into a copy, one by one.
 */
export interface PlantedBug {
  readonly what: string;
  readonly file: string;
  /** The target that reads it. */
  readonly target: string;
  /** Each text must stand in the file exactly once. */
  readonly changes: readonly (readonly [from: string, to: string])[];
}

export const PLANTED: readonly PlantedBug[] = [
  {
    what: 'number of program headers is not checked against the file',
    file: 'src/dump/elf-headers.ts',
    target: 'elf',
    changes: [
      [
        'if (programHeaderCount > MAX_SEGMENTS || programHeaders + programHeaderCount * PHDR_SIZE > source.size) {',
        'if (programHeaders > source.size) {',
      ],
    ],
  },
  {
    what: 'size of the notes is not checked before they are allocated',
    file: 'src/dump/elf.ts',
    target: 'elf',
    changes: [['const wanted = Math.min(size, left, Math.max(0, source.size - offset));', 'const wanted = size;']],
  },
  {
    what: 'data of a segment may lie behind the end of the file',
    file: 'src/dump/elf.ts',
    target: 'elf',
    changes: [
      ['const present = Math.min(stored, Math.max(0, source.size - (offset[i] ?? 0)));', 'const present = stored;'],
    ],
  },
  {
    what: 'descriptor of a note may be longer than the notes',
    file: 'src/dump/notes.ts',
    target: 'notes',
    changes: [['if (descAt + descSize > bytes.length) {', 'if (descAt > bytes.length) {']],
  },
  {
    what: 'padding between notes is not passed over: a loop without end',
    file: 'src/dump/notes.ts',
    target: 'notes',
    changes: [['at += 4;\n      continue;', 'at += nameSize;\n      continue;']],
  },
  {
    what: 'number of page frames is not checked against the bitmap',
    file: 'src/dump/kdump-header.ts',
    target: 'kdump',
    changes: [['maxPfn > MAX_FRAMES || maxPfn > bitmapBytes * 8', 'maxPfn < 0']],
  },
  {
    what: 'pages before a frame: the frame itself is counted (off by one)',
    file: 'src/dump/bitmap.ts',
    target: 'kdump',
    changes: [['& ((1 << (count & 7)) - 1));', '& ((1 << ((count & 7) + 1)) - 1));']],
  },
  {
    what: 'search for the next page goes beyond the last frame',
    file: 'src/dump/bitmap.ts',
    target: 'bitmap',
    changes: [['const length = Math.min(CHUNK_BITS, this.bits - base);', 'const length = CHUNK_BITS;']],
  },
  {
    what: 'size of an inflated page is not limited',
    file: 'src/dump/codecs/zlib.ts',
    target: 'codecs',
    changes: [['inflateSync(input, { maxOutputLength: into.length })', 'inflateSync(input)']],
  },
  {
    what: 'LZO: a run of literals may be longer than the page',
    file: 'src/dump/codecs/lzo.ts',
    target: 'codecs',
    changes: [['if (ip + length > end || op + length > room) throw', 'if (ip + length > end) throw']],
  },
  {
    what: 'snappy: a copy may reach before the first byte',
    file: 'src/dump/codecs/snappy.ts',
    target: 'codecs',
    changes: [['distance === 0 || distance > op || op + length > size', 'distance === 0 || op + length > size']],
  },
  {
    what: 'a record of a flattened file may reach behind its end',
    file: 'src/dump/flattened.ts',
    target: 'flattened',
    changes: [['runs.add(start, Math.min(size, file.size - at), at);', 'runs.add(start, size, at);']],
  },
  {
    what: 'kallsyms: the number of symbols is used for an allocation unchecked',
    file: 'src/debuginfo/kallsyms-tables.ts',
    target: 'kallsyms',
    changes: [
      ['if (count < 1 || count > MAX_SYMBOLS) throw', 'if (count < 1) throw'],
      ['if (size < count * 2 || size > MAX_NAMES_BYTES) throw', 'if (size > MAX_NAMES_BYTES) throw'],
      [
        'const { bytes, lost } = readAround(memory, start, size, LEAST);',
        'const { bytes, lost } = readAround(memory, start, size, LEAST);\n  void new Uint32Array(count + 1);',
      ],
    ],
  },
  {
    what: 'kallsyms: the search for the count goes one step too far back',
    file: 'src/debuginfo/kallsyms-scan.ts',
    target: 'kallsyms',
    changes: [['if (at < back) continue;', 'if (at < 0) continue;']],
  },
  {
    what: 'BTF: the last type may be cut off',
    file: 'src/debuginfo/btf-records.ts',
    target: 'btf',
    changes: [["if (at > types.length) throw new FormatError(FORMAT, 'last type is cut off', at * 4);", '']],
  },
  {
    what: 'BTF: a chain of references need not end',
    file: 'src/debuginfo/btf.ts',
    target: 'btf',
    changes: [['for (let i = 0; i < MAX_CHAIN; i++) {\n      // The base', 'for (;;) {\n      // The base']],
  },
  {
    what: 'BTF: a struct may contain itself',
    file: 'src/debuginfo/btf.ts',
    target: 'btf',
    changes: [['if (outer.length > MAX_CHAIN || outer.includes(id)) throw', 'if (id === 0) throw']],
  },
  {
    what: 'ORC: the last entry is never found (off by one)',
    file: 'src/debuginfo/orc.ts',
    target: 'orc',
    changes: [['let high = this.count;', 'let high = this.count - 1;']],
  },
  {
    what: 'module symbols: a last symbol that is cut off is read',
    file: 'src/debuginfo/module-symbols.ts',
    target: 'modules',
    changes: [
      ['const count = Math.floor(symtab.length / SYM_SIZE);', 'const count = Math.ceil(symtab.length / SYM_SIZE);'],
    ],
  },
  {
    what: 'list of modules: it need not end',
    file: 'src/program/modules.ts',
    target: 'report',
    changes: [
      [
        "if (seen.has(at) || seen.size >= MAX_MODULES) throw new ValidationError('list of modules', at, 'does not end');",
        '',
      ],
    ],
  },
];
