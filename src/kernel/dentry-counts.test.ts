import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { dentryCounts } from './dentry-counts.ts';

/** Two CPUs, of which the second has freed what the first made. */
function counted(negative: readonly [number, number]): KernelImage {
  const image = new KernelImage();
  image.cpus(2);
  image.perCpu('nr_dentry', 'long', [1500, -500]);
  image.perCpu('nr_dentry_unused', 'long', [1000, -100]);
  image.perCpu('nr_dentry_negative', 'long', negative);
  return image;
}

describe('dentryCounts', () => {
  it('are the sums over all CPUs, of which one may be negative', () => {
    expect(dentryCounts(programOfImage(counted([1200, -450])))).toEqual({ total: 1000, unused: 900, negative: 750 });
  });

  it('must not contradict each other', () => {
    expect(() => dentryCounts(programOfImage(counted([1200, 0])))).toThrow(ValidationError);
  });

  it('are not known before 5.0', () => {
    const image = new KernelImage();
    image.cpus(1);
    image.perCpu('nr_dentry', 'long', [10]);
    image.perCpu('nr_dentry_unused', 'long', [5]);
    expect(() => dentryCounts(programOfImage(image))).toThrow(LookupError);
  });
});
