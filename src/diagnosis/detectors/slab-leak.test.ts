import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { textOf } from '../../../test/builders/text.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { virt } from '../../base/address.ts';
import { bytes } from '../../base/units.ts';
import type { SlabUsage } from '../../kernel/slab-usage.ts';
import type { Finding } from '../../model/finding.ts';
import { memoryFact } from '../facts/memory.ts';
import type { TaskTable } from '../facts/tasks.ts';
import slabLeak from './slab-leak.ts';

const MIB = 2 ** 20;

const usage = (name: string, mib: number): SlabUsage => ({
  cache: virt(0xffff888100042900n),
  name,
  objectSize: 192,
  bytes: mib * MIB,
});

const NO_TASKS: TaskTable = {
  tasks: [],
  read: 0,
  total: 0,
  complete: true,
  byAddress: new Map(),
  isTask: () => false,
  parentOf: () => undefined,
};

/** On a machine of 1000 MiB. @param read - tasks */
function told(
  caches: readonly SlabUsage[],
  reclaimableMib: number | undefined,
  read = 100,
  foreign: readonly string[] = [],
): readonly Finding[] {
  const program = programOfImage(new KernelImage());
  const memory = contextOf(program).use(memoryFact);
  const known = (mib: number | undefined) => ({
    value: mib === undefined ? undefined : bytes(mib * MIB),
    source: 'test',
    problem: undefined,
  });
  const info = { ...memory.info, memTotal: known(1000), sReclaimable: known(reclaimableMib) };
  return slabLeak.detector.run(
    { memory: { ...memory, info }, slabs: caches, tasks: { ...NO_TASKS, read }, foreign },
    program,
  );
}

describe('slab-leak', () => {
  it('speaks of a cache that holds a fifth of memory and cannot be reclaimed, as probable', () => {
    const [finding] = told([usage('kmalloc-192', 228), usage('dentry', 2)], 10);
    expect(finding).toMatchObject({
      cause: 'slab-leak',
      role: 'cause',
      confidence: 'probable',
      details: { resource: { value: 0xffff888100042900n }, cache: { value: 'kmalloc-192' } },
    });
  });

  it('names what is no part of the kernel as the first to look at, and nobody as guilty', () => {
    const [finding] = told([usage('kmalloc-192', 228)], 10, 100, ['a', 'b', 'c', 'd', 'leaky']);
    const held = finding?.story.find(({ topic }) => topic === 'holder')?.text ?? [];
    expect(textOf(held)).toMatch(/not recorded.* module a, b, c, d and 1 more\.$/);
    expect(finding?.details['culprit']).toBeUndefined();
    const [nobody] = told([usage('kmalloc-192', 228)], 10);
    expect(textOf(nobody?.story.find(({ topic }) => topic === 'holder')?.text ?? [])).toBe(
      'Who allocated it is not recorded.',
    );
  });

  it('is silent about caches that the kernel can shrink, however large', () => {
    expect(told([usage('dentry', 400)], 420)).toEqual([]);
  });

  it('is silent about descriptors of tasks that are there, and speaks of the next', () => {
    const tasks = { ...usage('task_struct', 250), objectSize: 8192 };
    expect(told([tasks], 10, 30_000)).toEqual([]);
    expect(told([tasks, usage('kmalloc-192', 228)], 10, 30_000)).toMatchObject([
      { details: { cache: { value: 'kmalloc-192' } } },
    ]);
    // Of tasks that are gone.
    expect(told([tasks], 10, 200)).toMatchObject([{ cause: 'slab-leak' }]);
  });

  it('is silent below a fifth', () => {
    expect(told([usage('kmalloc-192', 199)], 10)).toEqual([]);
  });

  it('claims nothing when the counters or the caches cannot be read', () => {
    expect(told([usage('kmalloc-192', 500)], undefined)).toEqual([]);
    expect(told([], 10)).toEqual([]);
  });
});
