import { expect, it } from 'vitest';
import { PointerTable } from './pointer-table.ts';

it('pointers get numbers in the order in which they are met', () => {
  const table = new PointerTable();
  expect(table.number(0x1000, 0xffff8880 | 0)).toBe(-1);
  expect(table.number(0x2000, 0xffff8880 | 0)).toBe(-2);
  expect(table.number(0x1000, 0xffff8880 | 0)).toBe(0);
  expect(table.pointer(1)).toBe(0xffff888000002000n);
});

it('many pointers keep their numbers', () => {
  const table = new PointerTable();
  for (let i = 0; i < 20000; i++) expect(table.number(i * 64, i % 7)).toBe(-1 - i);
  for (let i = 0; i < 20000; i += 37) expect(table.number(i * 64, i % 7)).toBe(i);
  expect(table.count).toBe(20000);
});
