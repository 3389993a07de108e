/**
 * Memory of each task as `ps` shows it: the size of its address space and its resident pages, read once for each address
 * space. Tasks that share one show the same numbers.
 */
import type { VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { rssOf } from '../kernel/mm.ts';
import type { Task } from '../kernel/sched.ts';
import { zones } from '../kernel/zone.ts';
import { defineFact } from '../model/diagnosis.ts';
import type { Program } from '../program/program.ts';

export interface TaskMemory {
  /** Bytes; undefined when they cannot be read. */
  readonly virtual: number | undefined;
  readonly resident: number | undefined;
}

const NONE: TaskMemory = { virtual: 0, resident: 0 };

export interface TaskMemoryTable {
  /** Kernel threads and exited tasks have none. */
  of(task: Task): TaskMemory;
  /** Bytes of physical memory, what is reserved for a crash kernel included; undefined when it is not known. */
  readonly physical: number | undefined;
}

export const taskMemoryFact = defineFact<TaskMemoryTable>({
  id: 'task-memory',
  derive({ program, use, budget, cover }) {
    const users = new Map<VirtAddr, VirtAddr[]>();
    for (const { mm, kthread, address } of use(tasksFact).tasks) {
      if (mm === undefined || kthread) continue;
      const known = users.get(mm);
      if (known === undefined) users.set(mm, [address]);
      else known.push(address);
    }
    const totalVm = program.tryField('struct mm_struct', 'total_vm');
    const sizes = new Map<VirtAddr, TaskMemory>();
    let read = 0;
    for (const [mm, tasks] of users) {
      budget.check();
      const resident = attempt(() => rssOf(program, mm, tasks).total * program.pageSize);
      const pages = totalVm === undefined ? undefined : attempt(() => totalVm.number(mm));
      if (resident !== undefined) read++;
      sizes.set(mm, { virtual: pages === undefined ? undefined : pages * program.pageSize, resident });
    }
    cover({ what: 'address spaces', read, total: users.size, missing: [] });
    return {
      of: ({ mm, kthread }) => (mm === undefined || kthread ? NONE : (sizes.get(mm) ?? NONE)),
      physical: physicalBytes(program),
    };
  },
});

/** As `TaskMemoryTable.physical`, for who wants nothing else: the memory of all zones, `struct zone`. */
export function physicalBytes(program: Program): number | undefined {
  const present = attempt(() => zones(program).reduce((sum, zone) => sum + zone.present, 0));
  return present === undefined || present === 0 ? undefined : present * program.pageSize;
}
