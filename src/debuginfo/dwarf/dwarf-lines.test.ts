import { describe, expect, it } from 'vitest';
import { type Attribute, dwarfSections, named, sleb, uleb } from '../../../test/builders/dwarf.ts';
import { elfImage, type SectionSpec } from '../../../test/builders/elf-image.ts';
import { KwhyError } from '../../base/errors.ts';
import { ElfImage } from '../elf-image.ts';
import { ImageBuffer } from '../image-file.ts';
import { DebugInfo } from './debug-info.ts';
import { DwarfLines, type SourceFrame } from './dwarf-lines.ts';

const TEXT = 0xffffffff81000000n;
const text = (value: string): number[] => [...Buffer.from(`${value}\0`)];
const u32 = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
const u64 = (value: bigint): number[] => [...u32(Number(value & 0xffffffffn)), ...u32(Number(value >> 32n))];

/** set_address; line 10 at +0, file 2 line 3 at +4 and line 4 at +8 by a special opcode, line 12 of file 1 at +16; ends at +32. */
const PROGRAM = [
  [0, 9, 2, u64(TEXT)],
  [3, sleb(9), 1],
  [4, 2, 2, 4, 3, sleb(-7), 1],
  // opcode_base 13, line_base -5, line_range 14: 4 bytes and 1 line further.
  13 + 4 * 14 + 6,
  [4, 1, 9, 8, 0, 3, sleb(8), 1],
  [2, 16, 0, 1, 1],
].flat(2);

function lineSection(version: 2 | 3 | 4 | 5): SectionSpec {
  const lengths = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
  const head = [1, ...(version >= 4 ? [1] : []), 1, 256 - 5, 14, 13, ...lengths];
  const files =
    version === 5
      ? [
          [1, 1, 8, 2, text('/build'), text('include')],
          [2, 1, 8, 2, 11, 3],
          [text('first.c'), 0, text('kernel/core.c'), 0, text('inline.h'), 1],
        ].flat(2)
      : [...text('include'), 0, ...text('kernel/core.c'), 0, 0, 0, ...text('inline.h'), 1, 0, 0, 0];
  const header = [...head, ...files];
  const rest = [version, 0, ...(version === 5 ? [8, 0] : []), ...u32(header.length), ...header, ...PROGRAM];
  return { name: '.debug_line', data: Uint8Array.from([...u32(rest.length), ...rest]) };
}

const at = (low: bigint, size: number): Attribute[] => [
  [0x11, 0x01, TEXT + low],
  [0x12, 0x06, size],
];

function sections(version: 2 | 3 | 4 | 5): SectionSpec[] {
  const unit = dwarfSections([
    {
      version: version < 4 ? 4 : version,
      root: {
        tag: 0x11,
        attributes: [[0x10, 0x17, 0], ...at(0n, 32)],
        children: [
          { tag: 0x2e, label: 'helper', attributes: [named('helper')] },
          {
            tag: 0x2e,
            attributes: [named('caller'), ...at(0n, 32)],
            children: [
              {
                tag: 0x0b,
                attributes: at(2n, 20),
                children: [
                  {
                    tag: 0x1d,
                    attributes: [[0x31, 0x13, { to: 'helper' }], ...at(4n, 12), [0x58, 0x0b, 1], [0x59, 0x0b, 11]],
                  },
                ],
              },
            ],
          },
        ],
      },
    },
  ]);
  return [...unit, lineSection(version)];
}

function open(parts: readonly SectionSpec[]): DwarfLines {
  return new DwarfLines(new DebugInfo(new ElfImage(new ImageBuffer(elfImage(parts)), 'vmlinux')));
}

const caller = (line: number): SourceFrame => ({ func: 'caller', file: 'kernel/core.c', line });
const helper = (line: number): SourceFrame => ({ func: 'helper', file: 'include/inline.h', line });

describe.each([2, 3, 4, 5] as const)('lines of DWARF %i', (version) => {
  const lines = open(sections(version));

  it('are found, and the functions inlined there', () => {
    expect(lines.at(TEXT)).toEqual([caller(10)]);
    expect(lines.at(TEXT + 3n)).toEqual([caller(10)]);
    expect(lines.at(TEXT + 4n)).toEqual([helper(3), caller(11)]);
    expect(lines.at(TEXT + 15n)).toEqual([helper(4), caller(11)]);
    expect(lines.at(TEXT + 16n)).toEqual([caller(12)]);
    expect(lines.at(TEXT + 31n)).toEqual([caller(12)]);
  });

  it('of code that the file does not have are none', () => {
    expect(lines.at(TEXT - 1n)).toEqual([]);
    expect(lines.at(TEXT + 32n)).toEqual([]);
  });
});

it('finds functions in namespaces and types, where Rust has them', () => {
  const func = (name: string, low: bigint) => ({ tag: 0x2e, attributes: [named(name), ...at(low, 8)] });
  const lines = open([
    ...dwarfSections([
      {
        version: 5,
        root: {
          tag: 0x11,
          attributes: [[0x10, 0x17, 0], ...at(0n, 32)],
          children: [
            func('c_function', 24n),
            {
              tag: 0x39,
              attributes: [named('core')],
              children: [
                func('in_namespace', 0n),
                { tag: 0x13, attributes: [named('Parser'), [0x0b, 0x0b, 8]], children: [func('in_type', 8n)] },
              ],
            },
          ],
        },
      },
    ]),
    lineSection(5),
  ]);
  expect([0n, 8n, 24n].map((low) => lines.at(TEXT + low).map(({ func: name }) => name))).toEqual([
    ['in_namespace'],
    ['in_type'],
    ['c_function'],
  ]);
});

it('finds units by .debug_aranges', () => {
  const aranges = [2, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, ...u64(TEXT), ...u64(4n), ...u64(0n), ...u64(0n)];
  const lines = open([
    ...sections(5),
    { name: '.debug_aranges', data: Uint8Array.from([...u32(aranges.length), ...aranges]) },
  ]);
  expect(lines.at(TEXT)).toEqual([caller(10)]);
  expect(lines.at(TEXT + 5n)).toEqual([]);
});

it('finds what lies in several ranges, of both kinds of lists', () => {
  const lists = (kind: '.debug_ranges' | '.debug_rnglists', data: number[]): DwarfLines => {
    const unit = dwarfSections([
      {
        version: kind === '.debug_ranges' ? 4 : 5,
        root: {
          tag: 0x11,
          attributes: [
            [0x11, 0x01, TEXT],
            [0x55, 0x17, 0],
          ],
          children: [{ tag: 0x2e, attributes: [named('split'), [0x55, 0x17, 0]] }],
        },
      },
    ]);
    return open([...unit, { name: kind, data: Uint8Array.from(data) }]);
  };
  const old = lists('.debug_ranges', [0n, 4n, 2n ** 64n - 1n, TEXT + 64n, 8n, 16n, 0n, 0n].flatMap(u64));
  // offset_pair, base_address, start_length, end of list
  const now = lists('.debug_rnglists', [
    4,
    0,
    4,
    5,
    ...u64(TEXT + 64n),
    4,
    ...uleb(8),
    ...uleb(16),
    7,
    ...u64(TEXT + 512n),
    1,
    0,
  ]);
  for (const lines of [old, now]) {
    const names = [0n, 4n, 72n, 80n].map((offset) => lines.at(TEXT + offset)[0]?.func);
    expect(names).toEqual(['split', undefined, 'split', undefined]);
  }
  expect(now.at(TEXT + 512n)[0]?.func).toBe('split');
});

it('ends with a typed error or an answer, whatever byte is damaged', () => {
  const parts = sections(5);
  let refused = 0;
  parts.forEach((part, i) => {
    for (let byte = 0; byte < part.data.length; byte++) {
      for (const value of [0, 1, 9, 0x7f, 0x80, 0xff]) {
        const data = Buffer.from(part.data);
        data[byte] = value;
        try {
          open(parts.with(i, { ...part, data })).at(TEXT + 5n);
        } catch (error) {
          if (!(error instanceof KwhyError)) throw error;
          refused++;
        }
      }
    }
  });
  expect(refused).toBeGreaterThan(50);
});
