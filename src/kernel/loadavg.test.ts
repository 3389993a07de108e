import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError } from '../base/errors.ts';
import { loadAverages } from './loadavg.ts';

describe('loadAverages', () => {
  it('reads fixed point with 11 bits', () => {
    const image = new KernelImage();
    image.global('avenrun', 'unsigned long[3]', [2048, 1024, 2048 * 748 + 512]);
    expect(loadAverages(programOfImage(image))).toEqual([1, 0.5, 748.25]);
  });

  it('throws where there are none', () => {
    expect(() => loadAverages(programOfImage(new KernelImage()))).toThrow(LookupError);
  });
});
