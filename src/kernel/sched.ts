/**
 * Tasks: `struct task_struct` (include/linux/sched.h), the list of processes and their threads, states, run queues.
 * What a task's own record cannot give is undefined in the result, never a made-up value.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError, ValidationError } from '../base/errors.ts';
import { nanoseconds, type Nanoseconds } from '../base/units.ts';
import type { Field } from '../program/field.ts';
import { PROVEN } from '../program/layouts.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { tasksByPid } from './pid.ts';
import { stateOf, type TaskState } from './task-state.ts';

/** PID_MAX_LIMIT on 64-bit machines. */
const MAX_TASKS = 1 << 22;
/** PF_KTHREAD; the same since 2.6.27. */
const PF_KTHREAD = 0x200000n;

export interface SchedInfo {
  /** Times it got a CPU. */
  readonly runs: bigint;
  /** Time it was runnable and waited for a CPU. */
  readonly runDelay: Nanoseconds;
  /** When it last got a CPU, on the run queue's clock. */
  readonly lastArrival: Nanoseconds;
  /** When it was last queued to run; 0 when it is not waiting for a CPU. */
  readonly lastQueued: Nanoseconds;
}

export interface Task {
  /** `struct task_struct *`. */
  readonly address: VirtAddr;
  readonly pid: number;
  readonly tgid: number;
  readonly comm: string;
  readonly state: TaskState;
  readonly kthread: boolean;
  /** `struct task_struct *`. */
  readonly realParent: VirtAddr | undefined;
  /** `struct task_struct *`. */
  readonly groupLeader: VirtAddr | undefined;
  /** `struct mm_struct *`; undefined for kernel threads and exited tasks. */
  readonly mm: VirtAddr | undefined;
  /** CPU it runs on or ran on last. */
  readonly cpu: number | undefined;
  /** True when it is the current task of its CPU. */
  readonly running: boolean;
  /** On the monotonic clock. */
  readonly startTime: Nanoseconds | undefined;
  readonly schedInfo: SchedInfo | undefined;
  /** CPU time in user mode and in the kernel; undefined where the kernel counts it in other units (until 4.10). */
  readonly cpuTime: { readonly user: Nanoseconds; readonly system: Nanoseconds } | undefined;
  /** True for the per-CPU idle tasks (pid 0). */
  readonly idle: boolean;
}

export interface TaskList {
  /**
   * Processes in the kernel's order, each followed by its threads; then those that were found by their pids alone; idle
   * tasks at the end.
   */
  readonly tasks: readonly Task[];
  /** The kernel's own count, `nr_threads`, without idle tasks; undefined when it cannot be read. */
  readonly expected: number | undefined;
  /** What could not be read, one line each. */
  readonly problems: readonly string[];
}

interface Layout {
  readonly pid: Field;
  readonly tgid: Field;
  readonly comm: Field;
  readonly flags: Field;
  readonly realParent: Field;
  readonly groupLeader: Field;
  readonly mm: Field;
  readonly cpu: Field | undefined;
  /** Where `struct thread_info` lies at the bottom of the stack: the task's pointer to it, and the CPU in it. */
  readonly onStack: { readonly stack: Field; readonly cpu: Field } | undefined;
  readonly startTime: Field | undefined;
  readonly startSeconds: Field | undefined;
  readonly startNanoseconds: Field | undefined;
  readonly utime: Field | undefined;
  readonly stime: Field | undefined;
  readonly runs: Field | undefined;
  readonly runDelay: Field | undefined;
  readonly lastArrival: Field | undefined;
  readonly lastQueued: Field | undefined;
}

function layoutOf(program: Program): Layout {
  const field = (path: string) => program.field('struct task_struct', path);
  const maybe = (path: string) => program.tryField('struct task_struct', path);
  // What a task can be told without, when the types of a damaged dump do not tell where it stands.
  const spare = (path: string) => attempt(() => maybe(path));
  // task_struct.cpu 4.9-5.15 (THREAD_INFO_IN_TASK, commit c65eacbe290b); thread_info.cpu again since 5.16 on x86
  // (commit bcf9033e5449). Proven on 5.10 (cpu) and on 6.1, 6.12 (thread_info.cpu).
  const cpu = spare('thread_info.cpu') ?? spare('cpu');
  const isLost = cpu === undefined && attempt(() => maybe('thread_info.cpu') ?? maybe('cpu') ?? 'none') === undefined;
  const cpuOnStack = cpu === undefined && !isLost ? program.tryField('struct thread_info', 'cpu') : undefined;
  if (cpuOnStack !== undefined) program.layouts.chose('CPU of a task', 'thread_info on its stack (until 4.8)', []);
  const hasNanoseconds = attempt(() => program.types.tryFind('cputime_t') === undefined) ?? false;
  return {
    pid: field('pid'),
    tgid: field('tgid'),
    comm: field('comm'),
    flags: field('flags'),
    realParent: field('real_parent'),
    groupLeader: field('group_leader'),
    mm: field('mm'),
    cpu,
    onStack: cpuOnStack === undefined ? undefined : { stack: field('stack'), cpu: cpuOnStack },
    // u64 nanoseconds since 3.17 (commit ccbf62d8a284); struct timespec before.
    startTime: spare('start_time'),
    startSeconds: spare('start_time.tv_sec'),
    startNanoseconds: spare('start_time.tv_nsec'),
    // Nanoseconds since 4.11 (commit 5613fda9a503), which removed cputime_t; its units depended on the configuration.
    utime: hasNanoseconds ? spare('utime') : undefined,
    stime: hasNanoseconds ? spare('stime') : undefined,
    runs: spare('sched_info.pcount'),
    runDelay: spare('sched_info.run_delay'),
    lastArrival: spare('sched_info.last_arrival'),
    lastQueued: spare('sched_info.last_queued'),
  };
}

/**
 * All tasks: `init_task.tasks` links the processes, `signal->thread_head` their threads, `runqueues.idle` the idle
 * tasks. A break in the list is bridged from its other end and told; what lies between two breaks is found by its pid.
 * @returns `struct task_struct` records
 * @throws LookupError when this kernel's types are not known at all
 */
export function readTasks(program: Program): TaskList {
  const problems: string[] = [];
  const layout = layoutOf(program);
  const running = currentTasks(program, problems);
  const tasks: Task[] = [];
  const seen = new Set<VirtAddr>();
  const push = (address: VirtAddr, idle: boolean): void => {
    if (seen.has(address)) return;
    seen.add(address);
    try {
      tasks.push(readTask(program, layout, address, running.has(address), idle));
    } catch (error) {
      if (!isDataError(error)) throw error;
      problems.push(`a task: ${error.message}`);
    }
  };
  const links = program.field('struct task_struct', 'tasks');
  const head = links.address(program.symbol('init_task').address);
  for (const node of linked(program, head, 'list of processes', problems)) {
    const leader = links.container(node);
    push(leader, false);
    for (const thread of threads(program, leader, problems)) push(thread, false);
  }
  const expected = threadCount(program);
  if (problems.length > 0 || (expected !== undefined && tasks.length < expected)) {
    for (const task of withoutList(program, problems)) push(task, false);
  }
  for (const idle of idleTasks(program, problems)) push(idle, true);
  return { tasks, expected, problems };
}

/** Tasks by their ids, for those that a broken list hides. @throws nothing for what the dump holds */
function* withoutList(program: Program, problems: string[]): Generator<VirtAddr> {
  try {
    yield* tasksByPid(program);
  } catch (error) {
    if (!isDataError(error)) throw error;
    problems.push(`ids of processes: ${error.message}`);
  }
}

/**
 * `int nr_threads` (kernel/fork.c): the kernel's own count of all threads but the idle ones.
 * @returns undefined when it cannot be read, or is absurd
 * @throws nothing for what the dump holds
 */
export function threadCount(program: Program): number | undefined {
  const symbol = program.symbols.kernel.lookup('nr_threads');
  if (symbol === undefined) return undefined;
  const count = attempt(() => program.memory.readU32(symbol.address));
  return count !== undefined && count <= MAX_TASKS ? count : undefined;
}

/**
 * How many tasks there are, the idle ones of the online CPUs included, without a look at each: `int nr_threads`, and `struct rq.idle`.
 * @returns undefined when either cannot be read
 * @throws nothing for what the dump holds
 */
export function taskCount(program: Program): number | undefined {
  const threads = threadCount(program);
  const problems: string[] = [];
  const idle = idleTasks(program, problems).length;
  return threads === undefined || problems.length > 0 ? undefined : threads + idle;
}

/**
 * Nodes of a list, without its head. Where it is broken, those behind the break are reached from its other end.
 * @param head - `struct list_head *`
 */
function* linked(program: Program, head: VirtAddr, what: string, problems: string[]): Generator<VirtAddr> {
  const seen = new Set<VirtAddr>([head]);
  try {
    yield* chain(program, head, 'next', seen);
    return;
  } catch (error) {
    if (!isDataError(error)) throw error;
    problems.push(`${what}, forwards: ${error.message}`);
  }
  const fromEnd: VirtAddr[] = [];
  try {
    for (const node of chain(program, head, 'prev', seen)) fromEnd.push(node);
  } catch (error) {
    if (!isDataError(error)) throw error;
    // Where the way back meets the way forth, nothing is missing.
    if (!(error instanceof Met)) problems.push(`${what}, backwards: ${error.message}`);
  }
  yield* fromEnd.reverse();
}

/** A walk came to a node that was visited before. */
class Met extends ValidationError {}

/** Nodes from `head` on, none of which is in `seen` yet. @throws FaultError, ValidationError, Met */
function* chain(program: Program, head: VirtAddr, link: 'next' | 'prev', seen: Set<VirtAddr>): Generator<VirtAddr> {
  const other = link === 'next' ? 'prev' : 'next';
  const onward = program.field('struct list_head', link);
  const back = program.field('struct list_head', other);
  let last = head;
  for (let at = onward.pointer(head); at !== head; at = onward.pointer(at)) {
    if (!isKernel(at)) throw new ValidationError('struct list_head', last, `${link} is no kernel pointer`);
    if (seen.has(at)) throw new Met('struct list_head', at, 'the list runs into itself');
    if (seen.size > MAX_TASKS) throw new ValidationError('struct list_head', head, 'the list does not end');
    // A damaged pointer may lead to something else that is a list.
    if (back.pointer(at) !== last) throw new ValidationError('struct list_head', at, `${other} does not point back`);
    // Visited only once it is known to be readable.
    onward.pointer(at);
    seen.add(at);
    yield at;
    last = at;
  }
}

function* threads(program: Program, leader: VirtAddr, problems: string[]): Generator<VirtAddr> {
  try {
    // signal->thread_head since 3.14 (commit 0c740d0afc3b); the ring thread_group before, gone in 6.7 (8e1f385104ac).
    const node = program.tryField('struct task_struct', 'thread_node');
    if (node !== undefined) {
      program.layouts.chose('threads', 'signal->thread_head (since 3.14)', PROVEN);
      const signal = program.field('struct task_struct', 'signal').pointer(leader);
      if (signal === 0n) return;
      const head = program.field('struct signal_struct', 'thread_head').address(signal);
      // Most processes are one thread, and nothing is to be walked.
      if (isAlone(program, head, node.address(leader))) return;
      for (const at of linked(program, head, 'threads of a process', problems)) yield node.container(at);
      return;
    }
    program.layouts.chose('threads', 'thread_group (until 6.6)', []);
    const ring = program.field('struct task_struct', 'thread_group');
    const head = ring.address(leader);
    for (const at of linked(program, head, 'threads of a process', problems)) yield ring.container(at);
  } catch (error) {
    if (!isDataError(error)) throw error;
    problems.push(`threads of a process: ${error.message}`);
  }
}

/** Whether a list has one node, which is this one; false also where that cannot be read. */
function isAlone(program: Program, head: VirtAddr, node: VirtAddr): boolean {
  const next = program.field('struct list_head', 'next');
  const prev = program.field('struct list_head', 'prev');
  const read = (): boolean => next.pointer(head) === node && prev.pointer(node) === head && next.pointer(node) === head;
  return attempt(read) === true;
}

/** Current task of each online CPU, `struct rq.curr`. */
function currentTasks(program: Program, problems: string[]): ReadonlySet<VirtAddr> {
  return new Set(perCpuTasks(program, 'curr', problems));
}

function idleTasks(program: Program, problems: string[]): readonly VirtAddr[] {
  return perCpuTasks(program, 'idle', problems);
}

function perCpuTasks(program: Program, member: 'curr' | 'idle', problems: string[]): VirtAddr[] {
  const out: VirtAddr[] = [];
  try {
    const field = program.field('struct rq', member);
    const runqueues = program.symbol('runqueues').address;
    for (const cpu of cpus(program, 'online')) {
      const task = attempt(() => field.pointer(program.perCpuAddress(runqueues, cpu)));
      if (task === undefined) problems.push(`run queue of CPU ${cpu} cannot be read`);
      else if (isKernel(task)) out.push(task);
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    problems.push(`run queues: ${error.message}`);
  }
  return out;
}

function readTask(program: Program, layout: Layout, address: VirtAddr, running: boolean, idle: boolean): Task {
  const kernelPointer = (field: Field): VirtAddr | undefined => {
    const value = field.pointer(address);
    return isKernel(value) ? value : undefined;
  };
  const pid = layout.pid.number(address);
  if (pid < 0 || pid > MAX_TASKS) throw new ValidationError('struct task_struct', address, `its pid is ${pid}`);
  return {
    address,
    pid,
    tgid: layout.tgid.number(address),
    comm: layout.comm.text(address),
    state: stateOf(program, address),
    kthread: (layout.flags.u64(address) & PF_KTHREAD) !== 0n,
    realParent: kernelPointer(layout.realParent),
    groupLeader: kernelPointer(layout.groupLeader),
    mm: kernelPointer(layout.mm),
    cpu: cpuOf(layout, address),
    running,
    startTime: attempt(() => startTimeOf(layout, address)),
    schedInfo: readSchedInfo(layout, address),
    cpuTime: readCpuTime(layout, address),
    idle,
  };
}

function cpuOf({ cpu, onStack }: Layout, address: VirtAddr): number | undefined {
  if (cpu !== undefined) return cpu.number(address);
  // The stack may be gone, or its page not in the dump.
  return onStack === undefined ? undefined : attempt(() => onStack.cpu.number(onStack.stack.pointer(address)));
}

function startTimeOf(layout: Layout, address: VirtAddr): Nanoseconds | undefined {
  const { startTime, startSeconds, startNanoseconds } = layout;
  if (startSeconds !== undefined && startNanoseconds !== undefined)
    return nanoseconds(startSeconds.u64(address) * 1_000_000_000n + startNanoseconds.u64(address));
  return startTime?.size === 8 ? time(startTime, address) : undefined;
}

function time(field: Field | undefined, address: VirtAddr): Nanoseconds | undefined {
  return field === undefined ? undefined : nanoseconds(field.u64(address));
}

function readCpuTime(layout: Layout, address: VirtAddr): Task['cpuTime'] {
  const user = time(layout.utime, address);
  const system = time(layout.stime, address);
  return user === undefined || system === undefined ? undefined : { user, system };
}

/** `struct sched_info`; needs CONFIG_SCHED_INFO, which all distributions set. */
function readSchedInfo(layout: Layout, address: VirtAddr): SchedInfo | undefined {
  const runDelay = time(layout.runDelay, address);
  const lastArrival = time(layout.lastArrival, address);
  const lastQueued = time(layout.lastQueued, address);
  if (layout.runs === undefined || runDelay === undefined) return undefined;
  if (lastArrival === undefined || lastQueued === undefined) return undefined;
  return { runs: layout.runs.u64(address), runDelay, lastArrival, lastQueued };
}
