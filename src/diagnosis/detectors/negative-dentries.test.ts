import { describe, expect, it } from 'vitest';
import { memoryWith, mib } from '../../../test/builders/memory-state.ts';
import { virt } from '../../base/address.ts';
import type { Finding } from '../../model/finding.ts';
import type { Dentries } from '../facts/dentries.ts';
import negativeDentries from './negative-dentries.ts';

const MANY: Dentries = {
  total: 2_000_000,
  unused: 1_990_000,
  negative: 1_900_000,
  negativeBytes: mib(348),
  cache: { cache: virt(0xffff888100042900n), name: 'dentry', objectSize: 192, bytes: mib(366) },
};

function told(dentries: Dentries | undefined, available: number): readonly Finding[] {
  const { memory, program } = memoryWith(available);
  return negativeDentries.detector.run({ dentries, memory }, program);
}

describe('negative-dentries', () => {
  it('speaks of a third of memory, as a hint where it can be taken back', () => {
    const [finding, ...more] = told(MANY, 400);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'negative-dentries',
      role: 'cause',
      confidence: 'possible',
      details: { negative: 1_900_000, held: { value: mib(348) } },
    });
  });

  it('is surer where memory is tight', () => {
    expect(told(MANY, 50)).toMatchObject([{ confidence: 'probable' }]);
  });

  it('is silent about many dentries of files that exist, and when nothing is known', () => {
    expect(told({ ...MANY, negative: 20_000, negativeBytes: mib(4) }, 400)).toEqual([]);
    expect(told(undefined, 400)).toEqual([]);
  });
});
