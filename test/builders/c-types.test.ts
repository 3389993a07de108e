import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { declareC } from './c-types.ts';
import { KernelImage } from './image.ts';
import { programOfImage } from './program.ts';
import { TypeWords } from './types.ts';

const sample = readFileSync(join(import.meta.dirname, 'c-types.sample.h'), 'utf8');

describe('declareC', () => {
  it('lays a header out as gcc does', () => {
    const image = new KernelImage();
    expect(declareC(image, sample)).toEqual([
      'typedef cputime_t',
      'typedef atomic_t',
      'struct list_head',
      'enum era',
      'union word',
      'typedef era_t',
      'struct sample',
    ]);
    const program = programOfImage(image);
    const offset = (path: string): number => program.field('struct sample', path).offset;
    // gcc 12.2 -m64, by pahole 1.24.
    const expected = {
      small: 0,
      'count.counter': 4,
      state: 8,
      name: 16,
      'names[2]': 40,
      'list.prev': 56,
      far: 68,
      both: 80,
      high: 84,
      'inner.second': 96,
      compare: 104,
      'handlers[1]': 120,
      'grid[1][0]': 134,
      'at[6]': 152,
      'word.bytes[1]': 161,
      era: 168,
      last: 172,
      self: 176,
      tail: 184,
    };
    expect(Object.fromEntries(Object.keys(expected).map((path) => [path, offset(path)]))).toEqual(expected);
    expect(program.sizeOf('struct sample')).toBe(184);
    expect(['OLD', 'LATEST', 'FIRST', 'BELOW'].map((name) => program.enumerator(name))).toEqual([0n, 8n, 0n, -1n]);
  });

  it.each([
    ['an attribute', 'struct s { int a; } __attribute__((packed));'],
    ['an expression', 'struct s { int a[2 + 1]; };'],
    ['a length that is not known', 'struct s { int a[SIZE]; };'],
    ['two members of one name', 'struct s { int a; char a; };'],
    ['an array of structs without a name', 'struct s { struct { int a; } b[2]; };'],
    ['text that ends in the middle', 'struct s { int a;'],
    ['another directive', '#include "other.h"'],
  ])('refuses %s', (_what, header) => {
    expect(() => declareC(new TypeWords(), header)).toThrow('C declarations: ');
  });
});
