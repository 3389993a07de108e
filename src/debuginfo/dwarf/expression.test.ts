/** Expressions by the standard's own examples and tables (DWARF 5, 2.5 and D.1), with values worked out by hand. */
import { expect, it } from 'vitest';
import { FormatError } from '../../base/errors.ts';
import { locate, type Surroundings } from './expression.ts';

const around: Surroundings = {
  register: (number) => (number === 3 ? 0x1000n : number === 7 ? 0xffff_ffff_ffff_fff8n : undefined),
  cfa: 0x8000n,
  frameBase: () => 0x7000n,
  read: (address, size) => (address === 0x1010n ? 0x1122_3344_5566_7788n & ((1n << BigInt(size * 8)) - 1n) : undefined),
  slide: 0x100n,
  indexed: (index) => 0x4000n + BigInt(index),
};
const at = (...bytes: number[]) => locate(Uint8Array.from(bytes), around);
const memory = (address: bigint) => ({ kind: 'memory', address });
const value = (of: bigint) => ({ kind: 'value', value: of });

it.each([
  ['reg3', [0x53], { kind: 'register', number: 3 }],
  ['regx 17', [0x90, 17], { kind: 'register', number: 17 }],
  ['breg3 16', [0x73, 16], memory(0x1010n)],
  ['breg3 -8', [0x73, 0x78], memory(0xff8n)],
  ['bregx 3, 16', [0x92, 3, 16], memory(0x1010n)],
  ['breg7 16 wraps', [0x77, 16], memory(8n)],
  ['fbreg -50', [0x91, 0x4e], memory(0x7000n - 50n)],
  ['call_frame_cfa, plus_uconst 129', [0x9c, 0x23, 0x81, 0x01], memory(0x8000n + 129n)],
  ['addr', [0x03, 1, 2, 3, 4, 5, 6, 7, 0], memory(0x0007_0605_0403_0201n + 0x100n)],
  ['addrx 2', [0xa1, 2], memory(0x4102n)],
  ['lit31, stack_value', [0x4f, 0x9f], value(31n)],
  ['const1s -1, stack_value', [0x09, 0xff, 0x9f], value(0xffff_ffff_ffff_ffffn)],
  ['const2u, neg, stack_value', [0x0a, 1, 0, 0x1f, 0x9f], value(0xffff_ffff_ffff_ffffn)],
  ['breg3 16, deref, stack_value', [0x73, 16, 0x06, 0x9f], value(0x1122_3344_5566_7788n)],
  ['breg3 16, deref_size 2, stack_value', [0x73, 16, 0x94, 2, 0x9f], value(0x7788n)],
  ['lit7, lit2, minus', [0x37, 0x32, 0x1c, 0x9f], value(5n)],
  ['lit7, lit2, swap, minus', [0x37, 0x32, 0x16, 0x1c, 0x9f], value(0xffff_ffff_ffff_fffbn)],
  ['lit1, lit2, lit3, rot, minus', [0x31, 0x32, 0x33, 0x17, 0x1c, 0x9f], value(0xffff_ffff_ffff_ffffn)],
  ['const1s -8, lit2, div', [0x09, 0xf8, 0x32, 0x1b, 0x9f], value(0xffff_ffff_ffff_fffcn)],
  ['const1s -8, lit1, shra', [0x09, 0xf8, 0x31, 0x26, 0x9f], value(0xffff_ffff_ffff_fffcn)],
  ['lit1, const1u 64, shl', [0x31, 0x08, 64, 0x24, 0x9f], value(0n)],
  ['const1s -1, const1u 64, shr', [0x09, 0xff, 0x08, 64, 0x25, 0x9f], value(0n)],
  ['const1s -1, lit1, lt', [0x09, 0xff, 0x31, 0x2d, 0x9f], value(1n)],
  ['lit0, bra over lit5', [0x34, 0x30, 0x28, 1, 0, 0x35, 0x9f], value(5n)],
  ['lit1, bra over lit5', [0x34, 0x31, 0x28, 1, 0, 0x35, 0x9f], value(4n)],
  ['pick 1', [0x31, 0x32, 0x15, 1, 0x9f], value(1n)],
  ['implicit_value', [0x9e, 2, 0xaa, 0xbb], { kind: 'bytes', bytes: Uint8Array.of(0xaa, 0xbb) }],
])('%s', (_name, bytes, wanted) => {
  expect(at(...bytes)).toEqual(wanted);
});

it('pieces, one of them optimised away', () => {
  expect(at(0x53, 0x93, 8, 0x93, 4, 0x91, 0, 0x93, 4)).toEqual({
    kind: 'pieces',
    pieces: [
      { size: 8, at: { kind: 'register', number: 3 } },
      { size: 4, at: undefined },
      { size: 4, at: memory(0x7000n) },
    ],
  });
});

it.each([
  ['nothing', []],
  ['a register that nobody saved', [0x70, 0]],
  ['memory that cannot be read', [0x30, 0x06, 0x9f]],
  ['what the caller passed (entry_value)', [0xa3, 1, 0x55, 0x9f]],
  ['a pointer to what is nowhere (implicit_pointer)', [0xa0, 0, 0, 0, 0, 0]],
  ['a division by zero', [0x31, 0x30, 0x1b, 0x9f]],
  ['an operation that does not exist', [0xff]],
  ['pieces of which one is not understood', [0x53, 0x93, 8, 0xa3, 1, 0x55, 0x9f, 0x93, 8]],
])('%s has no location', (_name, bytes) => {
  expect(at(...bytes)).toBeUndefined();
});

it.each([
  ['an empty stack', [0x22]],
  ['a number that is cut off', [0x0e, 1, 2]],
  ['a loop without end', [0x2f, 0xfd, 0xff]],
  ['a jump out of itself', [0x2f, 0x7f, 0x7f]],
  ['a piece of no bytes', [0x53, 0x93, 0]],
  ['a stack without bound', [0x31, 0x12, 0x2f, 0xfc, 0xff]],
])('%s is refused', (_name, bytes) => {
  expect(() => at(...bytes)).toThrow(FormatError);
});
