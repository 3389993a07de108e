import { describe, expect, it } from 'vitest';
import { memoryWith, mib } from '../../../test/builders/memory-state.ts';
import { actionsOf, textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Finding } from '../../model/finding.ts';
import type { PageTableOwners } from '../facts/page-table-owners.ts';
import pageTables from './page-tables.ts';

const POSTGRES: PageTableOwners = {
  comm: 'postgres',
  processes: 150,
  bytes: mib(300),
  excess: mib(291),
  shared: mib(8),
  largest: { pid: 412, comm: 'postgres', address: virt(0xffff888100200000n) } as Task,
  largestBytes: mib(2),
};

function told(owners: readonly PageTableOwners[], available: number, whole = true): readonly Finding[] {
  const { memory, program } = memoryWith(available, { pageTables: 310 });
  return pageTables.detector.run({ tables: { owners, whole }, memory }, program);
}

describe('page-tables', () => {
  it('names who has most of the page tables', () => {
    const [finding, ...more] = told([POSTGRES], 50);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'page-tables',
      role: 'cause',
      confidence: 'certain',
      details: { comm: { value: 'postgres' }, processes: 150, held: { value: mib(310) } },
    });
  });

  it('is less sure when address spaces are missing, and says at least', () => {
    const [finding] = told([POSTGRES], 50, false);
    expect(finding).toMatchObject({ confidence: 'probable' });
    expect(textOf(finding?.title ?? [])).toMatch(/at least/);
  });

  it('is only context where memory is left', () => {
    expect(told([POSTGRES], 500)).toMatchObject([{ role: 'context' }]);
  });

  it('advises huge pages only where there is memory for them', () => {
    // 2 MiB of tables cover at most 496 huge pages.
    expect(actionsOf(told([POSTGRES], 50)[0])).toEqual([
      expect.stringMatching(
        /^Let fewer processes of postgres .* no way out: they would take up to 1040187392, which is what the page tables of postgres \(pid \d+\) span\.$/,
      ),
    ]);
    const [dense] = told([{ ...POSTGRES, shared: mib(900) }], 50);
    expect(actionsOf(dense)).toEqual([expect.stringMatching(/^Map the shared memory of postgres with huge pages/)]);
    expect(textOf(dense?.remedies[0]?.verify)).toMatch(/up to 1040187392 can be set aside/);
    expect(actionsOf(told([{ ...POSTGRES, shared: undefined }], 50)[0])).toEqual([expect.stringMatching(/no way out/)]);
  });

  it('is silent about what many small processes have, and where nobody could be read', () => {
    expect(told([{ ...POSTGRES, comm: 'sh', processes: 5000, excess: mib(20) }], 50)).toEqual([]);
    expect(told([], 50)).toEqual([]);
  });
});
