/**
 * Who has started most of the tasks: one process with very many threads, or one whose children, and their children of the
 * same name, are most of all; and the least that these take: stack and descriptor of each, page tables of each process.
 */
import { attempt } from '../../base/errors.ts';
import { pageTableBytes } from '../../kernel/mm.ts';
import type { Task } from '../../kernel/sched.ts';
import { threadSize } from '../../kernel/stack.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { type TaskTable, tasksFact } from './tasks.ts';

export interface TaskOrigin {
  /** The process that started them, or has them as threads. */
  readonly origin: Task;
  readonly kind: 'threads' | 'processes';
  /** Tasks; of processes with all their threads. */
  readonly tasks: number;
  /** The most frequent name of their processes. */
  readonly comm: string;
  /** Bytes of their kernel stacks and `struct task_struct`. */
  readonly base: number;
  /** Bytes of their page tables; those of the process alone where they are threads. */
  readonly pageTables: number;
}

export interface TaskOrigins {
  /** Who has most; undefined when nobody could be told. */
  readonly most: TaskOrigin | undefined;
  /** Tasks of programs. */
  readonly users: number;
  /** False when tasks are missing: then there are more. */
  readonly whole: boolean;
}

const MAX_CLIMB = 1 << 16;
const INIT_PID = 1;

export const taskOriginsFact = defineFact<TaskOrigins>({
  id: 'task-origins',
  derive({ program, use, budget }) {
    const table = use(tasksFact);
    const users = table.tasks.filter((task) => !task.idle && !task.kthread);
    const each = attempt(() => threadSize(program) + program.sizeOf('struct task_struct'));
    const processes = new Map<number, Task[]>();
    for (const task of users) {
      const threads = processes.get(task.tgid);
      if (threads === undefined) processes.set(task.tgid, [task]);
      else threads.push(task);
    }
    const children = new Map<Task, Task[]>();
    const tops = new Map<Task, Task>();
    let threaded: readonly Task[] = [];
    for (const threads of processes.values()) {
      budget.check();
      if (threads.length > threaded.length) threaded = threads;
      const leader = leaderOf(threads);
      if (leader === undefined) continue;
      const origin = originOf(leader, table, tops);
      if (origin === undefined) continue;
      const known = children.get(origin);
      if (known === undefined) children.set(origin, [...threads]);
      else for (const thread of threads) known.push(thread);
    }
    const [parent] = [...children].sort((a, b) => b[1].length - a[1].length);
    const manyThreads = threaded.length * 2 >= users.length;
    const started = manyThreads ? threaded : (parent?.[1] ?? []);
    const origin = manyThreads ? leaderOf(threaded) : parent?.[0];
    if (origin === undefined || each === undefined)
      return { most: undefined, users: users.length, whole: table.complete };
    const spaces = new Set(started.flatMap(({ mm }) => mm ?? []));
    const pageTables = [...spaces].reduce((sum, mm) => sum + (attempt(() => pageTableBytes(program, mm)) ?? 0), 0);
    const most: TaskOrigin = {
      origin,
      kind: manyThreads ? 'threads' : 'processes',
      tasks: started.length,
      comm: commonName(started),
      base: started.length * each,
      pageTables,
    };
    return { most, users: users.length, whole: table.complete };
  },
});

function leaderOf(threads: readonly Task[]): Task | undefined {
  return threads.find(({ pid, tgid }) => pid === tgid) ?? threads[0];
}

/**
 * The topmost ancestor of the same name, else the parent; undefined for what init started or adopted.
 * @param tops - answers so far, of leaders
 */
function originOf(leader: Task, { parentOf }: TaskTable, tops: Map<Task, Task>): Task | undefined {
  const way: Task[] = [];
  let at = leader;
  for (let i = 0; i < MAX_CLIMB; i++) {
    const known = tops.get(at);
    const parent = known ?? parentOf(at);
    if (parent === undefined || parent === at || parent.comm !== leader.comm || parent.pid === INIT_PID) break;
    way.push(at);
    at = parent;
  }
  for (const task of way) tops.set(task, at);
  if (at !== leader) return at;
  const parent = parentOf(leader);
  return parent === undefined || parent.pid <= INIT_PID || parent.kthread ? undefined : parent;
}

function commonName(tasks: readonly Task[]): string {
  const names = new Map<string, number>();
  for (const { comm } of tasks) names.set(comm, (names.get(comm) ?? 0) + 1);
  const [most] = [...names].sort((a, b) => b[1] - a[1]);
  return most?.[0] ?? '';
}
