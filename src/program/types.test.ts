import { describe, expect, it } from 'vitest';
import { struct, TypeWords, union } from '../../test/builders/types.ts';
import { LookupError } from '../base/errors.ts';
import type { CType, IntType, Member, StructType, TypeSource } from '../debuginfo/type.ts';
import { sizeOf, strip, typeName, Types } from './types.ts';

const int: IntType = { kind: 'int', name: 'int', size: 4, signed: true, encoding: 'int' };

function typesOf(declare: (words: TypeWords) => void): Types {
  const words = new TypeWords();
  words.struct('list_head', { next: 'struct list_head *', prev: 'struct list_head *' });
  declare(words);
  const types = new Types();
  types.add(words);
  return types;
}

/** A struct of members at given bits, as no compiler lays them out. */
function structOf(name: string, members: readonly (Partial<Member> & { readonly type: CType })[]): StructType {
  return {
    kind: 'struct',
    name,
    size: 64,
    members: members.map((member) => ({ name: undefined, bitOffset: 0, bitSize: undefined, ...member })),
  };
}

function sourceOf(found: { readonly [key: string]: readonly CType[] }): TypeSource {
  return {
    name: 'test',
    find: (kind, name) => found[`${kind} ${name}`] ?? [],
    enumerator: () => undefined,
    variable: () => undefined,
    func: () => undefined,
  };
}

describe('damaged types', () => {
  it('have no member that begins inside of a byte, but for bit fields, wherever these lie', () => {
    const types = new Types();
    const outer = structOf('outer', [
      { name: 'odd', type: int, bitOffset: 1 },
      { type: structOf('inner', [{ name: 'within', type: int, bitOffset: 8 }]), bitOffset: 4 },
      { name: 'field', type: int, bitOffset: 0x8000_0000 + 30, bitSize: 4 },
    ]);
    expect(types.tryMember(outer, 'odd')).toBeUndefined();
    expect(types.tryMember(outer, 'within')).toBeUndefined();
    expect(() => types.member(outer, 'odd')).toThrow(LookupError);
    expect(types.tryMember(outer, 'field')).toMatchObject({ offset: 0x1000_0003, bits: { shift: 6, size: 4 } });
  });
});

describe('members', () => {
  const types = typesOf((words) => {
    words.typedef('counter_t', struct({ counter: 'int' }));
    words.struct('inner', { a: 'int', b: 'counter_t[3]', list: 'struct list_head' });
    words.struct('outer', {
      first: 'char',
      $1: union({ x: 'unsigned long', $2: struct({ low: 'int', $3: struct({ high: 'int' }) }) }),
      inner: 'struct inner[2]',
      const_inner: 'const struct inner',
      grid: 'short[2][5]',
      tail: 'struct inner[]',
    });
  });
  const outer = types.find('struct outer');
  const offset = (path: string): number | undefined => types.tryMember(outer, path)?.offset;

  it('are found by path, through typedefs, arrays and members without names', () => {
    expect(offset('first')).toBe(0);
    expect([offset('x'), offset('low'), offset('high')]).toEqual([8, 8, 12]);
    expect(offset('inner[1].b[2].counter')).toBe(16 + 32 + 12);
    expect(offset('const_inner.list.prev')).toBe(80 + 24);
    expect(offset('grid[1][2]')).toBe(112 + 14);
    // A flexible array has no end that the type knows.
    expect(offset('tail[1000].a')).toBe(136 + 32000);
  });

  it('are not found where C has none', () => {
    for (const path of [
      'y',
      'first.x',
      'inner.a',
      'inner[2].a',
      'grid[0][5]',
      'x[0]',
      'a',
      '',
      'inner[-1]',
      'inner[0]]',
    ]) {
      expect(types.tryMember(outer, path)).toBeUndefined();
    }
    expect(() => types.member(outer, 'y')).toThrow("no member 'struct outer.y' in this kernel");
    expect(types.tryMember(int, 'x')).toBeUndefined();
  });

  it('of a type are those of its typedef', () => {
    const alias: CType = { kind: 'typedef', name: 'outer_t', target: { kind: 'const', target: outer } };
    expect(types.member(alias, 'high').offset).toBe(12);
  });
});

describe('bit fields', () => {
  const types = new Types();

  it('lie in the storage unit of their type', () => {
    const type = structOf('flags', [
      { name: 'a', type: int, bitOffset: 0, bitSize: 5 },
      { name: 'b', type: int, bitOffset: 29, bitSize: 3 },
      { name: 'c', type: int, bitOffset: 70, bitSize: 2 },
    ]);
    expect(types.member(type, 'a')).toMatchObject({ offset: 0, bits: { shift: 0, size: 5 } });
    expect(types.member(type, 'b')).toMatchObject({ offset: 0, bits: { shift: 29, size: 3 } });
    expect(types.member(type, 'c')).toMatchObject({ offset: 8, bits: { shift: 6, size: 2 } });
  });

  it('of a packed struct may cross the border of two units', () => {
    const type = structOf('packed', [{ name: 'a', type: int, bitOffset: 28, bitSize: 9 }]);
    expect(types.member(type, 'a')).toMatchObject({ offset: 3, bits: { shift: 4, size: 9 } });
  });

  it('count from the outer struct when they lie in one without a name', () => {
    const inner = structOf('', [{ name: 'bit', type: int, bitOffset: 33, bitSize: 1 }]);
    const type = structOf('outer', [{ type: { ...inner, name: undefined }, bitOffset: 64 }]);
    expect(types.member(type, 'bit')).toMatchObject({ offset: 12, bits: { shift: 1, size: 1 } });
  });
});

describe('names', () => {
  const types = typesOf((words) => {
    words.typedef('u64', 'unsigned long long');
    words.enum('color', ['RED']);
    words.union('thing', { a: 'int' });
  });

  it('are what C writes, with the compiler’s spelling of the basic types', () => {
    for (const [name, size] of [
      ['long', 8],
      ['unsigned long', 8],
      ['long unsigned int', 8],
      ['unsigned', 4],
      ['unsigned short', 2],
      ['long long', 8],
      ['bool', 1],
      ['unsigned   char', 1],
      ['u64', 8],
      ['struct list_head', 16],
      ['struct list_head *', 8],
      ['struct list_head**', 8],
      ['void *', 8],
      ['void', 0],
      ['enum color', 4],
      ['union thing', 4],
    ] as const) {
      expect([name, sizeOf(types.find(name))]).toEqual([name, size]);
    }
    expect(types.enumerator('RED')).toBe(0n);
    expect(types.enumerator('GREEN')).toBeUndefined();
  });

  it('that nobody declared are not found, and asked for once', () => {
    for (const name of ['struct nothing', 'union list_head', 'list_head', 'struct', '', '*']) {
      expect(types.tryFind(name)).toBeUndefined();
    }
    expect(() => types.find('struct nothing')).toThrow(LookupError);
  });

  it('are spelled as C does', () => {
    const array = (length: number, element: CType): CType => ({ kind: 'array', length, element });
    expect(typeName(types.find('struct list_head **'))).toBe('struct list_head **');
    expect(typeName(array(2, array(3, int)))).toBe('int[2][3]');
    expect(typeName(array(0, { kind: 'const', target: int }))).toBe('const int[]');
    expect(typeName({ kind: 'struct', name: undefined, size: 0, members: [] })).toBe('struct {...}');
    expect(typeName({ kind: 'pointer', size: 8, target: { kind: 'function', result: int, parameters: [] } })).toBe(
      'int (...) *',
    );
  });
});

describe('several sources', () => {
  const declared: StructType = { kind: 'struct', name: 's', size: 0, members: undefined };
  const defined = structOf('s', [{ name: 'a', type: int }]);

  it('are asked in order, and a complete type counts before a declaration', () => {
    const types = new Types();
    types.add(sourceOf({ 'struct s': [declared], 'struct t': [declared] }));
    expect(types.find('struct s')).toBe(declared);
    types.add(sourceOf({ 'struct s': [defined], 'struct t': [declared], 'struct u': [defined] }));
    expect(types.find('struct s')).toBe(defined);
    expect(types.find('struct t')).toBe(declared);
    // What was not there before is, now that there is another source.
    expect(types.find('struct u')).toBe(defined);
  });
});

describe('hostile types', () => {
  it('that refer to themselves end', () => {
    const loop: CType = {
      kind: 'typedef',
      name: 'loop',
      get target(): CType {
        return loop;
      },
    };
    const arrays: CType = {
      kind: 'array',
      length: 2,
      get element(): CType {
        return arrays;
      },
    };
    expect(() => strip(loop)).toThrow(LookupError);
    expect(() => sizeOf(arrays)).toThrow(LookupError);
    expect(typeName(loop)).toBe('loop');
    expect(typeName(arrays)).toContain('...');
    const pointers: CType = {
      kind: 'pointer',
      size: 8,
      get target(): CType {
        return pointers;
      },
    };
    expect(typeName(pointers)).toMatch(/^\.\.\. \*+$/);
  });

  it('that nest without names, however often, are searched once', () => {
    const members: Member[] = [];
    const type: StructType = { kind: 'struct', name: undefined, size: 64, members };
    for (let i = 0; i < 50; i++) members.push({ name: undefined, type, bitOffset: 0, bitSize: undefined });
    let inner: StructType = structOf('leaf', [{ name: 'leaf', type: int }]);
    for (let i = 0; i < 40; i++) {
      inner = { ...structOf('', [{ type: inner, bitOffset: 32 }, { type: inner }]), name: undefined };
    }
    members.push({ name: undefined, type: inner, bitOffset: 0, bitSize: undefined });
    const types = new Types();
    expect(types.tryMember(type, 'nothing')).toBeUndefined();
    expect(types.member(type, 'leaf').offset).toBe(160);
  });

  it('that no memory could hold have no size', () => {
    let type: CType = int;
    for (let i = 0; i < 5; i++) type = { kind: 'array', length: 2 ** 31, element: type };
    expect(() => sizeOf(type)).toThrow('too large for any memory');
    const types = new Types();
    expect(() => types.tryMember(structOf('s', [{ name: 'a', type }]), 'a[1][1]')).toThrow(LookupError);
  });
});
