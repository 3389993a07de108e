import { describe, expect, it } from 'vitest';
import { ByteView, cstring, isAllZero, textString } from './bytes.ts';
import { FormatError } from './errors.ts';

const bytes = Uint8Array.from([0x80, 0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x86, 0x41, 0x00, 0x42]);

describe('ByteView', () => {
  it('reads integers of each size in either byte order', () => {
    const little = new ByteView(bytes, 'test');
    const big = new ByteView(bytes, 'test', false);
    expect([little.u8(0), little.s8(0), little.u16(0), little.s16(0)]).toEqual([0x80, -128, 0xff80, -128]);
    expect([big.u16(0), big.s16(0), big.u32(0), big.s32(0)]).toEqual([0x80ff, -32513, 0x80ff0102, -2130771710]);
    expect([little.u32(4), little.s32(4)]).toEqual([0x86050403, -2046491645]);
    expect([little.u64(0), little.s64(0)]).toEqual([0x860504030201ff80n, -8789614686778556544n]);
    expect(big.u64(0)).toBe(0x80ff010203040586n);
  });

  it('throws FormatError outside of its bytes, and with the place', () => {
    const view = new ByteView(bytes.subarray(0, 8), 'kdump header');
    for (const read of [
      () => view.u8(8),
      () => view.u16(7),
      () => view.s32(5),
      () => view.u64(1),
      () => view.u8(-1),
      () => view.u8(Number.NaN),
      () => view.slice(4, 5),
      () => view.cstring(9, 1),
    ]) {
      expect(read).toThrow(FormatError);
    }
    expect(() => view.u32(6)).toThrow('kdump header: needs 4 bytes, has 8 (at offset 6)');
  });

  it('does not take a size that a number cannot hold', () => {
    const large = new ByteView(Uint8Array.from([0, 0, 0, 0, 0, 0, 0x20, 0]), 'test');
    expect(() => large.size64(0)).toThrow('value 9007199254740992 is too large');
    const fits = new ByteView(Uint8Array.from([255, 255, 255, 255, 255, 255, 0x1f, 0]), 'test');
    expect(fits.size64(0)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('reads strings up to their NUL, the limit, or the end', () => {
    const view = new ByteView(bytes, 'test');
    expect(view.cstring(8, 10)).toBe('A');
    expect(view.cstring(10, 10)).toBe('B');
    expect(view.cstring(0, 2)).toBe('\x80\xff');
    expect(view.slice(2, 3)).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('works on a part of a larger buffer', () => {
    expect(new ByteView(bytes.subarray(2, 6), 'test').u32(0)).toBe(0x04030201);
  });
});

describe('strings', () => {
  it('are UTF-8 where they are valid, else every byte survives', () => {
    expect(textString(Buffer.from('caf\u00e9\0junk'))).toBe('caf\u00e9');
    expect(textString(Uint8Array.from([0x63, 0xe9, 0]))).toBe('c\u00e9');
    expect(cstring(Buffer.from('caf\u00e9\0junk'))).toBe('caf\u00c3\u00a9');
    expect(cstring(new Uint8Array())).toBe('');
  });
});

describe('isAllZero', () => {
  it('sees a single bit anywhere, aligned or not', () => {
    expect(isAllZero(new Uint8Array(13))).toBe(true);
    for (let offset = 0; offset < 4; offset++) {
      for (let at = 0; at < 9; at++) {
        const part = new Uint8Array(16).subarray(offset, offset + 9);
        expect(isAllZero(part)).toBe(true);
        part[at] = 1;
        expect(isAllZero(part)).toBe(false);
      }
    }
  });

  it('looks at nothing outside of its range', () => {
    const buffer = new Uint8Array(8).fill(0xff);
    buffer.fill(0, 2, 7);
    expect(isAllZero(buffer.subarray(2, 7))).toBe(true);
  });
});
