import { describe, expect, it } from 'vitest';
import { virt } from '../../src/base/address.ts';
import { FaultError, LookupError } from '../../src/base/errors.ts';
import { listEntries } from '../../src/kernel/list.ts';
import { KernelImage, ref, struct, union } from './image.ts';
import { programOfImage } from './program.ts';

describe('KernelImage', () => {
  it('lays structs out as a C compiler does', () => {
    const image = new KernelImage();
    image.struct('s', {
      a: 'char',
      b: 'int',
      c: 'unsigned char',
      flags: 'unsigned int:5',
      level: 'unsigned int:3',
      far: 'unsigned int:31',
      $1: union({ x: 'u64', y: struct({ low: 'u32', high: 'u32' }) }),
      tail: 'char[3]',
      next: 'struct s *',
    });
    const program = programOfImage(image);
    const offset = (path: string): number => program.field('struct s', path).offset;
    // gcc -m64: c is byte 8, flags and level share byte 9 of the unit at 8, far starts the next unit.
    expect(['a', 'b', 'c', 'far', 'x', 'y.high', 'tail', 'next'].map(offset)).toEqual([0, 4, 8, 12, 16, 20, 24, 32]);
    expect(program.sizeOf('struct s')).toBe(40);
    expect(program.sizeOf('struct list_head')).toBe(16);
    expect(() => program.field('struct s', 'z')).toThrow(LookupError);
  });

  it('writes values, references to what comes later, text and bit fields', () => {
    const image = new KernelImage();
    image.struct('s', {
      owner: 'atomic_long_t',
      level: 'unsigned int:3',
      flags: 'unsigned int:5',
      comm: 'char[8]',
      name: 'const char *',
      grid: 'short[2][3]',
      neg: 'int',
    });
    image.place('one', 'struct s', {
      owner: ref('two.comm', 1),
      level: 5,
      flags: 17,
      comm: 'kwhy',
      name: 'a name',
      grid: [
        [1, 2, 3],
        [4, 5, -6],
      ],
      neg: -7,
    });
    const two = image.place('two', 'struct s', {}, { align: 4096 });
    const object = programOfImage(image).object('struct s', image.address('one'));
    expect(object.member('owner.counter').pointer()).toBe(two + 9n + 1n);
    expect(object.member('level').number()).toBe(5);
    expect(object.member('flags').number()).toBe(17);
    expect(object.member('comm').text()).toBe('kwhy');
    expect(object.member('name').text()).toBe('a name');
    expect(object.member('grid[1][2]').number()).toBe(-6);
    expect(object.member('neg').number()).toBe(-7);
    expect(two % 4096n).toBe(0n);
    image.write('one.flags', 1);
    image.write('one.owner', 0);
    const again = programOfImage(image).object('struct s', image.address('one'));
    expect(again.member('level').number()).toBe(5);
    expect(again.member('flags').number()).toBe(1);
    expect(again.member('owner.counter').number()).toBe(0);
  });

  it('has symbols, globals, lists, per-CPU data, VMCOREINFO and enumerators', () => {
    const image = new KernelImage();
    image.struct('task_struct', { pid: 'pid_t', tasks: 'struct list_head' });
    image.cpus(2);
    image.global('init_task', 'struct task_struct', { pid: 0 });
    image.place('one', 'struct task_struct', { pid: 1 });
    image.place('two', 'struct task_struct', { pid: 2 });
    image.list('init_task.tasks', ['one.tasks', 'two.tasks']);
    image.perCpu('counter', 'int', [10, 20]);
    const pointer = image.perCpuPointer('dynamic', 'long[2]', [
      [1, 2],
      [3, 4],
    ]);
    const work = image.function('work', 100);
    image.function('idle');
    image.enum('item', ['A', 'B']);
    image.enum(undefined, { MINUS: -3 });
    image.vmcoreinfo('OFFSET(log.len)', 8);
    const program = programOfImage(image);
    const pid = program.field('struct task_struct', 'pid');
    const entries = listEntries(program, image.address('init_task.tasks'), 'struct task_struct', 'tasks');
    expect([...entries].map((task) => pid.number(task))).toEqual([1, 2]);
    expect(program.global('init_task').address).toBe(image.address('init_task'));
    expect([0, 1].map((cpu) => program.perCpu('counter', cpu).number())).toEqual([10, 20]);
    expect(program.memory.readU64(program.perCpuAddress(pointer, 1))).toBe(3n);
    expect(image.address('dynamic@1[1]')).toBe(program.perCpuAddress(pointer, 1) + 8n);
    expect(program.symbols.at(program.symbol('work').address)?.name).toBe('work');
    expect(program.isText(work)).toBe(true);
    expect(program.enumerator('B')).toBe(1n);
    expect(program.enumerator('MINUS')).toBe(-3n);
    expect(program.vmcoreinfo.offset('log.len')).toBe(8);
  });

  it('cannot be read where nothing was placed, through NULL, and on pages that the dump has not', () => {
    const image = new KernelImage();
    const here = image.place('here', 'long', 1);
    const gone = image.place('gone', 'long', 1, { page: 'excluded' });
    const program = programOfImage(image);
    expect(program.memory.readU64(here)).toBe(1n);
    const reason = (address: bigint): string | undefined => {
      try {
        program.memory.readU64(virt(address));
        return undefined;
      } catch (error) {
        return error instanceof FaultError ? error.reason : String(error);
      }
    };
    expect(reason(gone)).toBe('excluded');
    expect(reason(0n)).toBe('unmapped');
    expect(reason(0xffff900000000000n)).toBe('absent');
  });
});
