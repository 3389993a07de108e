/**
 * Every task in uninterruptible sleep, grouped by the lock that it waits for.
 *
 *     node examples/blocked-tasks.ts VMCORE
 */
import {
  attempt,
  escapeText,
  findLockWait,
  inodeOfLock,
  type LockWait,
  openProgram,
  pathOfInode,
  readTasks,
  type Task,
  taskStack,
} from 'kwhy';

const [path = 'samples/hung-6.1.vmcore'] = process.argv.slice(2);
const program = openProgram(path);
const { tasks, problems } = readTasks(program);
const isTask = new Set<bigint>(tasks.map((task) => task.address));

/** By address of the lock; 0n for those that wait for no lock. */
const waiting = new Map<bigint, { readonly task: Task; readonly wait: LockWait | undefined; readonly in: string }[]>();
for (const task of tasks) {
  if (!task.state.uninterruptible) continue;
  const { frames } = taskStack(program, task);
  // What the dump does not hold is undefined here; a bug would still be thrown.
  const wait = attempt(() => findLockWait(program, task, frames, (address) => isTask.has(address)));
  const place = frames.find(({ symbol }) => !/schedule/.test(symbol?.name ?? ''))?.symbol?.name ?? 'unknown';
  const key = wait?.lock ?? 0n;
  waiting.set(key, [...(waiting.get(key) ?? []), { task, wait, in: place }]);
}

for (const [lock, waiters] of [...waiting].sort(([, a], [, b]) => b.length - a.length)) {
  console.log(
    `${waiters.length} tasks wait for ${describe(waiters[0]?.wait)}${lock === 0n ? '' : ` at 0x${lock.toString(16)}`}`,
  );
  for (const { task, wait, in: place } of waiters) {
    console.log(
      `  ${String(task.pid).padStart(6)} ${escapeText(task.comm).padEnd(16)} ${(wait?.waiter.mode ?? '').padEnd(6)}in ${place}`,
    );
  }
}
for (const problem of problems) console.error(`not all tasks could be read: ${problem}`);
program.close();

/** 'the rw_semaphore of /data', 'a mutex', 'no lock'. */
function describe(wait: LockWait | undefined): string {
  if (wait === undefined) return 'no lock';
  const locked = inodeOfLock(program, wait.lock);
  if (locked === undefined) return `a ${wait.kind}`;
  const path = attempt(() => pathOfInode(program, locked.inode));
  return `the ${wait.kind} of ${path === undefined ? 'a file without a name' : escapeText(path.text)}`;
}
