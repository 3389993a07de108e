import { describe, expect, it } from 'vitest';
import { KernelImage, ref, struct, union } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { virt } from '../base/address.ts';
import { LookupError } from '../base/errors.ts';
import { vmaAt, vmasOf } from './vma.ts';

/** Text at 0x400000, a file of two pages behind it, the stack far up. */
const RANGES: readonly (readonly [number, number])[] = [
  [0x400000, 0x401000],
  [0x401000, 0x403000],
  [0x7ff000, 0x800000],
];

function declareVma(image: KernelImage, linked: boolean): void {
  image.struct('vm_area_struct', {
    vm_start: 'unsigned long',
    vm_end: 'unsigned long',
    ...(linked ? { vm_next: 'struct vm_area_struct *' } : {}),
    vm_mm: 'struct mm_struct *',
    $1: union({ vm_flags: 'const unsigned long', __vm_flags: 'unsigned long' }),
    vm_pgoff: 'unsigned long',
    vm_file: 'struct file *',
  });
}

function placeVmas(image: KernelImage): void {
  RANGES.forEach(([start, end], i) => {
    image.place(`vma${i}`, 'struct vm_area_struct', {
      vm_start: start,
      vm_end: end,
      vm_mm: ref('mm'),
      vm_flags: 0x8000071 + i,
      vm_pgoff: 2 * i,
      vm_file: i === 1 ? 0xffff888000001000n : 0,
    });
  });
}

/** As until 6.0. */
function list(): KernelImage {
  const image = new KernelImage();
  declareVma(image, true);
  image.struct('mm_struct', { mmap: 'struct vm_area_struct *' });
  image.place('mm', 'struct mm_struct', { mmap: ref('vma0') });
  placeVmas(image);
  image.write('vma0.vm_next', ref('vma1'));
  image.write('vma1.vm_next', ref('vma2'));
  return image;
}

/** As since 6.1: one leaf. */
function tree(): KernelImage {
  const image = new KernelImage();
  declareVma(image, false);
  image.struct('maple_tree', { ma_flags: 'unsigned int', ma_root: 'void *' });
  image.struct('maple_node', {
    $1: union({
      $1: struct({ parent: 'void *', slot: 'void *[31]' }),
      mr64: struct({ parent: 'void *', pivot: 'unsigned long[15]', slot: 'void *[16]' }),
      ma64: struct({ parent: 'void *', pivot: 'unsigned long[9]', slot: 'void *[10]', gap: 'unsigned long[10]' }),
    }),
  });
  image.enum('maple_type', ['maple_dense', 'maple_leaf_64', 'maple_range_64', 'maple_arange_64']);
  image.struct('mm_struct', { mm_mt: 'struct maple_tree' });
  image.place('mm', 'struct mm_struct', { 'mm_mt.ma_root': ref('leaf', (1 << 3) | 6) });
  placeVmas(image);
  image.place(
    'leaf',
    'struct maple_node',
    {
      parent: ref('mm.mm_mt', 1),
      'mr64.pivot': [0x3fffff, 0x400fff, 0x402fff, 0x7fefff, 0x7fffff],
      'mr64.slot': [0, ref('vma0'), ref('vma1'), 0, ref('vma2'), 0],
    },
    { align: 256 },
  );
  return image;
}

describe.each([
  ['a list', list],
  ['a maple tree', tree],
])('mappings in %s', (_what, build) => {
  it('are read in ascending order', () => {
    const image = build();
    const { vmas, problem } = vmasOf(programOfImage(image), image.address('mm'));
    expect(problem).toBeUndefined();
    expect(vmas.map(({ start, end }) => [Number(start), Number(end)])).toEqual(RANGES);
    expect(vmas[1]).toEqual({
      vma: image.address('vma1'),
      start: 0x401000n,
      end: 0x403000n,
      flags: 0x8000072n,
      file: 0xffff888000001000n,
      pageOffset: 2n,
    });
    expect(vmas[0]?.file).toBeUndefined();
  });

  it('are found by an address in them', () => {
    const image = build();
    const program = programOfImage(image);
    const at = (address: number) => vmaAt(program, image.address('mm'), virt(BigInt(address)))?.vma;
    expect([0x400000, 0x400fff].map(at)).toEqual([image.address('vma0'), image.address('vma0')]);
    expect(at(0x402fff)).toBe(image.address('vma1'));
    expect(at(0x7ff123)).toBe(image.address('vma2'));
    expect([0, 0x3fffff, 0x403000, 0x800000].map(at)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('of another address space end the list', () => {
    const image = build();
    image.write('vma1.vm_mm', ref('vma1'));
    const { vmas, problem } = vmasOf(programOfImage(image), image.address('mm'));
    expect(vmas).toHaveLength(1);
    expect(problem).toContain('belongs to another mm');
  });

  it('that end before they begin end the list', () => {
    const image = build();
    image.write('vma1.vm_end', 0x401000);
    const { vmas, problem } = vmasOf(programOfImage(image), image.address('mm'));
    expect(vmas).toHaveLength(1);
    expect(problem).toContain('ends before it begins');
  });
});

describe('mappings', () => {
  it('in a list that runs in a circle end with a problem', () => {
    const image = list();
    image.write('vma2.vm_next', ref('vma0'));
    const { vmas, problem } = vmasOf(programOfImage(image), image.address('mm'));
    expect(vmas).toHaveLength(3);
    expect(problem).toContain('is not in ascending order');
  });

  it('in a list that leads to no pointer end with a problem', () => {
    const image = list();
    image.write('vma1.vm_next', 0x1000);
    const { vmas, problem } = vmasOf(programOfImage(image), image.address('mm'));
    expect(vmas).toHaveLength(2);
    expect(problem).toContain('is no pointer');
  });

  it('must be where the tree has them', () => {
    const image = tree();
    image.write('vma1.vm_end', 0x402000);
    const { vmas, problem } = vmasOf(programOfImage(image), image.address('mm'));
    expect(vmas).toHaveLength(1);
    expect(problem).toContain('is not where the tree has it');
  });

  it('of an unknown layout are an error', () => {
    const image = new KernelImage();
    image.struct('mm_struct', { pgd: 'void *' });
    image.place('mm', 'struct mm_struct');
    const program = programOfImage(image);
    expect(() => vmasOf(program, image.address('mm'))).toThrow(LookupError);
  });
});
