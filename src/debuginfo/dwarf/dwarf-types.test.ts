import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  dwarfSections,
  type EntrySpec,
  named,
  typeOf,
  type UnitSpec,
} from '../../../test/builders/dwarf.ts';
import { elfImage, type SectionSpec } from '../../../test/builders/elf-image.ts';
import { FormatError, KwhyError } from '../../base/errors.ts';
import { ElfImage } from '../elf-image.ts';
import { ImageBuffer } from '../image-file.ts';
import type { CType, StructType } from '../type.ts';
import { DwarfTypes } from './dwarf-types.ts';

// Numbers of the standard, spelled out here: what the reader calls them is not asked.
const size = (bytes: number): Attribute => [0x0b, 0x0b, bytes];
const at = (bytes: number): Attribute => [0x38, 0x0b, bytes];
const line = (number: number): Attribute => [0x3b, 0x0b, number];
const declared: Attribute = [0x3c, 0x19];
const external: Attribute = [0x3f, 0x19];

const int: EntrySpec = {
  tag: 0x24,
  label: 'int',
  attributes: [named('int'), size(4), [0x3e, 0x0b, 5]],
};
const member = (name: string | undefined, type: string, ...more: Attribute[]): EntrySpec => ({
  tag: 0x0d,
  attributes: [...(name === undefined ? [] : [named(name)]), typeOf(type), ...more],
});

function unit(version: UnitSpec['version'], children: readonly EntrySpec[]): UnitSpec {
  return { version, root: { tag: 0x11, attributes: [named('a.c')], children } };
}

function open(units: readonly UnitSpec[], more: readonly SectionSpec[] = []): DwarfTypes {
  return new DwarfTypes(new ElfImage(new ImageBuffer(elfImage([...dwarfSections(units), ...more])), 'vmlinux'));
}

function struct(types: DwarfTypes, name: string): StructType {
  return isStruct(types.find('struct', name)[0]);
}

function layout(type: StructType): unknown[] {
  return (type.members ?? []).map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize]);
}

function only<K extends CType['kind']>(type: CType | undefined, kind: K): Extract<CType, { kind: K }> {
  if (type?.kind !== kind) throw new Error(`a ${type?.kind}, not a ${kind}`);
  return type as Extract<CType, { kind: K }>;
}

function isStruct(type: CType | undefined): StructType {
  if (type?.kind !== 'struct' && type?.kind !== 'union') throw new Error(`a ${type?.kind}, no struct or union`);
  return type;
}

describe.each([3, 4, 5] as const)('DWARF %i', (version) => {
  const types = open([
    unit(version, [
      int,
      { tag: 0x0f, label: 'self', attributes: [size(8), typeOf('list')] },
      {
        tag: 0x13,
        label: 'list',
        attributes: [named('list'), size(16), line(3)],
        children: [member('next', 'self', at(0)), member('value', 'int', at(8))],
      },
      { tag: 0x16, label: 'alias', attributes: [named('list_t'), typeOf('list')] },
      {
        tag: 0x34,
        attributes: [named('head'), typeOf('alias'), external],
      },
      {
        tag: 0x2e,
        attributes: [named('count'), typeOf('int'), external],
        children: [
          { tag: 0x05, attributes: [named('list'), typeOf('self')] },
          { tag: 0x18, attributes: [] },
        ],
      },
    ]),
  ]);

  it('finds types by name, once each', () => {
    const list = struct(types, 'list');
    expect(list.size).toBe(16);
    expect(layout(list)).toEqual([
      ['next', 0, undefined],
      ['value', 64, undefined],
    ]);
    expect(only(list.members?.[0]?.type, 'pointer').target).toBe(list);
    expect(only(types.find('typedef', 'list_t')[0], 'typedef').target).toBe(list);
    expect(types.find('int', 'int')).toEqual([{ kind: 'int', name: 'int', size: 4, signed: true, encoding: 'int' }]);
    expect(types.find('union', 'list')).toEqual([]);
    expect([...types.typeNames()].sort()).toEqual(['list', 'list_t']);
  });

  it('tells the types of variables and functions', () => {
    expect(only(types.variable('head'), 'typedef').name).toBe('list_t');
    expect(types.variable('tail')).toBeUndefined();
    const count = types.func('count');
    expect(count?.result).toBe(types.find('int', 'int')[0]);
    expect(count?.parameters.map(({ name, type }) => [name, type.kind])).toEqual([
      ['list', 'pointer'],
      [undefined, 'void'],
    ]);
  });
});

describe('members', () => {
  it('are placed by both ways to tell bit fields', () => {
    const types = open([
      unit(4, [
        int,
        {
          tag: 0x13,
          attributes: [named('fields'), size(16)],
          children: [
            // unsigned a : 3, b : 5 in one int, as GCC 10 writes them: from the high end of 4 bytes.
            member('a', 'int', at(4), size(4), [0x0d, 0x0b, 3], [0x0c, 0x0b, 29]),
            member('b', 'int', at(4), [0x0d, 0x0b, 5], [0x0c, 0x0b, 24]),
            // As DWARF 5 does: from the low end of the struct.
            member('c', 'int', [0x0d, 0x0b, 7], [0x6b, 0x0b, 65]),
            // An expression: DW_OP_plus_uconst 12.
            member('d', 'int', [0x38, 0x18, Uint8Array.of(0x23, 12)]),
          ],
        },
      ]),
    ]);
    expect(layout(struct(types, 'fields'))).toEqual([
      ['a', 32, 3],
      ['b', 35, 5],
      ['c', 65, 7],
      ['d', 96, undefined],
    ]);
  });

  it('may be anonymous, flexible arrays and arrays of arrays', () => {
    const types = open([
      unit(5, [
        int,
        { tag: 0x01, label: 'flexible', attributes: [typeOf('int')], children: [{ tag: 0x21, attributes: [] }] },
        {
          tag: 0x01,
          label: 'grid',
          attributes: [typeOf('int')],
          children: [
            { tag: 0x21, attributes: [[0x2f, 0x0b, 1]] },
            { tag: 0x21, attributes: [[0x37, 0x0b, 3]] },
          ],
        },
        { tag: 0x17, label: 'inner', attributes: [size(4)], children: [member('x', 'int'), member('y', 'int')] },
        {
          tag: 0x13,
          attributes: [named('outer'), size(28)],
          // implicit_const keeps the value in the abbreviation.
          children: [
            member(undefined, 'inner', [0x38, 0x21, 0]),
            member('grid', 'grid', at(4)),
            member('tail', 'flexible', at(28)),
          ],
        },
      ]),
    ]);
    const [inner, grid, tail] = struct(types, 'outer').members ?? [];
    expect([inner?.name, inner?.bitOffset]).toEqual([undefined, 0]);
    expect(isStruct(inner?.type).members?.map(({ name }) => name)).toEqual(['x', 'y']);
    const rows = only(grid?.type, 'array');
    expect([rows.length, only(rows.element, 'array').length]).toEqual([2, 3]);
    expect(only(tail?.type, 'array').length).toBe(0);
  });
});

describe('names', () => {
  const definition = (lines: number, bytes: number): EntrySpec => ({
    tag: 0x13,
    attributes: [named('thing'), size(bytes), line(lines)],
    children: [member('x', 'int', at(0))],
  });
  const user: EntrySpec = { tag: 0x34, attributes: [named('it'), typeOf('declared'), external] };
  const declaration: EntrySpec = { tag: 0x13, label: 'declared', attributes: [named('thing'), declared] };

  it('of one definition in several units are one type', () => {
    const types = open([unit(4, [int, definition(7, 8)]), unit(5, [int, definition(7, 8)])]);
    expect(types.find('struct', 'thing')).toHaveLength(1);
  });

  it('of different definitions are all found', () => {
    const types = open([unit(4, [int, definition(7, 8)]), unit(4, [int, definition(9, 8), definition(7, 4)])]);
    expect(types.find('struct', 'thing')).toHaveLength(3);
  });

  it('of a declaration mean the only definition, else nothing more than the name', () => {
    const types = open([unit(4, [declaration, user]), unit(4, [int, definition(7, 8)])]);
    expect(types.variable('it')).toBe(types.find('struct', 'thing')[0]);
    const two = open([unit(4, [declaration, user]), unit(4, [int, definition(7, 8), definition(9, 8)])]);
    expect(isStruct(two.variable('it')).members).toBeUndefined();
    const none = open([unit(4, [declaration, user])]);
    expect(isStruct(none.find('struct', 'thing')[0]).members).toBeUndefined();
  });

  it('of a variable may stand at its declaration', () => {
    const types = open([
      unit(4, [
        int,
        { tag: 0x34, label: 'extern', attributes: [named('jiffies'), typeOf('int'), external, declared] },
        { tag: 0x34, attributes: [[0x47, 0x13, { to: 'extern' }]] },
      ]),
    ]);
    expect(types.variable('jiffies')).toBe(types.find('int', 'int')[0]);
  });

  it('of enumerators give their values, signed where one is negative', () => {
    const types = open([
      unit(5, [
        {
          tag: 0x04,
          attributes: [size(4)],
          children: [
            { tag: 0x28, attributes: [named('NONE'), [0x1c, 0x0d, -1]] },
            { tag: 0x28, attributes: [named('MANY'), [0x1c, 0x05, 300]] },
          ],
        },
      ]),
    ]);
    expect(types.enumerator('NONE')).toBe(-1n);
    expect(types.enumerator('MANY')).toBe(300n);
    expect(types.enumerator('SOME')).toBeUndefined();
    // The enum itself has no name.
    expect([...types.typeNames()]).toEqual([]);
  });

  it('may be numbers of strings', () => {
    const offsets = Buffer.alloc(16);
    offsets.writeUInt32LE(6, 12);
    const types = open(
      [
        {
          version: 5,
          root: {
            tag: 0x11,
            attributes: [[0x72, 0x17, 8]],
            children: [{ tag: 0x24, attributes: [[0x03, 0x25, 1], size(8), [0x3e, 0x0b, 7]] }],
          },
        },
      ],
      [
        { name: '.debug_str', data: Buffer.from('first\0second\0') },
        { name: '.debug_str_offsets', data: offsets },
      ],
    );
    expect(types.find('int', 'second')).toHaveLength(1);
  });

  it('may lead into a type unit', () => {
    const types = open([
      unit(5, [{ tag: 0x34, attributes: [named('v'), external, [0x49, 0x20, 0x1122334455667788n]] }]),
      {
        version: 5,
        type: { signature: 0x1122334455667788n, label: 't' },
        root: {
          tag: 0x41,
          attributes: [],
          children: [{ tag: 0x13, label: 't', attributes: [named('far'), size(8)], children: [] }],
        },
      },
    ]);
    expect(isStruct(types.variable('v')).name).toBe('far');
  });
});

describe('hostile DWARF', () => {
  it('of types that contain themselves is refused', () => {
    const types = open([
      unit(4, [
        { tag: 0x13, label: 'a', attributes: [named('a'), size(8)], children: [member('b', 'b')] },
        { tag: 0x13, label: 'b', attributes: [named('b'), size(8)], children: [member('a', 'a')] },
        { tag: 0x16, label: 't', attributes: [named('t'), typeOf('t')] },
        { tag: 0x26, label: 'c', attributes: [typeOf('c')] },
        { tag: 0x34, attributes: [named('v'), typeOf('c'), external] },
        { tag: 0x34, attributes: [named('w'), [0x49, 0x13, 0xfffffff0], external] },
      ]),
    ]);
    expect(() => struct(types, 'a').members).toThrow(/contains itself/);
    expect(() => types.find('typedef', 't')).toThrow(/without end/);
    expect(() => types.variable('v')).toThrow(/without end/);
    expect(() => types.variable('w')).toThrow(FormatError);
  });

  it('without units, and files without any, are refused', () => {
    expect(() => open([])).toThrow(FormatError);
    expect(() => new DwarfTypes(new ElfImage(new ImageBuffer(elfImage([])), 'vmlinux'))).toThrow(
      /vmlinux: it has no debug information/,
    );
  });

  it('passes over a unit of a version that is not known', () => {
    const sections = dwarfSections([unit(4, [int]), unit(4, [{ ...int, attributes: [named('last'), size(2)] }])]);
    const info = Buffer.from(sections[0]?.data ?? []);
    info.writeUInt16LE(9, 4);
    const image = elfImage([{ name: '.debug_info', data: info }, ...sections.slice(1)]);
    const types = new DwarfTypes(new ElfImage(new ImageBuffer(image), 'vmlinux'));
    expect(types.find('int', 'int')).toEqual([]);
    expect(types.find('int', 'last')).toHaveLength(1);
  });

  it('ends with a typed error or an answer, whatever byte is damaged and wherever it is cut off', () => {
    const sections = dwarfSections([
      unit(5, [
        int,
        { tag: 0x0f, label: 'p', attributes: [size(8), typeOf('s')] },
        {
          tag: 0x01,
          label: 'a',
          attributes: [typeOf('int')],
          children: [{ tag: 0x21, attributes: [[0x2f, 0x06, 9]] }],
        },
        {
          tag: 0x13,
          label: 's',
          attributes: [named('s'), size(64), line(1)],
          children: [
            member('p', 'p', at(0)),
            member('a', 'a', at(8)),
            member('f', 'int', [0x0d, 0x0b, 3], [0x6b, 0x0b, 9]),
          ],
        },
        {
          tag: 0x04,
          attributes: [named('e'), size(4)],
          children: [{ tag: 0x28, attributes: [named('E'), [0x1c, 0x0d, -3]] }],
        },
        { tag: 0x34, attributes: [named('v'), typeOf('s'), external] },
      ]),
    ]);
    let refused = 0;
    const use = (damaged: readonly SectionSpec[]): void => {
      try {
        const types = new DwarfTypes(new ElfImage(new ImageBuffer(elfImage(damaged)), 'vmlinux'));
        const [type] = types.find('struct', 's');
        for (const each of type?.kind === 'struct' ? (type.members ?? []) : []) void each.type;
        types.enumerator('E');
        types.variable('v');
      } catch (error) {
        if (!(error instanceof KwhyError)) throw error;
        refused++;
      }
    };
    sections.forEach((section, i) => {
      for (let byte = 0; byte < section.data.length; byte++) {
        const others = sections.filter((_, other) => other !== i);
        use([...others, { ...section, data: section.data.subarray(0, byte) }]);
        for (const value of [0, 1, 0x13, 0x7f, 0x80, 0xff]) {
          const data = Buffer.from(section.data);
          data[byte] = value;
          use([...others, { ...section, data }]);
        }
      }
    });
    expect(refused).toBeGreaterThan(100);
  });
});
