import { describe, expect, it } from 'vitest';
import { programOfImage } from '../../../test/builders/program.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import lockPileup from './lock-pileup.ts';

describe('lock-pileup', () => {
  it('applies to every dump that has types', () => {
    expect(lockPileup.appliesTo(programOfImage(new KernelImage()))).toBe(true);
  });
});
