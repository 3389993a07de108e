import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { NX, PhysicalImage, PROTNONE } from '../../test/builders/page-tables.ts';
import { DIRECT_MAP, userProgram } from '../../test/builders/user-program.ts';
import { virt } from '../base/address.ts';
import { entryFlags, kernelTable, swapEntry, walkTables } from './page-tables.ts';

function machine(levels = 4, arch = 'x86_64') {
  const memory = new PhysicalImage({ levels });
  const image = new KernelImage();
  image.struct('mm_struct', { pgd: 'void *' });
  const pgd = virt(DIRECT_MAP + memory.root);
  image.global('init_mm', 'struct mm_struct', { pgd });
  return { memory, pgd, program: () => userProgram(image, memory, arch) };
}

describe.each([4, 5])('with %i levels', (levels) => {
  it('small, large and huge pages', () => {
    const { memory, pgd, program } = machine(levels);
    memory.map(0x400000n, 0x5000n, { flags: NX });
    memory.map(0x40000000n, 0x600000n, { level: 1 });
    memory.map(0x80000000n, 0x40000000n, { level: 2 });
    const walk = (at: bigint) => walkTables(program(), pgd, virt(at));
    expect(walk(0x400123n)).toMatchObject({ mapped: { physical: 0x5123n, page: 0x5000n, size: 4096 } });
    expect(walk(0x400123n).steps.map(({ level }) => level)).toEqual(
      levels === 4 ? ['PGD', 'PUD', 'PMD', 'PTE'] : ['PGD', 'P4D', 'PUD', 'PMD', 'PTE'],
    );
    expect(walk(0x40001234n)).toMatchObject({ mapped: { physical: 0x601234n, page: 0x600000n, size: 1 << 21 } });
    expect(walk(0x80001234n)).toMatchObject({ mapped: { physical: 0x40001234n, size: 1 << 30 } });
    expect(walk(0x401000n)).toMatchObject({ mapped: undefined, absent: undefined });
    expect(kernelTable(program())).toBe(pgd);
  });
});

it('an entry whose access is refused is inverted; one of swap is told apart', () => {
  const { memory, pgd, program } = machine();
  const inverted = BigInt.asUintN(64, ~0x5000n) & 0x000ffffffffff000n;
  memory.map(0x400000n, 0n, { entry: inverted | PROTNONE });
  // Type 2, page 0x1234: the offset is inverted, at bits 9 to 58.
  const swapped = (2n << 59n) | (BigInt.asUintN(50, ~0x1234n) << 9n);
  memory.map(0x401000n, 0n, { entry: swapped });
  expect(walkTables(program(), pgd, virt(0x400010n)).mapped).toMatchObject({ physical: 0x5010n });
  expect(walkTables(program(), pgd, virt(0x401000n))).toMatchObject({ mapped: undefined, absent: swapped });
  expect(swapEntry(swapped)).toEqual({ type: 2, offset: 0x1234 });
  expect([swapEntry(0n), swapEntry(0x5001n), swapEntry(31n << 59n)]).toEqual([undefined, undefined, undefined]);
});

it('a table that leads to itself ends; what is no table is told', () => {
  const { memory, pgd, program } = machine();
  memory.writeU64(memory.root, memory.root | 1n);
  expect(walkTables(program(), pgd, virt(0n)).steps).toHaveLength(4);
  expect(() => walkTables(program(), virt(0x1000n), virt(0n))).toThrow(/pgd is no kernel pointer/);
  expect(() => walkTables(machine(4, 'aarch64').program(), pgd, virt(0n))).toThrow(/page tables of aarch64/);
});

it('names of flags', () => {
  expect(entryFlags(0x80000000164001e3n, 1 << 21)).toEqual([
    'PRESENT',
    'RW',
    'ACCESSED',
    'DIRTY',
    'PSE',
    'GLOBAL',
    'NX',
  ]);
  expect(entryFlags(0x1100n, 4096)).toEqual(['PROTNONE']);
  expect(entryFlags(0x1081n, 4096)).toEqual(['PRESENT', 'PAT']);
});
