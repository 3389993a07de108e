/**
 * Waits for other tasks that their own structures tell: of the one that calls exec for the other threads, for a core dump, for
 * the tracer, of one that is stopped, or frozen by its cgroup (`struct signal_struct`, `struct core_state`, `struct cgroup`).
 */
import { add, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cgroupPath, taskCgroup } from './cgroup.ts';
import type { Task } from './sched.ts';
import type { Machine } from './wait-completions.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import { type EndsOfAll, others } from './wait-others.ts';
import type { QueuedEntry, SleeperStack } from './wait-shapes.ts';

const runs = ({ frames }: Pick<SleeperStack, 'frames'>, functions: RegExp): boolean =>
  frames.some(({ func }) => func !== undefined && functions.test(func));

/** execve(2) ends the other threads of its process, and waits until all are gone: `group_exec_task` of the `struct signal_struct`. @throws FaultError, LookupError */
export function execWait(stack: SleeperStack, { tasks, byAddress }: Machine): FoundWait | undefined {
  const { program, task } = stack;
  if (!runs(stack, /^(de_thread|begin_new_exec|flush_old_exec)$/)) return undefined;
  const signal = program.field('struct task_struct', 'signal').pointer(task);
  // `group_exec_task` since 5.17 (commit 60700e38fb68); before, the member that core dumps have as well.
  const caller = program.firstField('struct signal_struct', ['group_exec_task', 'group_exit_task']).pointer(signal);
  if (caller !== task) return undefined;
  const tgid = byAddress.get(task)?.tgid;
  const threads = tasks.filter((one) => one.tgid === tgid && one.address !== task && one.state.exitState === 0n);
  return {
    kind: 'exec',
    edge: 'exec',
    what: 'for the other threads of its process to end, in exec',
    object: { address: signal, ctype: 'struct signal_struct' },
    proof: 'structure',
    awaited: threads.map(
      ({ address }): Awaited => ({ task: address, certainty: 'exact', why: 'it is a thread of the same process' }),
    ),
  };
}

/** The first process of a `struct pid_namespace` ends when all others in it have: they were killed, and became its children. @throws FaultError, LookupError */
export function namespaceExitWait(stack: SleeperStack, { byAddress, children, tasks }: Machine): FoundWait | undefined {
  const { program, task } = stack;
  if (!runs(stack, /^zap_pid_ns_processes$/)) return undefined;
  const own = pidNamespace(program, task);
  const rest = tasks.filter(
    ({ address, state, idle }) =>
      address !== task && !idle && state.exitState === 0n && attempt(() => pidNamespace(program, address)) === own,
  );
  if (own === undefined || byAddress.get(task) === undefined) return undefined;
  const inside = new Set([...rest, ...(children.get(task) ?? []).filter(({ state }) => state.exitState === 0n)]);
  return {
    kind: 'exit',
    edge: 'pid namespace that ends',
    what: 'for all others of its pid namespace to end, which it is the first process of',
    object: { address: own, ctype: 'struct pid_namespace' },
    proof: 'structure',
    awaited: [...inside].map(
      ({ address }): Awaited => ({ task: address, certainty: 'exact', why: 'it is in the pid namespace that ends' }),
    ),
  };
}

/** The innermost that a task has a number in: `numbers[level]` of its `struct pid`. `thread_pid` since 4.19 (commit 2c4704756cab). */
function pidNamespace(program: Program, task: VirtAddr): VirtAddr | undefined {
  const pid = program.field('struct task_struct', 'thread_pid').pointer(task);
  if (!isKernel(pid)) return undefined;
  const level = program.field('struct pid', 'level').number(pid);
  if (level > MAX_LEVEL) return undefined;
  const numbers = program.field('struct pid', 'numbers').address(pid);
  const ns = program.field('struct upid', 'ns').pointer(add(numbers, level * program.sizeOf('struct upid')));
  return isKernel(ns) ? ns : undefined;
}

/** MAX_PID_NS_LEVEL. */
const MAX_LEVEL = 32;

/**
 * A core dump: its process waits for the thread that writes it, and that one may wait for a program that takes it.
 * @param entries - `struct wait_queue_entry`s of the task, in queues
 * @throws FaultError, LookupError
 */
export function coreDumpWait(
  stack: SleeperStack,
  entries: readonly QueuedEntry[],
  { byAddress, ends }: Machine & { readonly ends: EndsOfAll },
): FoundWait | undefined {
  const { program, task } = stack;
  if (!runs(stack, /^(do_coredump|vfs_coredump|coredump_\w+|do_exit|exit_mm|exit_mm_\w+)$/)) return undefined;
  const state = coreStateOf(program, task);
  if (state === undefined) return undefined;
  const dumper = program.field('struct core_state', 'dumper.task').pointer(state);
  if (byAddress.get(dumper)?.tgid !== byAddress.get(task)?.tgid) return undefined;
  const found = { kind: 'core-dump', edge: 'core dump', proof: 'structure' } as const;
  if (dumper !== task)
    return {
      ...found,
      what: 'for the core dump of its process to be written',
      object: { address: state, ctype: 'struct core_state' },
      awaited: [{ task: dumper, certainty: 'exact', why: 'it writes the core dump (core_state.dumper)' }],
    };
  // The pipe to a program of core_pattern is no descriptor of the one that writes it.
  const all = ends();
  for (const { queue } of entries) {
    const pipe = queue === undefined ? undefined : pipeAround(program, queue, all.byData.keys());
    if (pipe === undefined) continue;
    const readers = (all.byData.get(pipe) ?? []).filter(({ reads }) => reads);
    return {
      ...found,
      what: 'for the program that takes its core dump through a pipe',
      object: { address: pipe, ctype: 'struct pipe_inode_info' },
      ...others(readers, task, all, 'it has the end of the pipe open that reads'),
    };
  }
  return undefined;
}

/** In `struct signal_struct` since 5.16 (commit 0258b5fd7c71), of the address space before. */
function coreStateOf(program: Program, task: VirtAddr): VirtAddr | undefined {
  const inSignal = program.tryField('struct signal_struct', 'core_state');
  const owner = program.field('struct task_struct', inSignal === undefined ? 'mm' : 'signal').pointer(task);
  if (!isKernel(owner)) return undefined;
  const state = (inSignal ?? program.field('struct mm_struct', 'core_state')).pointer(owner);
  return isKernel(state) ? state : undefined;
}

function pipeAround(program: Program, queue: VirtAddr, opened: Iterable<VirtAddr>): VirtAddr | undefined {
  const queues = ['rd_wait', 'wr_wait', 'wait'].flatMap(
    (name) => program.tryField('struct pipe_inode_info', name)?.container(queue) ?? [],
  );
  return [...opened].find((data) => queues.includes(data));
}

/** A `struct task_struct` that is stopped by its tracer, or by a signal. @throws nothing for what the dump holds */
export function stoppedWait(
  program: Program,
  { address, state }: Task,
  isTask: (at: VirtAddr) => boolean,
): FoundWait | undefined {
  if (state.letter === 'T')
    return { kind: 'stopped', edge: 'stopped', what: 'stopped, for SIGCONT', proof: 'structure' };
  if (state.letter !== 't') return undefined;
  const found = { kind: 'tracer', edge: 'tracer', what: 'for its tracer', proof: 'structure' } as const;
  const traced = attempt(() => program.field('struct task_struct', 'ptrace').u64(address));
  // Who traces is the parent for that time, and the real one another.
  const tracer = attempt(() => program.field('struct task_struct', 'parent').pointer(address));
  if (traced === undefined || traced === 0n || tracer === undefined || !isTask(tracer)) return found;
  return {
    ...found,
    object: { address, ctype: 'struct task_struct' },
    awaited: [{ task: tracer, certainty: 'exact', why: 'it traces the task (ptrace, parent)' }],
  };
}

/** One that memory.high keeps: which `struct cgroup` it is in. That, or one above it, is over its limit; the functions alone say so. @throws FaultError, LookupError, ValidationError */
export function throttledWait(stack: SleeperStack): FoundWait | undefined {
  const { program, task } = stack;
  if (!runs(stack, /^(__)?mem_cgroup_handle_over_high$/)) return undefined;
  const cgroup = taskCgroup(program, task, 'memory');
  if (cgroup === undefined) return undefined;
  return {
    kind: 'throttled',
    what: 'because more than memory.high is used in its cgroup, or in one above that,',
    name: cgroupPath(program, cgroup),
    object: { address: cgroup, ctype: 'struct cgroup' },
    proof: 'function',
  };
}

const MAX_DEPTH = 256;
/** CGROUP_FREEZING_SELF, CGROUP_FREEZING_PARENT of kernel/cgroup/legacy_freezer.c. */
const FREEZING = 0b110n;

/** One that a `struct cgroup` has frozen: which, and that somebody has to thaw it. @throws FaultError, LookupError, ValidationError */
export function frozenWait(stack: SleeperStack): FoundWait | undefined {
  const { program, task } = stack;
  const path = runs(stack, /^(__)?refrigerator$/) ? frozenInFirst(program, task) : frozenInSecond(program, task);
  if (path === undefined) return undefined;
  const { cgroup } = path;
  return {
    kind: 'frozen',
    edge: 'cgroup freezer',
    what: 'for somebody to thaw its cgroup',
    name: attempt(() => cgroupPath(program, cgroup)),
    object: { address: cgroup, ctype: 'struct cgroup' },
    proof: 'structure',
  };
}

/** The freezer of version 1, a controller. */
function frozenInFirst(program: Program, task: VirtAddr): { readonly cgroup: VirtAddr } | undefined {
  const cgroup = taskCgroup(program, task, 'freezer');
  const id = program.enumerator('freezer_cgrp_id');
  if (cgroup === undefined || id === undefined) return undefined;
  const css = program.field('struct cgroup', `subsys[${id}]`).pointer(cgroup);
  if (!isKernel(css)) return undefined;
  const freezer = program.field('struct freezer', 'css').container(css);
  return (program.field('struct freezer', 'state').u64(freezer) & FREEZING) === 0n ? undefined : { cgroup };
}

/** That of version 2, since 5.2 (commit 76f969e8948d): the group that was frozen, or one above it. */
function frozenInSecond(program: Program, task: VirtAddr): { readonly cgroup: VirtAddr } | undefined {
  if (program.tryField('struct task_struct', 'frozen')?.u64(task) !== 1n) return undefined;
  const freeze = program.field('struct cgroup', 'freezer.freeze');
  const parent = program.field('struct cgroup', 'self.parent');
  const of = program.field('struct cgroup_subsys_state', 'cgroup');
  let at = taskCgroup(program, task);
  for (let depth = 0; at !== undefined && depth < MAX_DEPTH; depth++) {
    if (freeze.u64(at) === 1n) return { cgroup: at };
    const css: VirtAddr = parent.pointer(at);
    at = css === NULL ? undefined : of.pointer(css);
  }
  return undefined;
}
