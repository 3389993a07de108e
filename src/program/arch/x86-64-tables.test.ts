import { describe, expect, it } from 'vitest';
import { PhysicalImage, PRESENT } from '../../../test/builders/page-tables.ts';
import { kernelTables } from './x86-64-tables.ts';

const ADDRESS = 0x000ffffffffff000n;
const DIRECT = 0xff11000000000000n;

function tables(memory: PhysicalImage, limit = 1000, addressMask = ADDRESS): readonly bigint[] {
  return kernelTables(memory.open(), { root: memory.root, levels: memory.levels, addressMask }, limit);
}

/** Where the table that holds the entry for an address lies. */
function tableOf(memory: PhysicalImage, address: bigint, level: number): bigint {
  return memory.entryAt(address, level) & ~0xfffn;
}

describe.each([4, 5])('with %i levels', (levels) => {
  it('the tables are those of the kernel, level by level, each once', () => {
    const memory = new PhysicalImage({ levels });
    const high = levels === 5 ? DIRECT : 0xffff888000000000n;
    const image = 0xffffffff81000000n;
    memory.map(high, 0x40000000n, { level: 2 });
    memory.map(high + (1n << 31n), 0x200000n, { level: 1 });
    memory.map(image, 0x5000n);
    memory.map(image + 4096n, 0x6000n);
    // Of a program.
    memory.map(0x400000n, 0x7000n);
    const expected = new Set<bigint>([memory.root]);
    for (let level = levels - 2; level >= 0; level--) {
      if (level >= 2) expected.add(tableOf(memory, high, level));
      if (level >= 1) expected.add(tableOf(memory, high + (1n << 31n), level));
      expected.add(tableOf(memory, image, level));
    }
    expect(tables(memory)).toHaveLength(expected.size);
    expect(new Set(tables(memory))).toEqual(expected);
    expect(tables(memory)[0]).toBe(memory.root);
    expect(tables(memory).at(-1)).toBe(tableOf(memory, image, 0));
  });
});

it('a table that points to itself, or to everything, ends', () => {
  const memory = new PhysicalImage();
  for (let i = 256; i < 512; i++) memory.writeU64(memory.root + BigInt(i * 8), memory.root | PRESENT);
  expect(tables(memory)).toEqual([memory.root]);
  for (let i = 256; i < 512; i++) memory.writeU64(memory.root + BigInt(i * 8), BigInt(i << 20) | PRESENT);
  expect(tables(memory, 100)).toHaveLength(100);
});

it('below a table that is not in the dump there is nothing, and the others are found', () => {
  const memory = new PhysicalImage();
  memory.map(0xffff888000000000n, 0x40000000n);
  memory.map(0xffffffff81000000n, 0x5000n);
  const gone = tableOf(memory, 0xffff888000000000n, 2);
  memory.pages.delete(Number(gone >> 12n));
  memory.states.set(Number(gone >> 12n), 'excluded');
  const found = tables(memory);
  expect(found).toContain(gone);
  expect(found).toContain(tableOf(memory, 0xffffffff81000000n, 0));
  expect(found).toHaveLength(1 + 2 + 2);
});

it('the encryption bit of AMD is no part of an address', () => {
  const sme = 1n << 47n;
  const memory = new PhysicalImage({ tableBits: sme });
  memory.map(0xffffffff81000000n, 0x5000n);
  expect(tables(memory, 1000, ADDRESS & ~sme).every((table) => (table & sme) === 0n)).toBe(true);
  expect(tables(memory, 1000, ADDRESS & ~sme)).toHaveLength(4);
});
