import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CoreStore } from '../../../test/builders/core-store.ts';
import { contextOf } from '../../../test/builders/facts.ts';
import { programOf } from '../../program/open.ts';
import { pageTableOwnersFact } from './page-table-owners.ts';
import { sysvShmFact } from './sysv-shm.ts';
import { uncountedFact } from './uncounted.ts';
import { vmallocCallersFact } from './vmalloc-callers.ts';

const cores = new CoreStore(join(import.meta.dirname, '../../../test/cores'));

/** Memory is nearly used up in these by other things: slab, processes, files of a tmpfs. */
describe.each([
  '02-mutex-holder-in-reclaim-6.1',
  '05-deleted-tmpfs-6.1',
  '06-kmalloc-leak-module-6.1',
  '10-sysrq-healthy-6.1',
])('of %s', (name) => {
  const context = contextOf(programOf(cores.open(name)));

  it('the counters account for memory: no page structure is looked at', () => {
    expect(context.use(uncountedFact)).toBeUndefined();
    expect(context.coverage.some(({ what }) => what === 'page structures')).toBe(false);
  });

  it('neither vmalloc, page tables nor unattached segments are large', () => {
    expect(context.use(vmallocCallersFact)).toEqual({ callers: [], whole: true });
    expect(context.use(pageTableOwnersFact)).toEqual({ owners: [], whole: true });
    expect(context.use(sysvShmFact)).toMatchObject({ unattached: [], idle: 0 });
  });
});
