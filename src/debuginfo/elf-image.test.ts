import { deflateSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { buildIdSection, compressedSection, elfImage, symbolSections } from '../../test/builders/elf-image.ts';
import { FormatError } from '../base/errors.ts';
import { ElfImage } from './elf-image.ts';
import { ImageBuffer } from './image-file.ts';

const text = { name: '.text', data: Buffer.from('some code'), flags: 6, address: 0xffffffff81000000n };
const payload = Buffer.from('debug '.repeat(500));

function open(bytes: Uint8Array): ElfImage {
  return new ElfImage(new ImageBuffer(bytes), 'vmlinux');
}

describe('ElfImage', () => {
  it('reads sections by name and by address, symbols and the build-id', () => {
    const image = open(
      elfImage([
        text,
        buildIdSection('0123456789abcdef'),
        ...symbolSections(
          [
            { name: 'schedule', value: 0xffffffff81000002n, size: 5 },
            { name: 'local', value: 0xffffffff81000003n, info: 1 },
          ],
          3,
        ),
      ]),
    );
    expect(Buffer.from(image.read('.text') ?? []).toString()).toBe('some code');
    expect(Buffer.from(image.atAddress(0xffffffff81000005n, 100)).toString()).toBe('code');
    expect(() => image.atAddress(0xffffffff82000000n, 1)).toThrow(FormatError);
    expect(image.buildId).toBe('0123456789abcdef');
    expect([...(image.symbols()?.entries() ?? [])]).toEqual([
      { name: 'schedule', address: 0xffffffff81000002n, size: 5, type: 'T' },
      { name: 'local', address: 0xffffffff81000003n, size: 0, type: 't' },
    ]);
    expect(image.read('.debug_info')).toBeUndefined();
  });

  it.each([
    ['zlib', 1, deflateSync(payload)],
    ['zstd', 2, zstdCompressSync(payload)],
  ] as const)('decompresses sections of %s', (_name, kind, packed) => {
    const image = open(elfImage([compressedSection('.debug_info', kind, packed, payload.length)]));
    expect(Buffer.compare(image.read('.debug_info') ?? new Uint8Array(0), payload)).toBe(0);
    expect(Buffer.from(image.pieces('.debug_info')?.read(6, 5) ?? []).toString()).toBe('debug');
    const wrong = open(elfImage([compressedSection('.debug_info', kind, packed, payload.length + 1)]));
    expect(() => wrong.read('.debug_info')).toThrow(/decompresses to 3000 bytes, not to 3001/);
    const bomb = open(elfImage([compressedSection('.debug_info', kind, packed, 2 ** 31 - 1)]));
    expect(() => bomb.read('.debug_info')).toThrow(FormatError);
    const unknown = open(elfImage([compressedSection('.debug_info', 9, packed, payload.length)]));
    expect(() => unknown.read('.debug_info')).toThrow(/not known/);
  });

  it('reads the sections of old GNU tools', () => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(payload.length));
    const data = Buffer.concat([Buffer.from('ZLIB'), size, deflateSync(payload)]);
    expect(open(elfImage([{ name: '.zdebug_info', data }])).read('.debug_info')?.length).toBe(payload.length);
  });

  it('reads the name of the file of debug symbols', () => {
    const data = Buffer.from('vmlinux.debug\0\0\0\x78\x56\x34\x12', 'latin1');
    expect(open(elfImage([{ name: '.gnu_debuglink', data }])).debugLink).toEqual({
      file: 'vmlinux.debug',
      crc: 0x12345678,
    });
  });

  it('refuses what is no ELF64 file', () => {
    expect(() => open(Buffer.from('KDUMP   '))).toThrow(FormatError);
    expect(() => open(new Uint8Array(0))).toThrow(FormatError);
    const small = Buffer.from(elfImage([text]));
    small[4] = 1;
    expect(() => open(small)).toThrow(/not 64-bit/);
  });

  it('ends with a typed error, whatever byte is damaged and wherever it is cut off', () => {
    const whole = Buffer.from(elfImage([text, buildIdSection('0123456789abcdef'), ...symbolSections([], 3)]));
    let refused = 0;
    const use = (bytes: Uint8Array): void => {
      try {
        const image = open(bytes);
        for (const { name } of image.sections) image.read(name);
        void image.buildId;
        void [...(image.symbols()?.entries() ?? [])];
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        refused++;
      }
    };
    for (let at = 0; at < whole.length; at++) {
      use(whole.subarray(0, at));
      for (const value of [0, 0x7f, 0xff]) {
        const damaged = Buffer.from(whole);
        damaged[at] = value;
        use(damaged);
      }
    }
    expect(refused).toBeGreaterThan(whole.length);
  });
});
