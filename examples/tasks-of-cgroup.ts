/**
 * All tasks under one cgroup, with their stacks.
 *
 *     node examples/tasks-of-cgroup.ts VMCORE /system.slice/mysql.service
 */
import { attempt, cgroupPath, escapeText, openProgram, readTasks, taskCgroup, taskStack } from 'kwhy';

const [path = 'samples/hung-6.1.vmcore', wanted = '/'] = process.argv.slice(2);
const program = openProgram(path);
const prefix = wanted.endsWith('/') ? wanted : `${wanted}/`;

/** In the version 2 hierarchy, or where version 1 accounts memory. */
function pathOf(task: Parameters<typeof taskCgroup>[1]): string | undefined {
  const cgroup = attempt(() => taskCgroup(program, task, 'memory') ?? taskCgroup(program, task));
  return cgroup === undefined ? undefined : attempt(() => cgroupPath(program, cgroup));
}

let found = 0;
for (const task of readTasks(program).tasks) {
  const cgroup = pathOf(task.address);
  if (cgroup === undefined || task.kthread || task.idle) continue;
  if (cgroup !== wanted && !cgroup.startsWith(prefix)) continue;
  found++;
  console.log(`${task.pid} ${escapeText(task.comm)} ${task.state.letter} ${escapeText(cgroup)}`);
  const { frames, problem } = taskStack(program, task);
  for (const { symbol } of frames) console.log(`    ${symbol === undefined ? '?' : `${symbol.name}+${symbol.offset}`}`);
  if (problem !== undefined) console.log(`    (${problem})`);
}
if (found === 0) {
  console.error(`no task is under ${wanted}`);
  process.exitCode = 1;
}
program.close();
