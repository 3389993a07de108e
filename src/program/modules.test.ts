import { describe, expect, it } from 'vitest';
import { KernelImage, ref, struct } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { add, type VirtAddr, virt } from '../base/address.ts';
import type { OrcVersion } from '../debuginfo/orc.ts';
import { Program } from './program.ts';

const CODE = virt(0xffffffffc0100000n);
const DATA = virt(0xffffffffc0200000n);

type Layout = 'mem' | 'core_layout' | 'module_core';

const LAYOUTS = {
  mem: {
    mem: 'struct module_memory[7]',
    kallsyms: 'struct mod_kallsyms *',
  },
  core_layout: {
    core_layout: 'struct module_layout',
    init_layout: 'struct module_layout',
    kallsyms: 'struct mod_kallsyms *',
  },
  module_core: {
    module_init: 'void *',
    module_core: 'void *',
    init_size: 'unsigned int',
    core_size: 'unsigned int',
    init_text_size: 'unsigned int',
    core_text_size: 'unsigned int',
    symtab: 'Elf64_Sym *',
    num_symtab: 'unsigned int',
    strtab: 'char *',
  },
} as const;

/** Code of 0x3000 bytes at `code`, and 0x2000 bytes of data at `data` (behind the code in the older layouts). */
function rangesOf(layout: Layout, code: VirtAddr, data: VirtAddr): { readonly [path: string]: bigint | number } {
  switch (layout) {
    case 'mem':
      return { 'mem[0].base': code, 'mem[0].size': 0x3000, 'mem[1].base': data, 'mem[1].size': 0x2000 };
    case 'core_layout':
      return { 'core_layout.base': code, 'core_layout.size': 0x5000, 'core_layout.text_size': 0x3000 };
    case 'module_core':
      return { module_core: code, core_size: 0x5000, core_text_size: 0x3000 };
  }
}

function imageOf(layout: Layout): KernelImage {
  const image = new KernelImage();
  image.struct('Elf64_Sym', {
    st_name: 'u32',
    st_info: 'u8',
    st_other: 'u8',
    st_shndx: 'u16',
    st_value: 'u64',
    st_size: 'u64',
  });
  image.typedef('Elf64_Sym', 'struct Elf64_Sym');
  image.struct('mod_kallsyms', {
    symtab: 'Elf64_Sym *',
    num_symtab: 'unsigned int',
    strtab: 'char *',
    typetab: 'char *',
  });
  image.struct('module_memory', { base: 'void *', size: 'unsigned int' });
  image.struct('module_layout', { base: 'void *', size: 'unsigned int', text_size: 'unsigned int' });
  image.struct('module', {
    state: 'int',
    list: 'struct list_head',
    name: 'char[56]',
    ...LAYOUTS[layout],
    arch: struct({ num_orcs: 'unsigned int', orc_unwind_ip: 'int *', orc_unwind: 'void *' }),
  });
  image.global('modules', 'struct list_head');
  image.function('kernel_function', 0x1000);
  return image;
}

const symbol = (name: number, value: bigint, section = 1, info = 0) => ({
  st_name: name,
  st_value: value,
  st_shndx: section,
  st_info: info,
});

/** One module 'fuse' with the functions fuse_open and fuse_read, and a symbol of another object. */
function withFuse(layout: Layout): KernelImage {
  const image = imageOf(layout);
  const [code, data] = [CODE, layout === 'mem' ? DATA : add(CODE, 0x3000)];
  // The null symbol, two functions, and one that is not defined here.
  image.place('symtab', 'Elf64_Sym[4]', [
    {},
    symbol(1, code, 1, 0x74),
    symbol(11, code + 0x100n, 1, 0x54),
    symbol(21, 0n, 0),
  ]);
  image.bytes('strtab', Buffer.from('\0fuse_open\0fuse_read\0kfree\0'));
  image.bytes('typetab', Buffer.from('?tT?'));
  image.place('kallsyms', 'struct mod_kallsyms', {
    symtab: ref('symtab'),
    num_symtab: 4,
    strtab: ref('strtab'),
    typetab: ref('typetab'),
  });
  const tables =
    layout === 'module_core'
      ? { symtab: ref('symtab'), num_symtab: 4, strtab: ref('strtab') }
      : { kallsyms: ref('kallsyms') };
  image.place('fuse', 'struct module', { name: 'fuse', ...rangesOf(layout, code, data), ...tables });
  image.list('modules', ['fuse.list']);
  return image;
}

describe.each(['mem', 'core_layout', 'module_core'] as const)('a module in the layout of %s', (layout) => {
  const data = layout === 'mem' ? DATA : add(CODE, 0x3000);

  it('covers its code and its data, and only code is text', () => {
    const program = programOfImage(withFuse(layout));
    const [fuse] = program.modules.modules;
    expect(program.modules.problem).toBeUndefined();
    expect([fuse?.name, fuse?.address]).toEqual(['fuse', fuse?.address]);
    expect(fuse?.ranges).toEqual([
      { start: CODE, size: 0x3000, text: true },
      { start: data, size: 0x2000, text: false },
    ]);
    for (const [address, covered, text] of [
      [sub1(CODE), false, false],
      [CODE, true, true],
      [add(CODE, 0x2fff), true, true],
      [data, true, false],
      [add(data, 0x1fff), true, false],
      [add(data, 0x2000), false, false],
    ] as const) {
      expect([program.moduleAt(address) === fuse, program.isText(address)]).toEqual([covered, text]);
    }
  });

  it('names its parts where the kernel does', () => {
    const image = withFuse(layout);
    image.enum('mod_mem_type', ['MOD_TEXT', 'MOD_DATA', 'MOD_RODATA', 'MOD_MEM_NUM_TYPES']);
    const parts = programOfImage(image).modules.modules[0]?.ranges.map(({ part }) => part);
    expect(parts).toEqual(layout === 'mem' ? ['TEXT', 'DATA'] : [undefined, undefined]);
  });

  it('has no function that reaches behind the code, though the next symbol is a variable', () => {
    const image = withFuse(layout);
    image.write('symtab[3].st_value', data + 0x40n);
    image.write('symtab[3].st_shndx', 2);
    const { symbols } = programOfImage(image);
    expect(symbols.at(add(CODE, 0x120))).toMatchObject({ name: 'fuse_read', size: 0x2f00 });
    expect(symbols.at(add(data, 0x50))).toMatchObject({ name: 'kfree', offset: 0x10, size: 0x1fc0 });
  });

  it('has symbols with the kernel’s letters', () => {
    const program = programOfImage(withFuse(layout));
    expect(program.symbols.at(add(CODE, 0x120))).toEqual({
      name: 'fuse_read',
      address: add(CODE, 0x100),
      size: 0x2f00,
      type: 'T',
      module: 'fuse',
      offset: 0x20,
    });
    // A call at the end of a function that does not return: the address is the next one's.
    expect(program.symbols.atReturn(add(CODE, 0x100))).toMatchObject({ name: 'fuse_open', offset: 0x100 });
    expect(program.symbols.at(add(CODE, 0x100))).toMatchObject({ name: 'fuse_read', offset: 0 });
    expect(program.symbols.lookup('fuse_open')).toBeUndefined();
    expect(program.symbols.lookup('fuse_open', { modules: true })?.address).toBe(CODE);
    expect(program.symbols.lookup('kfree', { modules: true })).toBeUndefined();
    expect(program.symbols.lookup('kernel_function', { modules: true })?.module).toBeUndefined();
  });
});

function sub1(address: VirtAddr): VirtAddr {
  return add(address, -1);
}

function withMany(names: readonly string[]): KernelImage {
  const image = imageOf('mem');
  names.forEach((name, i) => {
    const code = add(CODE, i * 0x100000);
    image.place(name, 'struct module', { name, 'mem[0].base': code, 'mem[0].size': 0x1000 });
  });
  image.list(
    'modules',
    names.map((name) => `${name}.list`),
  );
  return image;
}

describe('the list of modules', () => {
  const names = (image: KernelImage): readonly (readonly string[] | string | undefined)[] => {
    const { modules, problem } = programOfImage(image).modules;
    return [modules.map((module) => module.name), problem];
  };

  it('is read in order', () => {
    expect(names(withMany(['a', 'b', 'c']))).toEqual([['a', 'b', 'c'], undefined]);
    expect(names(withMany([]))).toEqual([[], undefined]);
  });

  it('gives what lies before a break', () => {
    const image = withMany(['a', 'b', 'c']);
    image.write('b.list.next', 0x10);
    expect(names(image)).toEqual([['a', 'b'], expect.stringContaining('no kernel pointer')]);
  });

  it('ends where it runs into itself', () => {
    const image = withMany(['a', 'b', 'c']);
    image.write('c.list.next', ref('b.list'));
    expect(names(image)).toEqual([['a', 'b', 'c'], expect.stringContaining('does not end')]);
  });

  it('ends at memory that is not there', () => {
    const image = withMany(['a', 'b']);
    image.write('b.list.next', 0xffff_9999_0000_0008n);
    expect(names(image)).toEqual([['a', 'b'], expect.stringContaining('absent')]);
  });

  it('leaves out a module that cannot be read, and goes on', () => {
    const image = withMany(['a', 'c']);
    // A record of which only the list_head is on a page that the dump has: it begins at 8 in struct module.
    const page = 0xffff_8880_0080_0000n;
    image.place('cut', 'struct list_head', {}, { at: page + 0xff0n });
    image.states.set(Number((page + 0x1000n) >> 12n), 'lost');
    image.list('modules', ['a.list', 'cut', 'c.list']);
    expect(names(image)).toEqual([['a', 'c'], expect.stringMatching(/^a module: .*: lost$/)]);
  });

  it('is empty where the kernel has none or nothing is known of it', () => {
    const image = new KernelImage();
    expect(names(image)).toEqual([[], "no member 'struct module.list' in this kernel"]);
    const other = imageOf('mem');
    other.symbols.splice(0);
    expect(names(other)).toEqual([[], "no symbol 'modules' in this kernel"]);
  });
});

describe('hostile modules', () => {
  it('do not hide the kernel, and claim nothing outside of the kernel’s half', () => {
    const image = imageOf('mem');
    image.place('evil', 'struct module', {
      name: 'evil',
      'mem[0].base': 0xffffffff80000000n,
      'mem[0].size': 0x7fffffff,
      'mem[1].base': 0x400000n,
      'mem[1].size': 0x1000,
    });
    image.list('modules', ['evil.list']);
    const program = programOfImage(image);
    expect(program.moduleAt(image.address('kernel_function'))).toBeUndefined();
    expect(program.symbols.at(image.address('kernel_function'))?.name).toBe('kernel_function');
    expect(program.moduleAt(virt(0x400000n))).toBeUndefined();
    expect(program.moduleAt(CODE)?.name).toBe('evil');
  });

  it('are found where the kernel’s end is not known', () => {
    const image = withFuse('mem');
    image.symbol('_text', CODE - 0x100000n);
    expect(programOfImage(image).moduleAt(CODE)?.name).toBe('fuse');
    image.symbol('_end', CODE + 0x100000n);
    expect(programOfImage(image).moduleAt(CODE)).toBeUndefined();
  });

  it('have no symbols when their tables make no sense', () => {
    for (const [path, value] of [
      ['kallsyms.num_symtab', 0x7fffffff],
      ['kallsyms.symtab', 0x1000],
      ['kallsyms.strtab', 0],
      ['symtab[1].st_name', 0xfffffff0],
      ['fuse.kallsyms', 0],
    ] as const) {
      const image = withFuse('mem');
      image.write(path, value);
      const [fuse] = programOfImage(image).modules.modules;
      expect([path, fuse?.name, fuse?.symbols]).toEqual([path, 'fuse', undefined]);
    }
  });
});

describe('unwind tables of modules', () => {
  function orcProgram(image: KernelImage, orcVersion: OrcVersion | undefined): Program {
    const { dump, vmcoreinfo, memory, arch, symbols } = programOfImage(image);
    const parts = { dump, vmcoreinfo, memory, arch, kallsyms: symbols.kernel, btf: undefined, orc: undefined };
    const program = new Program({ ...parts, orcVersion, problems: [] });
    program.types.add(image.types);
    return program;
  }

  function withOrc(): KernelImage {
    const image = withFuse('mem');
    const ips = image.place('ips', 'int[2]', [0, 0], { at: DATA + 0x1000n });
    const offset = (to: bigint, i: number): number => Number(to - ips) - 4 * i;
    image.write('ips', [offset(CODE, 0), offset(CODE + 0x100n, 1)]);
    // Version 3: s16 spOffset, s16 bpOffset, sp register 5 (sp), type 2 (call) at bit 8.
    image.bytes('rules', Uint8Array.from([8, 0, 0, 0, 5, 2, 24, 0, 0, 0, 5, 2]));
    image.write('fuse.arch', { num_orcs: 2, orc_unwind_ip: ref('ips'), orc_unwind: ref('rules') });
    return image;
  }

  it('are asked for the module’s code', () => {
    const program = orcProgram(withOrc(), 3);
    expect(program.orcAt(CODE)).toMatchObject({ kind: 'call', cfaReg: 'sp', spOffset: 8 });
    expect(program.orcAt(add(CODE, 0x150))).toMatchObject({ kind: 'call', spOffset: 24 });
    // Data, and code of nobody: BPF programs lie behind modules.
    expect(program.orcAt(add(DATA, 8))).toBeUndefined();
    expect(program.orcAt(add(CODE, 0x80000))).toBeUndefined();
  });

  it('are not there when the module has none, too many, or the kernel has none', () => {
    for (const entries of [0, 0x7fffffff]) {
      const image = withOrc();
      image.write('fuse.arch.num_orcs', entries);
      expect(orcProgram(image, 3).orcAt(CODE)).toBeUndefined();
    }
    expect(orcProgram(withOrc(), undefined).orcAt(CODE)).toBeUndefined();
  });
});
