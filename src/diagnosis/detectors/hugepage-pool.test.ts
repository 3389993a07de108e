import { describe, expect, it } from 'vitest';
import { memoryWith, mib } from '../../../test/builders/memory-state.ts';
import { virt } from '../../base/address.ts';
import type { HugePagePool } from '../../kernel/hugetlb.ts';
import type { Finding } from '../../model/finding.ts';
import hugepagePool from './hugepage-pool.ts';

const POOL: HugePagePool = {
  hstate: virt(0xffffffff83001000n),
  name: 'hugepages-2048kB',
  size: mib(2),
  total: 200,
  free: 180,
  reserved: 10,
  surplus: 0,
};

function told(pools: readonly HugePagePool[], available: number): readonly Finding[] {
  const { memory, program } = memoryWith(available);
  const idle = pools.reduce((sum, { free, reserved, size }) => sum + (free - reserved) * size, 0);
  const total = pools.reduce((sum, pool) => sum + pool.total * pool.size, 0);
  return hugepagePool.detector.run({ huge: { pools, idle, total }, memory }, program);
}

describe('hugepage-pool', () => {
  it('speaks of a pool with a third of memory idle while memory is short', () => {
    const [finding, ...more] = told([POOL], 20);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'hugepage-pool',
      role: 'cause',
      confidence: 'certain',
      details: { pages: 200, free: 180, reserved: 10, idle: { value: mib(340) }, resource: { value: POOL.hstate } },
    });
  });

  it('is less sure where memory is only tight', () => {
    expect(told([POOL], 60)).toMatchObject([{ confidence: 'probable' }]);
  });

  it('is silent about a pool that is used or promised, a small one, and where memory is left', () => {
    expect(told([{ ...POOL, free: 20 }], 20)).toEqual([]);
    expect(told([{ ...POOL, reserved: 150 }], 20)).toEqual([]);
    expect(told([{ ...POOL, total: 60, free: 60 }], 20)).toEqual([]);
    expect(told([POOL], 300)).toEqual([]);
    expect(told([], 20)).toEqual([]);
  });

  it('claims nothing when the pools cannot be read', () => {
    const { memory, program } = memoryWith(20);
    expect(hugepagePool.detector.run({ huge: undefined, memory }, program)).toEqual([]);
  });
});
