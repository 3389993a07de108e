import { expect, test } from 'vitest';
import { add, virt } from '../base/address.ts';
import { BtfBuilder } from '../../test/builders/btf.ts';
import { PieceMemory } from '../../test/builders/memory.ts';
import { findBtf } from './find-btf.ts';

const RODATA = virt(0xffffffff82000000n);

function kernel(): BtfBuilder {
  const b = new BtfBuilder();
  for (let i = 0; i < 500; i++) b.struct(`type_${i}`, 8, []);
  return b;
}

test('finds BTF of a kernel by its header, behind missing pages and smaller BTF', () => {
  const small = new BtfBuilder();
  small.int('int', 4);
  const btf = kernel().bytes();
  const start = add(RODATA, 0x5017c);
  const memory = new PieceMemory({ start: RODATA, bytes: small.bytes() }, { start, bytes: btf });
  const range = { start: RODATA, end: add(start, btf.length + 0x10000) };
  expect(findBtf(memory, [range], 4096)).toEqual({ start, end: add(start, btf.length) });
  expect(findBtf(memory, [range])).toBeUndefined();
});

test('a layout section behind the strings belongs to it', () => {
  const btf = kernel().bytes({ layout: Array.from({ length: 20 }, () => [0, 0] as const) });
  const memory = new PieceMemory({ start: RODATA, bytes: btf });
  expect(findBtf(memory, memory.ranges, 4096)?.end).toBe(add(RODATA, btf.length));
});
