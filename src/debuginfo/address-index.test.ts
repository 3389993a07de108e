import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { virt } from '../base/address.ts';
import { AddressIndex, addressOf, signedOf } from './address-index.ts';

const BASE = 0xffffffff81000000n;
const index = (...addresses: bigint[]) => new AddressIndex(Float64Array.from(addresses, signedOf));

describe('signedOf', () => {
  test.each([0n, 1n, 0x34000n, BASE, 0xffffffffffffffffn, 0xffff800080000000n])('%x comes back exactly', (address) => {
    expect(addressOf(signedOf(address))).toBe(address);
  });
  test('an address that a double cannot hold is no address', () => {
    expect(signedOf(0xff11000000000001n)).toBe(0);
  });
});

describe('AddressIndex', () => {
  test('the last symbol at or below an address covers it', () => {
    const sorted = index(BASE, BASE + 16n, BASE + 48n);
    expect(sorted.find(virt(BASE - 1n))).toBeUndefined();
    expect(sorted.find(virt(BASE))).toBe(0);
    expect(sorted.find(virt(BASE + 15n))).toBe(0);
    expect(sorted.find(virt(BASE + 16n))).toBe(1);
    expect([0, 1, 2].map((symbol) => sorted.size(symbol))).toEqual([16, 32, 0]);
  });

  test('of several symbols at one address the first in table order is found', () => {
    const aliases = index(BASE, BASE + 16n, BASE + 16n, BASE + 16n, BASE + 32n);
    expect(aliases.find(virt(BASE + 20n))).toBe(1);
    expect([1, 2, 3].map((symbol) => aliases.size(symbol))).toEqual([16, 16, 16]);
    const unsorted = index(BASE + 32n, BASE + 16n, BASE + 16n, BASE);
    expect(unsorted.find(virt(BASE + 20n))).toBe(1);
  });

  test('nothing covers what lies 64 KiB behind a symbol, nor what lies behind the last one', () => {
    const far = index(BASE, BASE + 0x200000n);
    expect(far.size(0)).toBe(0x10000);
    expect(far.find(virt(BASE + 0xffffn))).toBe(0);
    expect(far.find(virt(BASE + 0x10000n))).toBeUndefined();
    expect(far.find(virt(BASE + 0x200000n))).toBe(1);
    expect(far.find(virt(BASE + 0x200001n))).toBeUndefined();
  });

  test('per-CPU offsets are no addresses, but have sizes and come first', () => {
    const mixed = index(0n, 0x1000n, 0x1000n, 0x1010n, BASE, BASE + 8n);
    expect(mixed.find(virt(0x1004n))).toBeUndefined();
    expect(mixed.find(virt(0n))).toBeUndefined();
    expect(mixed.find(virt(BASE + 4n))).toBe(4);
    expect([0, 1, 2, 3].map((symbol) => mixed.size(symbol))).toEqual([0x1000, 16, 16, 0]);
    expect([...index(BASE, 5n, BASE - 1n, 3n).inOrder()]).toEqual([3, 1, 2, 0]);
  });

  test('agrees with a plain search', () => {
    const offsets = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(offsets, fc.integer({ min: -5, max: 310 }), (values, wanted) => {
        const built = index(...values.map((value) => BASE + BigInt(value)));
        const found = built.find(virt(BASE + BigInt(wanted)));
        const below = values.filter((value) => value <= wanted);
        const best = Math.max(...below);
        const isLast = best === Math.max(...values);
        const expected = below.length === 0 || (isLast && wanted !== best) ? undefined : values.indexOf(best);
        expect(found).toBe(expected);
        const order = [...built.inOrder()].map((symbol) => values[symbol] ?? 0);
        expect(order).toEqual([...values].sort((a, b) => a - b));
      }),
    );
  });
});
