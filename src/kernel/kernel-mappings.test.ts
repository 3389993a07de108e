import { describe, expect, it } from 'vitest';
import { KernelImage, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { phys, virt } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { mappedFrames, userTables } from './kernel-mappings.ts';

const TABLE = 0x100000n;
const PRESENT = 1n;
const LARGE = 0x80n;

/** Page tables by their number, each a map of index to entry; table 0 is the root. */
function programWith(tables: readonly Readonly<Record<number, bigint>>[], levels = 4): Program {
  const image = new KernelImage();
  if (levels === 5) image.vmcoreinfo('NUMBER(pgtable_l5_enabled)', 1);
  tables.forEach((entries, i) => {
    const words: Value[] = Array.from({ length: 512 }, (_, index) => entries[index] ?? 0n);
    image.place(`table${i}`, 'unsigned long[512]', words, { at: tableAt(i) });
  });
  return programOfImage(image, { arch: { name: 'x86_64', kernelTables: () => [phys(TABLE)] } });
}

const tableAt = (i: number): bigint => TABLE + BigInt(i * 4096);
const to = (i: number): bigint => tableAt(i) | PRESENT;

function mapped(program: Program, start: bigint, size: number): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  mappedFrames(program, virt(start), size, (first, count) => found.push([first, count]));
  return found.sort(([a], [b]) => a - b);
}

describe('frames that are mapped', () => {
  // Entry 402 of the root, 0 and 1 below it, ...
  const base = 0xffffc90000000000n;
  const program = programWith([
    { 402: to(1) },
    { 0: to(2), 1: 0x40000000n | LARGE | PRESENT },
    { 0: to(3), 1: 0x200000n | LARGE | PRESENT, 2: to(4) },
    { 0: 0x5000n | PRESENT, 2: 0x8000000000007000n | PRESENT, 3: 0x9000n },
    { 511: 0x1234567000n | PRESENT },
  ]);

  it('are those of pages of all sizes', () => {
    expect(mapped(program, base, 2 ** 31)).toEqual([
      [5, 1],
      [7, 1],
      [0x200, 512],
      [0x40000, 512 * 512],
      [0x1234567, 1],
    ]);
  });

  it('are those of the range alone', () => {
    expect(mapped(program, base + 0x1000n, 0x2000)).toEqual([[7, 1]]);
    expect(mapped(program, base + 0x200000n + 0x3000n, 0x5000)).toEqual([[0x203, 5]]);
    expect(mapped(program, base + 0x40000000n + 0x10000n, 0x1000)).toEqual([[0x40010, 1]]);
    expect(mapped(program, base + 0x1000n, 0x1000)).toEqual([]);
  });
});

it('tables that lead to themselves end with an error', () => {
  const itself = Object.fromEntries(Array.from({ length: 512 }, (_, i) => [i, to(0)]));
  const program = programWith([itself], 5);
  let frames = 0;
  const count = (): void => void frames++;
  expect(() => mappedFrames(program, virt(0xff00000000000000n), 2 ** 56, count)).toThrow(ValidationError);
  expect(() => userTables(program, virt(TABLE), 0, count)).toThrow(ValidationError);
  expect(frames).toBeGreaterThan(0);
});

it('a table that is not in the dump maps nothing', () => {
  const program = programWith([{ 402: 0x999000n | PRESENT }]);
  expect(mapped(program, 0xffffc90000000000n, 2 ** 30)).toEqual([]);
});

describe('page tables of a program', () => {
  const tables: readonly Readonly<Record<number, bigint>>[] = [
    { 0: to(1), 255: to(2), 300: to(9) },
    { 3: to(3), 4: 0x40000000n | LARGE | PRESENT },
    { 511: to(4) },
    { 0: to(5), 1: 0x200000n | LARGE | PRESENT },
    {},
    { 0: 0x5000n | PRESENT },
  ];
  const frame = (i: number): number => Number(tableAt(i) >> 12n);
  const found = (lowest: 0 | 2): readonly (readonly [number, number])[] => {
    const seen: [number, number][] = [];
    userTables(programWith(tables), virt(TABLE), lowest, (at, level) => seen.push([at, level]));
    return seen;
  };

  it('are those of its own half, down to the lowest', () => {
    expect(found(0)).toEqual([
      [frame(0), 3],
      [frame(1), 2],
      [frame(2), 2],
      [frame(3), 1],
      [frame(4), 1],
      [frame(5), 0],
    ]);
  });

  it('or those above the page middle directories', () => {
    expect(found(2)).toEqual([
      [frame(0), 3],
      [frame(1), 2],
      [frame(2), 2],
    ]);
  });
});

it('without the page tables of x86-64, addresses are translated one by one', () => {
  const image = new KernelImage();
  image.bytes('page', new Uint8Array(4096), { at: 0xffffc90000001000n });
  expect(mapped(programOfImage(image), 0xffffc90000001000n, 4096)).toEqual([[Number(0xffffc90000001n), 1]]);
});
