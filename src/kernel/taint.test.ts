import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError } from '../base/errors.ts';
import { taint } from './taint.ts';

function tainted(mask: bigint): KernelImage {
  const image = new KernelImage();
  image.global('tainted_mask', 'unsigned long', mask);
  return image;
}

describe('taint', () => {
  it('names the bits', () => {
    const found = taint(programOfImage(tainted((1n << 9n) | (1n << 12n) | (1n << 14n))));
    expect(found.letters).toBe('WOL');
    expect(found.flags[0]).toEqual({ bit: 9, letter: 'W', meaning: 'the kernel gave a warning' });
    expect(taint(programOfImage(tainted(0n)))).toEqual({ mask: 0n, letters: '', flags: [] });
  });

  it("prefers the kernel's own letters, and shows what nobody knows as ?", () => {
    const image = tainted((1n << 1n) | (1n << 9n) | (1n << 27n) | (1n << 63n));
    image.struct('taint_flag', { c_true: 'char', c_false: 'char', module: 'bool' });
    const flags = Array.from({ length: 28 }, () => ({}));
    flags[1] = { c_true: 0x46 };
    flags[27] = { c_true: 0x5a };
    image.global('taint_flags', 'struct taint_flag[28]', flags);
    image.enum(undefined, { TAINT_FLAGS_COUNT: 28 });
    const found = taint(programOfImage(image));
    expect(found.letters).toBe('FWZ?');
    expect(found.flags.at(-1)).toEqual({ bit: 63, letter: '?', meaning: undefined });
  });

  it('throws where the mask is not to be found', () => {
    expect(() => taint(programOfImage(new KernelImage()))).toThrow(LookupError);
  });
});
