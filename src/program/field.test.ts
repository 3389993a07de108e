import { describe, expect, it } from 'vitest';
import { KernelImage, ref, union } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { virt } from '../base/address.ts';
import { FaultError, LookupError, ValidationError } from '../base/errors.ts';
import type { Program } from './program.ts';

function thing(values: { readonly [path: string]: string | number | bigint | readonly number[] }): {
  readonly program: Program;
  readonly at: ReturnType<typeof virt>;
} {
  const image = new KernelImage();
  image.enum('neg', { MINUS: -2, PLUS: 1 });
  image.struct('thing', {
    s8: 's8',
    u8: 'u8',
    s16: 's16',
    u16: 'u16',
    s32: 's32',
    u32: 'u32',
    s64: 's64',
    u64: 'u64',
    enumerated: 'enum neg',
    bool: 'bool',
    low: 'unsigned int:3',
    signed_bits: 'int:5',
    high: 'unsigned int:24',
    count: 'atomic_long_t',
    comm: 'char[6]',
    name: 'char *',
    next: 'struct thing *',
    list: 'struct list_head',
    $1: union({ in_union: 'u64', also: 'u32' }),
    grid: 'int[2][3]',
    tail: 'u16[]',
  });
  const at = image.place('one', 'struct thing', values);
  image.place('room behind it', 'u64[4]', [0x0004000300020001n, 0, 0, 0]);
  return { program: programOfImage(image), at };
}

const extremes = {
  s8: -1,
  u8: 0xff,
  s16: -2,
  u16: 0xfffe,
  s32: -3,
  u32: 0xfffffffd,
  s64: -4,
  u64: 0xfffffffffffffffcn,
  enumerated: -2,
  bool: 1,
  low: 5,
  signed_bits: -7,
  high: 0xabcdef,
  'count.counter': -5,
  comm: 'abcdef',
};

describe('Field', () => {
  const { program, at } = thing(extremes);
  const field = (path: string) => program.field('struct thing', path);

  it('reads integers as their type says', () => {
    const numbers = ['s8', 'u8', 's16', 'u16', 's32', 'u32', 's64', 'enumerated', 'bool', 'count.counter'];
    expect(numbers.map((path) => field(path).number(at))).toEqual([
      -1, 0xff, -2, 0xfffe, -3, 0xfffffffd, -4, -2, 1, -5,
    ]);
    expect(field('u64').value(at)).toBe(0xfffffffffffffffcn);
    expect(field('s64').u64(at)).toBe(0xfffffffffffffffcn);
    expect(field('s32').u64(at)).toBe(0xfffffffffffffffdn);
    expect(field('count.counter').pointer(at)).toBe(0xfffffffffffffffbn);
  });

  it('reads bit fields, signed ones too', () => {
    expect(['low', 'signed_bits', 'high'].map((path) => field(path).number(at))).toEqual([5, -7, 0xabcdef]);
    expect(field('signed_bits').value(at)).toBe(-7n);
  });

  it('does not make a number of what a number cannot hold', () => {
    expect(() => field('u64').number(at)).toThrow(ValidationError);
    expect(() => field('u64').number(at)).toThrow('struct thing.u64');
  });

  it('does not read a struct or an array as a scalar', () => {
    for (const path of ['count', 'comm', 'list', 'grid']) expect(() => field(path).value(at)).toThrow(LookupError);
  });

  it('knows its place, and the object around it', () => {
    expect(field('u64').address(at)).toBe(at + 24n);
    expect(field('list').container(field('list').address(at))).toBe(at);
    expect([field('comm').size, field('grid').size, field('tail').size]).toEqual([6, 24, 0]);
    expect(field('comm').label).toBe('struct thing.comm');
  });

  it('reads text up to a NUL or the end of the array', () => {
    expect(field('comm').text(at)).toBe('abcdef');
    const other = thing({ comm: 'ab', name: 'a long name' });
    expect(other.program.field('struct thing', 'comm').text(other.at)).toBe('ab');
    expect(other.program.field('struct thing', 'name').string(other.at)).toBe('a long name');
    expect(other.program.field('struct thing', 'name').string(other.at, 6)).toBe('a long');
    expect(field('name').string(at)).toBeUndefined();
  });

  it('fails where the memory does', () => {
    expect(() => field('u8').number(virt(0n))).toThrow(FaultError);
    expect(() => field('comm').text(virt(0n))).toThrow(FaultError);
  });
});

describe('Obj', () => {
  const image = new KernelImage();
  image.struct('node', {
    value: 'int',
    flag: 'unsigned int:1',
    name: 'char *',
    comm: 'char[8]',
    next: 'struct node *',
    links: 'struct list_head',
    many: 'struct node *[2]',
    grid: 'short[2][2]',
    any: 'void *',
  });
  const grid = [
    [1, 2],
    [3, -4],
  ];
  image.global('first', 'struct node', { value: 1, next: ref('second'), many: [0, ref('second')], grid });
  image.place('second', 'struct node', { value: 2, flag: 1, name: 'zwei', comm: 'two' });
  const program = programOfImage(image);
  const first = program.object('struct node', image.address('first'));

  it('follows members, pointers and elements', () => {
    expect(first.member('next').member('value').number()).toBe(2);
    expect(first.member('next').deref().address).toBe(image.address('second'));
    expect(first.member('many').index(1).member('comm').text()).toBe('two');
    expect(first.member('grid').index(1).index(1).number()).toBe(-4);
    expect(first.member('next').index(-1).address).toBe(image.address('second') - BigInt(first.size));
    expect(first.member('next').member('flag').value()).toBe(1n);
    expect(first.member('flag').value()).toBe(0n);
    expect(first.member('next').member('name').text()).toBe('zwei');
    expect(first.member('name').text()).toBe('');
  });

  it('tells what it is without reading', () => {
    expect([first.typeName, first.member('many').typeName]).toEqual(['struct node', 'struct node *[2]']);
    expect([first.has('links.prev'), first.has('nothing')]).toEqual([true, false]);
    expect([first.member('next').has('value'), first.member('next').has('nothing')]).toEqual([true, false]);
    expect(first.member('links').containerOf('struct node', 'links').address).toBe(first.address);
    expect(first.cast('int').number()).toBe(1);
    expect(first.bytes()).toHaveLength(first.size);
  });

  it('refuses what its type does not allow, and what is not there', () => {
    expect(() => first.member('nothing')).toThrow(LookupError);
    expect(() => first.deref()).toThrow(LookupError);
    expect(() => first.index(0)).toThrow(LookupError);
    expect(() => first.member('many').index(2)).toThrow(LookupError);
    expect(() => first.number()).toThrow(LookupError);
    // Following NULL: the address is one of user memory, where nothing is.
    expect(() => first.member('many').index(0).member('value').number()).toThrow(FaultError);
  });
});
