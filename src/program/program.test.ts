import { describe, expect, it } from 'vitest';
import { BtfBuilder } from '../../test/builders/btf.ts';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { add, virt } from '../base/address.ts';
import { FaultError, LookupError } from '../base/errors.ts';
import { parseBtf, type Btf } from '../debuginfo/btf.ts';
import { OrcTable } from '../debuginfo/orc.ts';
import { Program, type ProgramParts } from './program.ts';

/** The same dump with other parts: symbols and types of debuginfo instead of those of the image. */
function withParts(image: KernelImage, parts: Partial<ProgramParts>): Program {
  const { dump, vmcoreinfo, memory, arch, symbols } = programOfImage(image);
  const kallsyms = symbols.kernel;
  const none = { btf: undefined, orc: undefined, orcVersion: undefined, problems: [] };
  return new Program({ dump, vmcoreinfo, memory, arch, kallsyms, ...none, ...parts });
}

describe('global variables', () => {
  const image = new KernelImage();
  image.struct('task_struct', { pid: 'pid_t', comm: 'char[16]' });
  image.global('init_task', 'struct task_struct', { comm: 'swapper/0' });
  image.global('jiffies', 'unsigned long', 4294892296);
  image.global('modules', 'int', 5);
  image.global('odd_one', 'int', 5);
  const program = programOfImage(image);

  it('have the types of the table', () => {
    expect(program.global('init_task').member('comm').text()).toBe('swapper/0');
    expect(program.global('jiffies').number()).toBe(4294892296);
    expect(program.global('modules').typeName).toBe('struct list_head');
  });

  it('are not guessed', () => {
    expect(() => program.global('odd_one')).toThrow("no type 'of the variable odd_one' in this kernel");
    expect(() => program.global('tk_core')).toThrow(LookupError);
    expect(() => program.global('init_mm')).toThrow(LookupError);
    expect(() => program.symbol('nothing')).toThrow("no symbol 'nothing' in this kernel");
    expect([program.hasSymbol('jiffies'), program.hasSymbol('nothing')]).toEqual([true, false]);
  });
});

describe('per-CPU variables', () => {
  it('lie at the offset of their CPU', () => {
    const image = new KernelImage();
    image.struct('rq', { nr_running: 'unsigned int' });
    image.cpus(3);
    image.perCpu('runqueues', 'struct rq', [{ nr_running: 7 }, { nr_running: 8 }, { nr_running: 9 }]);
    image.perCpu('counter', 'long', [1, 2, 3]);
    const program = programOfImage(image);
    expect([0, 1, 2].map((cpu) => program.perCpu('runqueues', cpu).member('nr_running').number())).toEqual([7, 8, 9]);
    // Typed by the source of types, as BTF does it.
    expect(program.perCpu('counter', 2).number()).toBe(3);
    expect(() => program.perCpu('counter', 100_000)).toThrow(FaultError);
  });

  it('are one object where there is one CPU only', () => {
    const image = new KernelImage();
    image.struct('rq', { nr_running: 'unsigned int' });
    image.global('runqueues', 'struct rq', { nr_running: 7 });
    const program = programOfImage(image);
    expect(program.perCpu('runqueues', 0).member('nr_running').number()).toBe(7);
    expect(program.perCpuAddress(virt(0x1234n), 0)).toBe(0x1234n);
  });

  it('may lie below their base: offsets wrap', () => {
    const image = new KernelImage();
    image.cpus(1);
    image.write('__per_cpu_offset', [-0x1000n]);
    expect(programOfImage(image).perCpuAddress(virt(0xffffffff83001000n), 0)).toBe(0xffffffff83000000n);
  });
});

describe('fields', () => {
  const image = new KernelImage();
  image.struct('task_struct', { __state: 'unsigned int', pid: 'pid_t' });
  const program = programOfImage(image);

  it('are resolved once', () => {
    expect(program.field('struct task_struct', 'pid')).toBe(program.field('struct task_struct', 'pid'));
    expect(program.tryField('struct task_struct', 'state')).toBeUndefined();
    expect(program.tryField('struct nothing', 'state')).toBeUndefined();
    // Neither name alone is the key.
    expect(program.field('struct list_head', 'next').label).toBe('struct list_head.next');
    expect(program.tryField('struct list_head', 'pid')).toBeUndefined();
  });

  it('have several spellings', () => {
    expect(program.firstField('struct task_struct', ['state', '__state']).label).toBe('struct task_struct.__state');
    expect(() => program.firstField('struct task_struct', ['a', 'b'])).toThrow("no member 'struct task_struct.a'");
    expect(() => program.field('struct task_struct', 'a')).toThrow(LookupError);
  });
});

describe('types of modules', () => {
  function btfOf(): { readonly base: BtfBuilder; readonly split: BtfBuilder } {
    const base = new BtfBuilder();
    const long = base.int('long unsigned int', 8);
    const int = base.int('unsigned int', 4);
    const char = base.int('char', 1, { signed: true });
    const pointer = base.pointer(0);
    const list = base.struct('list_head', 16, [
      { name: 'next', type: pointer, bits: 0 },
      { name: 'prev', type: pointer, bits: 64 },
    ]);
    base.struct('btf_module', 24, [
      { name: 'list', type: list, bits: 0 },
      { name: 'btf', type: pointer, bits: 128 },
    ]);
    base.struct('btf', 32, [
      { name: 'data', type: pointer, bits: 0 },
      { name: 'data_size', type: int, bits: 64 },
      { name: 'name', type: base.array(char, 16), bits: 96 },
    ]);
    base.forward('fuse_conn', 'struct');
    const split = new BtfBuilder(base);
    split.struct('fuse_conn', 8, [{ name: 'max_read', type: long, bits: 0 }]);
    split.enum('fuse_opcode', { FUSE_LOOKUP: 1 });
    return { base, split };
  }

  function imageOf(split: Uint8Array): KernelImage {
    const image = new KernelImage();
    image.struct('btf_module', { list: 'struct list_head', btf: 'void *' });
    image.struct('btf', { data: 'void *', data_size: 'unsigned int', name: 'char[16]' });
    image.global('btf_modules', 'struct list_head');
    image.bytes('data', split);
    image.place('btf', 'struct btf', { data: ref('data'), data_size: split.length, name: 'fuse' });
    image.place('bad', 'struct btf', { data: ref('data'), data_size: 0xffffffff, name: 'bad' });
    image.place('module', 'struct btf_module', { btf: ref('btf') });
    image.place('bad module', 'struct btf_module', { btf: ref('bad') });
    image.list('btf_modules', ['bad module.list', 'module.list']);
    return image;
  }

  function open(): { readonly program: Program; readonly image: KernelImage; readonly btf: Btf } {
    const { base, split } = btfOf();
    const btf = parseBtf(base.bytes(), { name: 'BTF of vmlinux' });
    const image = imageOf(split.bytes());
    return { program: withParts(image, { btf }), image, btf };
  }

  it('are known once they are asked for, whatever was asked before', () => {
    const { program } = open();
    expect(program.tryField('struct fuse_conn', 'max_read')).toBeUndefined();
    expect(program.enumerator('FUSE_LOOKUP')).toBeUndefined();
    program.addModuleTypes();
    expect(program.field('struct fuse_conn', 'max_read').offset).toBe(0);
    expect(program.enumerator('FUSE_LOOKUP')).toBe(1n);
    expect(program.types.sources.map((source) => source.name)).toEqual(['BTF of vmlinux', 'BTF of fuse']);
    program.addModuleTypes();
    expect(program.types.sources).toHaveLength(2);
  });

  it('end with a broken list, and are none without BTF', () => {
    const { image, btf } = open();
    image.write('module.list.next', ref('bad module.list'));
    const program = withParts(image, { btf });
    program.addModuleTypes();
    expect(program.types.sources).toHaveLength(2);
    const none = withParts(image, {});
    none.addModuleTypes();
    expect(none.types.sources).toHaveLength(0);
  });
});

describe('unwind rules', () => {
  it('of the kernel are for its own code only', () => {
    const image = new KernelImage();
    const first = image.function('first', 0x100);
    const second = image.function('second', 0x100);
    const ip = image.place('ip', 'int[2]', [0, 0], { at: 0xffffffff82000000n });
    image.write('ip', [Number(first - ip), Number(second - ip) - 4]);
    // Version 1: cfa register 5 (sp), type 0 (call).
    image.bytes('entries', Uint8Array.from([8, 0, 0, 0, 5, 0, 16, 0, 0, 0, 5, 0]));
    const plain = programOfImage(image);
    const entries = image.address('entries');
    const orc = new OrcTable(plain.memory, { ip, entries, count: 2, version: 1 });
    const program = withParts(image, { orc, orcVersion: 1 });
    expect(program.orcAt(first)).toMatchObject({ kind: 'call', spOffset: 8 });
    expect(program.orcAt(add(second, 0x80))).toMatchObject({ spOffset: 16 });
    // Behind the last entry a table has its rule for anything: BPF, trampolines, data.
    expect(program.orcAt(add(second, 0x100))).toBeUndefined();
    expect(program.orcAt(virt(0xffffffffc0000000n))).toBeUndefined();
    expect(program.orcAt(add(first, -1))).toBeUndefined();
  });
});
