import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { NX, PhysicalImage, PROTNONE } from '../../test/builders/page-tables.ts';
import { DIRECT_MAP, userProgram } from '../../test/builders/user-program.ts';
import { virt } from '../base/address.ts';
import { FaultError, LookupError } from '../base/errors.ts';
import { userTables, walkUserMappings } from './user-mappings.ts';

const SPECIAL = 1n << 9n;
const ZERO_FRAME = 0x777;

function walk(memory: PhysicalImage, arch = 'x86_64') {
  const image = new KernelImage();
  image.global('zero_pfn', 'unsigned long', ZERO_FRAME);
  const program = userProgram(image, memory, arch);
  const mapped: (readonly [frame: number, count: number, page: number])[] = [];
  const result = walkUserMappings(program, userTables(program), virt(DIRECT_MAP + memory.root), {
    mapped: (...run) => mapped.push(run),
  });
  const { tables, lostTables, swapped, special } = result;
  return { mapped, tables, lostTables, swapped, special };
}

describe.each([4, 5])('page tables of %i levels', (levels) => {
  it('pages, large and huge ones, in the order of their addresses', () => {
    const memory = new PhysicalImage({ levels });
    memory.map(0x400000n, 0x1000000n, { flags: NX });
    memory.map(0x401000n, 0x1001000n);
    memory.map(0x7f0000000000n, 0x2000000n, { level: 1 });
    memory.map(0x7e8000000000n, 0x40000000n, { level: 2 });
    // The kernel's half is not the program's.
    memory.map(0xffff800000000000n, 0x5000000n);
    const { mapped, swapped, special, lostTables } = walk(memory);
    expect(mapped).toEqual([
      [0x1000, 1, 0x400],
      [0x1001, 1, 0x401],
      [0x40000, 512 * 512, 0x7e8000000],
      [0x2000, 512, 0x7f0000000],
    ]);
    expect([swapped, special, lostTables]).toEqual([0, 0, 0]);
  });
});

describe('entries that are no page', () => {
  it('the zero page, device memory, swap', () => {
    const memory = new PhysicalImage();
    memory.map(0x1000n, BigInt(ZERO_FRAME) << 12n);
    memory.map(0x2000n, 0xfee00000n, { flags: SPECIAL });
    memory.map(0x3000n, 0n, { entry: 0x0000_1234_5678_0000n });
    memory.map(0x4000n, 0x1000000n);
    expect(walk(memory)).toMatchObject({ mapped: [[0x1000, 1, 4]], special: 2, swapped: 1 });
  });

  it('a page without access is mapped, its bits inverted or not', () => {
    const memory = new PhysicalImage();
    memory.map(0x1000n, 0n, { entry: 0x1000000n | PROTNONE });
    memory.map(0x2000n, 0n, { entry: (~0x1001000n & 0x000ffffffffff000n) | PROTNONE });
    expect(walk(memory).mapped).toEqual([
      [0x1000, 1, 1],
      [0x1001, 1, 2],
    ]);
  });

  it('a large page in swap counts as all its pages', () => {
    const memory = new PhysicalImage();
    memory.map(0x200000n, 0n, { level: 1, entry: 0x0000_1234_5678_0000n });
    expect(walk(memory)).toMatchObject({ mapped: [], swapped: 512 });
  });
});

describe('damage', () => {
  it('a table that is not in the dump is counted, and the others are read', () => {
    const memory = new PhysicalImage();
    memory.map(0x1000n, 0x1000000n);
    memory.map(0x40000000n, 0x1001000n);
    const lost = memory.readU64(memory.entryAt(0x40000000n, 1)) >> 12n;
    memory.pages.delete(Number(lost & 0xffffffffffn));
    expect(walk(memory)).toMatchObject({ mapped: [[0x1000, 1, 1]], lostTables: 1 });
  });

  it('tables that lead to themselves end', () => {
    const memory = new PhysicalImage();
    for (let index = 0n; index < 512n; index++) memory.writeU64(memory.root + index * 8n, memory.root | 1n);
    expect(walk(memory)).toMatchObject({ mapped: [], tables: 1, lostTables: 256 });
  });

  it('no first table, no answer; other machines are refused', () => {
    const memory = new PhysicalImage();
    memory.pages.clear();
    expect(() => walk(memory)).toThrow(FaultError);
    expect(() => walk(new PhysicalImage(), 'aarch64')).toThrow(LookupError);
  });
});
