/**
 * Resident memory of each process, the largest first, in KiB: anonymous, mapped files, shared memory, swap.
 *
 *     node examples/memory-by-process.ts VMCORE [HOW MANY]
 */
import { attempt, escapeText, openProgram, readTasks, rssOf, type Task } from 'kwhy';

const [path = 'samples/hung-6.1.vmcore', most = '10'] = process.argv.slice(2);
const program = openProgram(path);

/** All threads of a process, and what vfork() has not parted yet, share one address space (`struct mm_struct`). */
const byMm = new Map<Task['mm'], Task[]>();
for (const task of readTasks(program).tasks) {
  if (task.mm === undefined || task.kthread) continue;
  byMm.set(task.mm, [...(byMm.get(task.mm) ?? []), task]);
}

const rows = [...byMm].flatMap(([mm, tasks]) => {
  const rss =
    mm === undefined
      ? undefined
      : attempt(() =>
          rssOf(
            program,
            mm,
            tasks.map((task) => task.address),
          ),
        );
  const leader = tasks.find((task) => task.pid === task.tgid) ?? tasks[0];
  return rss === undefined || leader === undefined ? [] : [{ leader, threads: tasks.length, rss }];
});
rows.sort((a, b) => b.rss.total - a.rss.total || a.leader.pid - b.leader.pid);

/** Counters of memory are in pages. */
const kib = (pages: number): string => String((pages * program.pageSize) / 1024).padStart(10);
console.log('       RSS      anon      file    shared      swap    pid threads name');
for (const { leader, threads, rss } of rows.slice(0, Number(most))) {
  const columns = [rss.total, rss.anon, rss.file, rss.shmem ?? 0, rss.swap].map(kib).join('');
  console.log(`${columns} ${String(leader.pid).padStart(6)} ${String(threads).padStart(7)} ${escapeText(leader.comm)}`);
}
if (rows.length < byMm.size) console.error(`of ${byMm.size - rows.length} processes the counters cannot be read`);
program.close();
