/**
 * Page tables of processes, by command name. Looked for where the counter says that they hold a good part of memory; what
 * every process has is left out, so that many small ones are no owners of them.
 */
import { attempt } from '../../base/errors.ts';
import { pageTableBytes, rssOf } from '../../kernel/mm.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { memoryFact } from './memory.ts';
import { tasksFact } from './tasks.ts';
import { PAGE_TABLE_BASE, PAGE_TABLE_SHARE } from './thresholds.ts';

export interface PageTableOwners {
  readonly comm: string;
  /** Address spaces. */
  readonly processes: number;
  /** Bytes of their page tables. */
  readonly bytes: number;
  /** Of these what is beyond PAGE_TABLE_BASE of each. */
  readonly excess: number;
  /** Resident bytes of shared memory of the largest; undefined when it is not known. */
  readonly shared: number | undefined;
  readonly largest: Task;
  readonly largestBytes: number;
}

export interface PageTables {
  /** Largest first; empty where page tables are a small part of memory. */
  readonly owners: readonly PageTableOwners[];
  /** False when an address space could not be read. */
  readonly whole: boolean;
}

export const pageTableOwnersFact = defineFact<PageTables>({
  id: 'page-table-owners',
  derive({ program, use, budget, cover }) {
    const { memTotal, pageTables } = use(memoryFact).info;
    if (memTotal.value === undefined || pageTables.value === undefined) return { owners: [], whole: true };
    if (pageTables.value < memTotal.value * PAGE_TABLE_SHARE) return { owners: [], whole: true };
    const table = use(tasksFact);
    const seen = new Set<bigint>();
    const groups = new Map<string, { -readonly [K in keyof PageTableOwners]: PageTableOwners[K] }>();
    let read = 0;
    for (const task of table.tasks) {
      budget.check();
      const { mm } = task;
      if (mm === undefined || task.kthread || seen.has(mm)) continue;
      seen.add(mm);
      const bytes = attempt(() => pageTableBytes(program, mm));
      if (bytes === undefined) continue;
      read++;
      const empty = { comm: task.comm, processes: 0, bytes: 0, excess: 0, shared: undefined, largest: task };
      const group = groups.get(task.comm) ?? { ...empty, largestBytes: -1 };
      groups.set(task.comm, group);
      group.processes++;
      group.bytes += bytes;
      group.excess += Math.max(0, bytes - PAGE_TABLE_BASE);
      if (bytes > group.largestBytes) Object.assign(group, { largest: task, largestBytes: bytes });
    }
    cover({
      what: 'address spaces with page tables',
      read,
      total: seen.size,
      missing: read < seen.size ? ['a mm_struct cannot be read'] : [],
    });
    const owners = [...groups.values()].sort((a, b) => b.excess - a.excess);
    for (const owner of owners.slice(0, 1)) {
      const { mm, address } = owner.largest;
      const shmem = mm === undefined ? undefined : attempt(() => rssOf(program, mm, [address]).shmem);
      if (shmem !== undefined) owner.shared = shmem * program.pageSize;
    }
    return { owners, whole: read === seen.size && table.complete };
  },
});
