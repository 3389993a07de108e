/**
 * Resident memory by container: of each cgroup that accounts memory, its processes and what they hold, in KiB. An address
 * space counts once, for the cgroup of its first process; pages that several share count for each, as in RSS.
 *
 *     node examples/memory-by-container.ts VMCORE
 */
import { attempt, cgroupPath, escapeText, openProgram, readTasks, rssOf, type Task, taskCgroup } from 'kwhy';

const [path = 'samples/hung-6.1.vmcore'] = process.argv.slice(2);
const program = openProgram(path);

/** All tasks of an address space (`struct mm_struct`). */
const byMm = new Map<NonNullable<Task['mm']>, Task[]>();
for (const task of readTasks(program).tasks) {
  if (task.mm === undefined || task.kthread) continue;
  byMm.set(task.mm, [...(byMm.get(task.mm) ?? []), task]);
}

/** By path of the cgroup. */
const sums = new Map<string, { processes: number; total: number; anon: number; swap: number }>();
let unknown = 0;
for (const [mm, tasks] of byMm) {
  const [first] = tasks;
  const addresses = tasks.map(({ address }) => address);
  const rss = attempt(() => rssOf(program, mm, addresses));
  const cgroup = first === undefined ? undefined : attempt(() => taskCgroup(program, first.address, 'memory'));
  const container = cgroup === undefined ? undefined : attempt(() => cgroupPath(program, cgroup));
  if (rss === undefined || container === undefined) {
    unknown++;
    continue;
  }
  const sum = sums.get(container) ?? { processes: 0, total: 0, anon: 0, swap: 0 };
  sum.processes++;
  sum.total += rss.total;
  sum.anon += rss.anon;
  sum.swap += rss.swap;
  sums.set(container, sum);
}

/** Counters of memory are in pages. */
const kib = (pages: number): string => String((pages * program.pageSize) / 1024).padStart(10);
console.log('       RSS      anon      swap processes container');
for (const [container, sum] of [...sums].sort(([, a], [, b]) => b.total - a.total)) {
  const columns = [sum.total, sum.anon, sum.swap].map(kib).join('');
  console.log(`${columns} ${String(sum.processes).padStart(9)} ${escapeText(container)}`);
}
if (unknown > 0) console.error(`of ${unknown} processes the memory or the container cannot be read`);
program.close();
