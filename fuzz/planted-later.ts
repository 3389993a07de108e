/** Twenty more, written when the fuzzer was finished, in readers and helpers that the first twenty do not touch. */
import type { PlantedBug } from './planted-bugs.ts';

export const PLANTED_LATER: readonly PlantedBug[] = [
  {
    what: 'checked reads do not check their length',
    file: 'src/base/bytes.ts',
    target: 'notes',
    changes: [
      [
        'if (!(offset >= 0) || offset + size > this.bytes.length) {',
        'if (!(offset >= 0) || offset > this.bytes.length) {',
      ],
    ],
  },
  {
    what: 'a range of a file is checked by its start alone',
    file: 'src/dump/byte-source.ts',
    target: 'bitmap',
    changes: [['|| !(length >= 0) || offset + length > size) {', '|| !(length >= 0) || offset > size) {']],
  },
  {
    what: 'segments that overlap are not trimmed',
    file: 'src/dump/range-table.ts',
    target: 'elf',
    changes: [['const from = Math.max(at(start, i), covered);', 'const from = at(start, i);']],
  },
  {
    what: 'a record of a flattened file is read one byte too far',
    file: 'src/dump/record-map.ts',
    target: 'flattened',
    changes: [
      [
        'upTo = Math.min(upTo, from + record - (inRun - before * record));',
        'upTo = Math.min(upTo, from + record + 1 - (inRun - before * record));',
      ],
    ],
  },
  {
    what: 'split dump: a window holds the frame behind its last (off by one)',
    file: 'src/dump/kdump-split.ts',
    target: 'split',
    changes: [
      [
        'this.#filled.find(({ window }) => frame >= window.start && frame < window.end)',
        'this.#filled.find(({ window }) => frame >= window.start && frame <= window.end)',
      ],
    ],
  },
  {
    what: 'writer: bitmaps have room for whole blocks only',
    file: 'src/dump/kdump-writer.ts',
    target: 'writer',
    changes: [
      ['Math.ceil(maxPfn / 8 / pageSize) * pageSize', 'Math.max(1, Math.floor(maxPfn / 8 / pageSize)) * pageSize'],
    ],
  },
  {
    what: 'cache of a file: a block may end before what is asked for',
    file: 'src/dump/file-source.ts',
    target: 'writer',
    changes: [['if (within + length <= BLOCK_SIZE) {', 'if (within <= BLOCK_SIZE) {']],
  },
  {
    what: 'a page that goes on behind its end counts as whole',
    file: 'src/dump/codecs/reused-stream.ts',
    target: 'codecs',
    changes: [
      ['} else if (state[0] === 1 && state[1] === 0) {', '} else if ((state[0] ?? 0) <= 1 && state[1] === 0) {'],
    ],
  },
  {
    what: 'BTF: a name may lie outside of the strings',
    file: 'src/debuginfo/btf-records.ts',
    target: 'split-btf',
    changes: [
      ["if (at >= table.bytes.length) throw new FormatError(FORMAT, 'name lies outside the strings', offset);", ''],
    ],
  },
  {
    what: 'module symbols: letters may be too few',
    file: 'src/debuginfo/module-symbols.ts',
    target: 'modules',
    changes: [['if (typetab !== undefined && typetab.length < count) throw', 'if (count < 0) throw']],
  },
  {
    what: 'kallsyms: token numbers are not checked against the table',
    file: 'src/debuginfo/kallsyms-names.ts',
    target: 'kallsyms',
    changes: [['if (start <= (index[token - 1] ?? 0) || table[start - 1] !== 0) {', 'if (start < 0) {']],
  },
  {
    what: 'symbols across a gap have no largest size',
    file: 'src/debuginfo/address-index.ts',
    target: 'kallsyms',
    changes: [['Math.min(this.#value(next) - value, MAX_SIZE) : 0;', 'this.#value(next) - value : 0;']],
  },
  {
    what: 'ORC: a block may be longer than the table',
    file: 'src/debuginfo/orc.ts',
    target: 'orc',
    changes: [['Math.min(BLOCK_WORDS, this.count - first)', 'BLOCK_WORDS']],
  },
  {
    what: 'memory: a word across two pages is read from the first',
    file: 'src/program/virtual-memory.ts',
    target: 'page-tables',
    changes: [['if (offset > this.#pageSize - 8) return', 'if (offset > this.#pageSize - 4) return']],
  },
  {
    what: 'a name of a directory entry has no largest size',
    file: 'src/kernel/dentry.ts',
    target: 'kernel',
    changes: [['if (length > MAX_NAME) throw', 'if (length < 0) throw']],
  },
  {
    what: 'image ranges: a step may go beyond the end of the address space',
    file: 'src/program/arch/x86-64.ts',
    target: 'page-tables',
    changes: [['const next = behind > at && behind < end ? behind : end;', 'const next = behind;']],
  },
  {
    what: 'log: more descriptors are used than there are',
    file: 'src/kernel/printk-ringbuffer.ts',
    target: 'kernel',
    changes: [['if (used > BigInt(this.#count)) {', 'if (used < 0n) {']],
  },
  {
    what: 'log of 4.19: records may begin behind the end of the ring',
    file: 'src/kernel/printk-log.ts',
    target: 'kernel',
    changes: [['|| first >= bytes.length || next > bytes.length)', '|| first < 0)']],
  },
  {
    what: 'directories: parents need not end',
    file: 'src/kernel/dentry.ts',
    target: 'kernel',
    changes: [
      ["if (n >= MAX_DEPTH) throw new ValidationError('struct dentry', dentry, 'its parents do not end');", ''],
    ],
  },
  {
    what: 'names are shown with the control characters in them',
    file: 'src/render/escape.ts',
    target: 'report',
    changes: [
      [
        'const dangerous = /[\\p{C}\\p{Zl}\\p{Zp}\\p{DI}\\u2800]/u;',
        'const dangerous = /[\\p{Zl}\\p{Zp}\\p{DI}\\u2800]/u;',
      ],
    ],
  },
];
