import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  add,
  alignDown,
  clearBits,
  compare,
  contains,
  diff,
  distance,
  hasBits,
  hex,
  isAligned,
  isKernel,
  pageNumber,
  pageOffset,
  parseAddress,
  pfn,
  phys,
  physOfPfn,
  sub,
  virt,
  within,
} from './address.ts';

const top = virt(0xffff_ffff_ffff_fff8n);

describe('arithmetic', () => {
  it('wraps at 64 bits', () => {
    expect(virt(-1n)).toBe(0xffff_ffff_ffff_ffffn);
    expect(phys(1n << 64n)).toBe(0n);
    expect(add(top, 16)).toBe(8n);
    expect(add(virt(0n), -8)).toBe(top);
    expect(sub(virt(8n), 16n)).toBe(top);
  });

  it('measures distances with their sign', () => {
    expect(diff(virt(8n), top)).toBe(8n - 0xffff_ffff_ffff_fff8n);
    expect(distance(virt(0x1000n), virt(0x1800n))).toBe(-0x800);
    expect(compare(virt(1n), virt(2n))).toBe(-1);
    expect(compare(virt(2n), virt(2n))).toBe(0);
    expect(compare(top, virt(2n))).toBe(1);
  });

  it('undoes itself', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 64n) - 1n), fc.integer(), (raw, bytes) => {
        expect(sub(add(virt(raw), bytes), bytes)).toBe(raw);
      }),
    );
  });
});

describe('ranges', () => {
  it('begin with their start and end before their end', () => {
    expect([-1, 0, 15, 16].map((at) => contains(virt(0x1000n), 16, virt(0x1000n + BigInt(at))))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect([0xfffn, 0x1000n, 0x100fn, 0x1010n].map((at) => within(virt(0x1000n), virt(0x1010n), virt(at)))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('contain what lies at the end of the address space', () => {
    expect(contains(top, 8, virt(0xffff_ffff_ffff_ffffn))).toBe(true);
    expect(contains(top, 8, virt(0n))).toBe(false);
  });
});

describe('bits', () => {
  it('are cleared, asked for and aligned by', () => {
    expect(clearBits(virt(0xffff_8880_0000_1007n), 7n)).toBe(0xffff_8880_0000_1000n);
    expect(hasBits(virt(6n), 1n)).toBe(false);
    expect(hasBits(virt(6n), 2n)).toBe(true);
    expect(alignDown(virt(0x1fffn), 4096)).toBe(0x1000n);
    expect(isAligned(virt(0x1008n), 8)).toBe(true);
    expect(isAligned(virt(0x1004n), 8)).toBe(false);
  });

  it('tell the half of the kernel also with 5-level page tables', () => {
    expect(isKernel(virt(0xffff_8880_0000_0000n))).toBe(true);
    expect(isKernel(virt(0xff11_0000_0000_0000n))).toBe(true);
    expect(isKernel(virt(0x00ff_ffff_ffff_ffffn))).toBe(false);
    expect(isKernel(virt(0xfeff_ffff_ffff_ffffn))).toBe(false);
    expect(isKernel(virt(0n))).toBe(false);
  });

  it('split an address into its page and the place in it', () => {
    expect(pageNumber(virt(0xffff_ffff_ffff_f123n), 12)).toBe(2 ** 52 - 1);
    expect(pageOffset(virt(0xffff_ffff_ffff_f123n), 4096)).toBe(0x123);
    expect(pageOffset(virt(0xffff_ffff_ffff_f123n), 65536)).toBe(0xf123);
    expect(physOfPfn(pfn(2 ** 40), 4096)).toBe(1n << 52n);
  });
});

describe('text', () => {
  it('has 16 digits and is read back', () => {
    expect(hex(virt(0xabcn))).toBe('0x0000000000000abc');
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 64n) - 1n), (raw) => {
        expect(parseAddress(hex(raw))).toBe(raw);
      }),
    );
  });

  it('is an address only when all of it is hex of at most 64 bits', () => {
    expect(parseAddress(' FFFF8880 ')).toBe(0xffff8880n);
    expect(parseAddress('0Xff')).toBe(0xffn);
    for (const text of ['', '0x', 'xyz', '-1', '1 2', '0x10000000000000000', 'init_task']) {
      expect(parseAddress(text)).toBeUndefined();
    }
  });
});
