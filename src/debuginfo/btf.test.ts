import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FormatError } from '../base/errors.ts';
import { BtfBuilder } from '../../test/builders/btf.ts';
import { type Btf, parseBtf } from './btf.ts';
import type { CType, StructType } from './type.ts';

/** One type of every kind. */
function everyKind(): BtfBuilder {
  const b = new BtfBuilder();
  const int = b.int('int', 4, { signed: true });
  const char = b.int('char', 1, { signed: true });
  const bool = b.int('_Bool', 1, { bool: true });
  b.float('double', 8);
  const array = b.array(char, 16);
  const task = b.nextId + 1;
  const pointer = b.pointer(task);
  b.struct('task_struct', 64, [
    { name: 'state', type: int, bits: 0 },
    { name: 'comm', type: array, bits: 32 },
    { name: 'parent', type: pointer, bits: 192 },
    { name: undefined, type: task + 1, bits: 256 },
    { name: 'flexible', type: task + 2, bits: 512 },
  ]);
  b.union(undefined, 8, [
    { name: 'a', type: int, bits: 0 },
    { name: 'ok', type: bool, bits: 0 },
  ]);
  b.array(int, 0);
  const bits = b.struct('flags', 4, [
    { name: 'low', type: int, bits: 0, width: 3 },
    { name: 'high', type: int, bits: 3, width: 29 },
    { name: 'whole', type: int, bits: 0, width: 0 },
  ]);
  b.enum('zone_stat_item', { NR_FREE_PAGES: 0, NR_MLOCK: 7 });
  b.enum('state', { DEAD: -4, OFF: -1, ON: 1 }, { signed: true });
  b.enum64('big', { TOP: 1n << 63n, LOW: 1n });
  b.enum64('big_signed', { MINUS: -(1n << 40n) }, { signed: true });
  b.forward('nowhere', 'struct');
  b.forward('nowhere_union', 'union');
  b.enum('forward_enum', {});
  const typedef = b.typedef('atomic_t', bits);
  b.const(b.volatile(b.restrict(b.typeTag('percpu', typedef))));
  const proto = b.prototype(int, [
    { name: 'lock', type: pointer },
    { name: '', type: 0 },
  ]);
  b.func('mutex_lock', proto);
  const variable = b.variable('runqueues', typedef);
  b.datasec('.data..percpu', [{ id: variable, offset: 0x1000, size: 4 }]);
  b.declTag('kfunc', b.nextId - 3);
  return b;
}

const one = (btf: Btf, kind: Parameters<Btf['find']>[0], name: string): CType => {
  const found = btf.find(kind, name);
  expect(found).toHaveLength(1);
  return found[0] ?? { kind: 'void' };
};
const struct = (btf: Btf, name: string): StructType => {
  const type = one(btf, 'struct', name);
  if (type.kind !== 'struct') throw new Error(type.kind);
  return type;
};

describe('parseBtf', () => {
  const btf = parseBtf(everyKind().bytes(), { name: 'BTF of vmlinux' });

  test('ints, floats and their encodings', () => {
    expect(btf.name).toBe('BTF of vmlinux');
    expect(one(btf, 'int', 'int')).toEqual({ kind: 'int', name: 'int', size: 4, signed: true, encoding: 'int' });
    expect(one(btf, 'int', 'char')).toMatchObject({ size: 1, encoding: 'char' });
    expect(one(btf, 'int', '_Bool')).toMatchObject({ encoding: 'bool', signed: false });
    expect(one(btf, 'int', 'double')).toEqual({ kind: 'float', name: 'double', size: 8 });
  });

  test('structs, unions and members; one object per type', () => {
    const task = struct(btf, 'task_struct');
    expect(task.size).toBe(64);
    const [state, comm, parent, anonymous, flexible] = task.members ?? [];
    expect(state).toMatchObject({ name: 'state', bitOffset: 0, bitSize: undefined });
    expect(comm).toMatchObject({ name: 'comm', bitOffset: 32 });
    expect(comm?.type).toMatchObject({ kind: 'array', length: 16, element: { name: 'char' } });
    expect(parent?.type).toMatchObject({ kind: 'pointer', size: 8 });
    expect(parent?.type.kind === 'pointer' && parent.type.target).toBe(task);
    expect(anonymous?.name).toBeUndefined();
    expect(anonymous?.type).toMatchObject({ kind: 'union', name: undefined, size: 8 });
    expect(flexible?.type).toMatchObject({ kind: 'array', length: 0 });
    expect(btf.find('union', 'task_struct')).toEqual([]);
    expect(task.members).toBe(task.members);
  });

  test('bit fields have a width, members without one do not', () => {
    const members = struct(btf, 'flags').members ?? [];
    expect(members.map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize])).toEqual([
      ['low', 0, 3],
      ['high', 3, 29],
      ['whole', 0, undefined],
    ]);
  });

  test('enums, 64-bit enums and enumerators by name', () => {
    expect(one(btf, 'enum', 'state')).toMatchObject({
      size: 4,
      signed: true,
      enumerators: [
        { name: 'DEAD', value: -4n },
        { name: 'OFF', value: -1n },
        { name: 'ON', value: 1n },
      ],
    });
    expect(one(btf, 'enum', 'big')).toMatchObject({ size: 8, signed: false });
    expect(btf.enumerator('NR_MLOCK')).toBe(7n);
    expect(btf.enumerator('NR_FREE_PAGES')).toBe(0n);
    expect(btf.enumerator('OFF')).toBe(-1n);
    expect(btf.enumerator('TOP')).toBe(1n << 63n);
    expect(btf.enumerator('LOW')).toBe(1n);
    expect(btf.enumerator('MINUS')).toBe(-(1n << 40n));
    expect(btf.enumerator('NR_FREE')).toBeUndefined();
    expect(btf.enumerator('state')).toBeUndefined();
  });

  test('forward declarations have no members', () => {
    expect(one(btf, 'struct', 'nowhere')).toEqual({ kind: 'struct', name: 'nowhere', size: 0, members: undefined });
    expect(one(btf, 'union', 'nowhere_union')).toMatchObject({ kind: 'union', members: undefined });
    expect(btf.find('struct', 'nowhere_union')).toEqual([]);
    expect(one(btf, 'enum', 'forward_enum')).toMatchObject({ enumerators: undefined });
  });

  test('typedefs and qualifiers in the order they were written', () => {
    const typedef = one(btf, 'typedef', 'atomic_t');
    expect(typedef.kind === 'typedef' && typedef.target).toBe(struct(btf, 'flags'));
    const kinds: string[] = [];
    for (let id = btf.ids.first; id < btf.ids.end; id++) {
      let type: CType | undefined = id === btf.ids.end - 1 || id === btf.ids.end - 2 ? undefined : btf.type(id);
      if (type?.kind !== 'const') continue;
      for (; type !== undefined && 'target' in type; type = type.target) kinds.push(type.kind);
    }
    expect(kinds).toEqual(['const', 'volatile', 'restrict', 'tag', 'typedef']);
  });

  test('functions and variables', () => {
    const lock = btf.func('mutex_lock');
    expect(lock?.result).toMatchObject({ kind: 'int', name: 'int' });
    expect(lock?.parameters.map(({ name, type }) => [name, type.kind])).toEqual([
      ['lock', 'pointer'],
      [undefined, 'void'],
    ]);
    expect(btf.func('runqueues')).toBeUndefined();
    expect(btf.variable('runqueues')).toBe(one(btf, 'typedef', 'atomic_t'));
    expect(btf.variable('mutex_lock')).toBeUndefined();
    expect(btf.find('struct', 'mutex_lock')).toEqual([]);
  });

  test('what is no type is refused', () => {
    expect(btf.type(0)).toEqual({ kind: 'void' });
    for (const id of [-1, btf.ids.end, 0.5, btf.ids.end - 1]) expect(() => btf.type(id)).toThrow(FormatError);
  });
});

describe('complete types', () => {
  test('come before forward declarations, equal names in order', () => {
    const b = new BtfBuilder();
    b.forward('node', 'struct');
    b.struct('node', 8, []);
    b.struct('node', 16, []);
    const found = parseBtf(b.bytes()).find('struct', 'node');
    expect(found.map((type) => ('size' in type ? type.size : -1))).toEqual([8, 16, 0]);
  });
});

describe('signs of enum values', () => {
  test('where no enum says one, small negative numbers are negative and large ones are masks', () => {
    const b = new BtfBuilder();
    b.enum('perf_event_state', { DEAD: -4, ON: 1 });
    b.enum('proc_ino', { ROOT: 1, IPC: 0xefffffff });
    const btf = parseBtf(b.bytes());
    expect(btf.enumerator('DEAD')).toBe(-4n);
    expect(one(btf, 'enum', 'perf_event_state')).toMatchObject({ signed: true });
    expect(btf.enumerator('IPC')).toBe(0xefffffffn);
  });

  test('where some enum says one, the others are unsigned', () => {
    const b = new BtfBuilder();
    b.enum('signed', { MINUS: -1 }, { signed: true });
    b.enum('unsigned', { ALL: -1 });
    expect(parseBtf(b.bytes()).enumerator('ALL')).toBe(0xffffffffn);
  });
});

test('bit fields of old pahole: an int of its own width and place', () => {
  const b = new BtfBuilder();
  const narrow = b.int('unsigned int', 4, { bits: 5, offset: 3 });
  b.struct('old', 4, [{ name: 'field', type: narrow, bits: 8 }]);
  expect(struct(parseBtf(b.bytes()), 'old').members?.[0]).toMatchObject({ bitOffset: 11, bitSize: 5 });
});

describe('split BTF', () => {
  const kernel = everyKind();
  const base = parseBtf(kernel.bytes());
  const b = new BtfBuilder(kernel);
  const [taskId] = [...Array(kernel.nextId).keys()].filter((id) => id > 0 && nameOf(base, id) === 'task_struct');
  b.struct('nft_ctx', 16, [
    { name: 'comm', type: b.pointer(taskId ?? 0), bits: 0 },
    { name: 'own', type: b.nextId + 1, bits: 64 },
  ]);
  b.enum('nft', { NFT_JUMP: -3 }, { signed: true });
  const module = parseBtf(b.bytes(), { base, name: 'BTF of nf_tables' });

  function nameOf(btf: Btf, id: number): string | undefined {
    try {
      const type = btf.type(id);
      return type.kind === 'struct' ? type.name : undefined;
    } catch {
      return undefined;
    }
  }

  test('ids and names continue those of its base', () => {
    expect(module.ids.first).toBe(base.ids.end);
    const ctx = struct(module, 'nft_ctx');
    // 'comm' is a string of the base, 'own' one of the module.
    expect(ctx.members?.map(({ name }) => name)).toEqual(['comm', 'own']);
    const pointer = ctx.members?.[0]?.type;
    expect(pointer?.kind === 'pointer' && pointer.target).toBe(struct(base, 'task_struct'));
    expect(ctx.members?.[1]?.type).toBe(one(module, 'enum', 'nft'));
    expect(module.enumerator('NFT_JUMP')).toBe(-3n);
    expect(module.type(1)).toBe(base.type(1));
  });

  test('finds its own types only', () => {
    expect(module.find('struct', 'task_struct')).toEqual([]);
    expect(base.find('struct', 'nft_ctx')).toEqual([]);
  });

  test('without its base its references lead nowhere', () => {
    const alone = parseBtf(b.bytes());
    expect(() => alone.find('struct', 'nft_ctx')).not.toThrow(TypeError);
    expect(alone.find('struct', 'nft_ctx')).toEqual([]);
  });
});

describe('headers and sections', () => {
  test('a longer header is skipped by its own length', () => {
    for (const headerSize of [24, 28, 40]) {
      expect(parseBtf(everyKind().bytes({ headerSize })).find('struct', 'task_struct')).toHaveLength(1);
    }
  });

  test('kinds not known here are passed over with the help of a layout section, and refused without', () => {
    const b = new BtfBuilder();
    b.int('int', 4);
    b.record(23, 'future', 0, [1, 2, 3, 4, 5], { vlen: 2 });
    b.struct('behind', 8, []);
    const layout = Array.from({ length: 24 }, (_, kind): readonly [number, number] => (kind === 23 ? [4, 8] : [0, 0]));
    const btf = parseBtf(b.bytes({ layout }));
    expect(btf.find('struct', 'behind')).toHaveLength(1);
    expect(() => btf.type(2)).toThrow(FormatError);
    expect(() => parseBtf(b.bytes())).toThrow(/kind 23/);
  });

  test('vlen has 24 bits (Linux 7.2)', () => {
    const b = new BtfBuilder();
    const values = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`V${i}`, i]));
    b.enum('many', values);
    b.int('int', 4);
    const btf = parseBtf(b.bytes());
    expect(btf.enumerator('V69999')).toBe(69_999n);
    expect(btf.find('int', 'int')).toHaveLength(1);
  });

  test('bytes at an odd address are read all the same', () => {
    const bytes = everyKind().bytes();
    const odd = new Uint8Array(bytes.length + 1).subarray(1);
    odd.set(bytes);
    expect(parseBtf(odd).find('struct', 'task_struct')).toHaveLength(1);
  });

  const sound = everyKind().bytes();
  const change = (offset: number, value: number): Uint8Array => {
    const bytes = sound.slice();
    new DataView(bytes.buffer).setUint32(offset, value, true);
    return bytes;
  };
  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['half a header', sound.subarray(0, 20)],
    ['another magic', change(0, 0x0001_9feb)],
    ['a header of 4 bytes', change(4, 4)],
    ['a header without end', change(4, 0xffff_fff0)],
    ['types without end', change(12, 0xffff_fff0)],
    ['strings without end', change(20, 0xffff_fff0)],
    ['strings elsewhere', change(16, 0xffff_0000)],
    ['a vlen without end', change(24 + 4, 0x04ff_ffff)],
    ['a kind of 0', change(24 + 4, 0)],
  ])('%s is refused', (_, bytes) => {
    expect(() => parseBtf(bytes)).toThrow(FormatError);
  });
});

describe('hostile types', () => {
  test('chains without end are refused', () => {
    const b = new BtfBuilder();
    b.typedef('self', 1);
    b.const(3);
    b.volatile(2);
    b.pointer(4);
    b.array(5, 1);
    const btf = parseBtf(b.bytes());
    for (let id = 1; id <= 5; id++) expect(() => btf.type(id)).toThrow(/without end/);
  });

  test('a struct that contains itself is refused when its members are asked for', () => {
    const b = new BtfBuilder();
    b.struct('direct', 8, [{ name: undefined, type: 1, bits: 0 }]);
    b.struct('outer', 8, [{ name: 'inner', type: 4, bits: 0 }]);
    b.struct('inner', 8, [{ name: 'outer', type: 2, bits: 0 }]);
    b.array(b.nextId + 1, 2);
    b.typedef('inner_t', 3);
    b.struct('list', 8, [{ name: 'next', type: b.nextId + 1, bits: 0 }]);
    b.pointer(b.nextId - 1);
    // A member cannot be a variable, and yet must not lead in circles.
    const variable = b.nextId + 1;
    b.struct('through_variable', 8, [{ name: 'v', type: variable, bits: 0 }]);
    b.variable('v', variable - 1);
    const btf = parseBtf(b.bytes());
    for (const name of ['direct', 'outer', 'inner', 'through_variable']) {
      expect(() => struct(btf, name).members).toThrow(/contains itself/);
    }
    expect(struct(btf, 'list').members).toHaveLength(1);
  });

  test('functions and variables that refer to each other or to nothing are refused', () => {
    const b = new BtfBuilder();
    b.func('f', 1);
    b.variable('v', 2);
    b.variable('w', 99);
    b.func('g', 99);
    const btf = parseBtf(b.bytes());
    for (let id = 1; id <= 4; id++) expect(() => btf.type(id)).toThrow(FormatError);
    expect(() => btf.func('f')).toThrow(FormatError);
    expect(() => btf.variable('w')).toThrow(FormatError);
  });

  test('names that lie outside the strings are never found', () => {
    const b = new BtfBuilder();
    b.record(4, 0x7fff_ffff, 8);
    b.record(4, -1, 8);
    b.struct('sound', 8, []);
    const btf = parseBtf(b.bytes());
    expect(btf.find('struct', 'sound')).toHaveLength(1);
    expect(() => btf.type(1)).toThrow(FormatError);
  });

  test('damage gives types or a FormatError', () => {
    const sound = everyKind().bytes();
    const changes = fc.array(
      fc.record({
        at: fc.nat({ max: sound.length - 1 }),
        value: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 0x80, 0xff)),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(changes, fc.nat({ max: sound.length }), fc.boolean(), (list, length, cut) => {
        const bytes = cut ? sound.slice(0, length) : sound.slice();
        for (const { at, value } of list) if (at < bytes.length) bytes[at] = value;
        onlyFormatErrors(() => {
          const btf = parseBtf(bytes);
          for (let id = btf.ids.first; id < btf.ids.end; id++) onlyFormatErrors(() => walk(btf.type(id)));
          for (const name of ['task_struct', 'flags', 'nowhere', 'mutex_lock', 'runqueues', 'NR_MLOCK', 'TOP']) {
            onlyFormatErrors(() => [btf.find('struct', name), btf.find('enum', name), btf.find('typedef', name)]);
            onlyFormatErrors(() => btf.enumerator(name));
            onlyFormatErrors(() => btf.variable(name));
            onlyFormatErrors(() => btf.func(name));
          }
        });
      }),
      { numRuns: 500 },
    );
  });
});

function onlyFormatErrors(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

/** Everything that a type holds by value; no depth limit: the reader must refuse what has no end. */
function walk(type: CType): number {
  switch (type.kind) {
    case 'struct':
    case 'union':
      return (type.members ?? []).reduce((sum, member) => sum + walk(member.type), 1);
    case 'array':
      return 1 + walk(type.element);
    case 'enum':
      return type.enumerators?.length ?? 0;
    case 'function':
      return type.parameters.map((parameter) => parameter.type.kind).length;
    case 'typedef':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'atomic':
    case 'tag':
      return 1 + walk(type.target);
    case 'pointer':
      return type.target.kind.length;
    case 'void':
    case 'int':
    case 'float':
      return 1;
  }
}
