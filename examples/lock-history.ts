/**
 * What happened around a lock, in the order of time: when each of its waiters went to sleep, and what the kernel's log says
 * of them and of the task that holds it (hung tasks, stacks, what they printed themselves).
 *
 *     node examples/lock-history.ts VMCORE LOCK
 */
import {
  address,
  attempt,
  escapeText,
  findLockWait,
  openProgram,
  readLog,
  readTasks,
  rwsemState,
  type Task,
  taskStack,
} from 'kwhy';

const [path = 'samples/hung-6.1.vmcore', text = '0xffff88899fd6d080'] = process.argv.slice(2);
const lock = address.parseAddress(text);
const program = openProgram(path);
const { tasks } = readTasks(program);
const isTask = new Set<bigint>(tasks.map((task) => task.address));

interface Moment {
  /** Since boot, nanoseconds. */
  readonly time: bigint;
  readonly text: string;
}
const history: Moment[] = [];
/** Those who wait for the lock, and who holds it. */
const concerned: Task[] = [];

for (const task of tasks) {
  if (!task.state.uninterruptible) continue;
  const { frames } = taskStack(program, task);
  const wait = attempt(() => findLockWait(program, task, frames, (at) => isTask.has(at)));
  if (wait === undefined || wait.lock !== lock) continue;
  concerned.push(task);
  // The last time that it got a CPU: soon after that it went to sleep.
  const since = task.schedInfo?.lastArrival;
  if (since !== undefined)
    history.push({
      time: since,
      text: `${escapeText(task.comm)}:${task.pid} waits for it (${wait.waiter.mode ?? wait.kind})`,
    });
}

const holder = lock === undefined ? undefined : attempt(() => rwsemState(program, lock).owner);
const owner = tasks.find((task) => task.address === holder);
if (owner !== undefined) {
  concerned.push(owner);
  const since = owner.schedInfo?.lastArrival;
  if (since !== undefined)
    history.push({ time: since, text: `${escapeText(owner.comm)}:${owner.pid}, its owner, ran for the last time` });
}

// 'INFO: task top:106 blocked for more than 120 seconds.', 'CPU: 0 PID: 106 Comm: top', or printed by the task itself.
const names = concerned.flatMap(({ comm, pid }) => [`${comm}:${pid} `, `PID: ${pid} `, `pid:${pid} `]);
const pids = new Set(concerned.map(({ pid }) => pid));
for (const { timeNs, text: line, caller } of readLog(program).records) {
  const isFrom = caller?.kind === 'task' && pids.has(caller.id);
  if (timeNs === undefined || (!isFrom && !names.some((name) => `${line} `.includes(name)))) continue;
  history.push({ time: timeNs, text: `log: ${escapeText(line)}` });
}

if (concerned.length === 0) {
  console.error(`nobody waits for a lock at ${text}`);
  process.exitCode = 1;
}
for (const { time, text: what } of history.sort((a, b) => (a.time < b.time ? -1 : 1)))
  console.log(`${(Number(time) / 1e9).toFixed(6).padStart(12)} ${what}`);
program.close();
