/**
 * Resident memory of the processes, each address space once, summed by command name. Memory that several processes map
 * counts in each of them: the sum is an upper bound, and is called that.
 */
import { attempt } from '../../base/errors.ts';
import { rssReader } from '../../kernel/mm.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { tasksFact } from './tasks.ts';

export interface RssGroup {
  readonly comm: string;
  /** Address spaces. */
  readonly processes: number;
  readonly bytes: number;
  /** Bytes in swap, not resident. */
  readonly swap: number;
  readonly largest: Task;
  /** Of the largest alone. */
  readonly largestBytes: number;
}

export interface RssTable {
  /** Largest first. */
  readonly groups: readonly RssGroup[];
  /** Sum over all address spaces, shared memory counted in each. */
  readonly total: number;
  /** False when a process is missing, or its numbers: then there may be a larger one. */
  readonly whole: boolean;
  /** The same sum over the address spaces of some tasks, each once. */
  of(tasks: readonly Task[]): number;
  /** Of `of`, the bytes of anonymous memory: what comes back when these tasks end, but for pages that a fork shares. */
  anonOf(tasks: readonly Task[]): number;
}

export const rssFact = defineFact<RssTable>({
  id: 'rss',
  derive({ program, use, budget, cover }) {
    const byMm = new Map<bigint, Task[]>();
    const table = use(tasksFact);
    for (const task of table.tasks) {
      if (task.mm === undefined || task.kthread) continue;
      const users = byMm.get(task.mm);
      if (users === undefined) byMm.set(task.mm, [task]);
      else users.push(task);
    }
    const groups = new Map<string, { -readonly [K in keyof RssGroup]: RssGroup[K] }>();
    const sizes = new Map<bigint, number>();
    const anon = new Map<bigint, number>();
    let total = 0;
    let read = 0;
    const rssOf = rssReader(program);
    for (const users of byMm.values()) {
      budget.check();
      const [first] = users;
      const mm = first?.mm;
      if (first === undefined || mm === undefined) continue;
      const rss = attempt(() =>
        rssOf(
          mm,
          users.map((user) => user.address),
        ),
      );
      if (rss === undefined) continue;
      read++;
      const bytes = rss.total * program.pageSize;
      sizes.set(mm, bytes);
      anon.set(mm, rss.anon * program.pageSize);
      total += bytes;
      const leader = users.find((user) => user.pid === user.tgid) ?? first;
      const group = groups.get(leader.comm) ?? {
        comm: leader.comm,
        processes: 0,
        bytes: 0,
        swap: 0,
        largest: leader,
        largestBytes: -1,
      };
      group.processes++;
      group.bytes += bytes;
      group.swap += rss.swap * program.pageSize;
      if (bytes > group.largestBytes) Object.assign(group, { largestBytes: bytes, largest: leader });
      groups.set(leader.comm, group);
    }
    const missing = read < byMm.size ? ['rss_stat of an address space cannot be read'] : [];
    cover({ what: 'address spaces', read, total: byMm.size, missing });
    return {
      groups: [...groups.values()].sort((a, b) => b.bytes - a.bytes),
      total,
      whole: read === byMm.size && table.complete,
      of: (tasks) => sumOf(tasks, sizes),
      anonOf: (tasks) => sumOf(tasks, anon),
    };
  },
});

function sumOf(tasks: readonly Task[], bytes: ReadonlyMap<bigint, number>): number {
  const spaces = new Set(tasks.map((task) => task.mm));
  return [...spaces].reduce((sum, mm) => sum + (mm === undefined ? 0 : (bytes.get(mm) ?? 0)), 0);
}
