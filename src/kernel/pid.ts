/**
 * `struct pid` (include/linux/pid.h): process group, session and terminal of a process, which still bind it to its
 * launcher when the parent has exited; and all tasks by their ids, which no broken list of tasks cuts off.
 */
import { add, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { idrEntries } from './idr.ts';
import { hlistEntries } from './list.ts';

export interface JobIds {
  /** Pid of the process group's leader, in the initial pid namespace. */
  readonly processGroup: number | undefined;
  /** Pid of the session's leader. */
  readonly session: number | undefined;
  /** Name of the controlling terminal: 'pts0', 'ttyS0'. */
  readonly tty: string | undefined;
}

/**
 * Job control ids of a process.
 * @param leader - `struct task_struct *` of the thread group leader
 * @throws FaultError, LookupError
 */
export function jobIds(program: Program, leader: VirtAddr): JobIds {
  const signal = program.field('struct task_struct', 'signal').pointer(leader);
  const id = (type: string): number | undefined => {
    const index = program.enumerator(type);
    if (index === undefined) return undefined;
    // signal->pids[] since 4.19 (commit 2c4704756cab); task->pids[].pid before.
    const inSignal = program.tryField('struct signal_struct', `pids[${index}]`);
    const form = inSignal === undefined ? 'in task_struct (until 4.18)' : 'in signal_struct (since 4.19)';
    program.layouts.chose('process groups', form, inSignal === undefined ? [] : ['5.10', '6.1', '6.12']);
    const pid =
      inSignal !== undefined && isKernel(signal)
        ? inSignal.pointer(signal)
        : program.tryField('struct task_struct', `pids[${index}].pid`)?.pointer(leader);
    if (pid === undefined || !isKernel(pid)) return undefined;
    const number = program.field('struct upid', 'nr').number(program.field('struct pid', 'numbers').address(pid));
    return number > 0 ? number : undefined;
  };
  const tty = isKernel(signal) ? program.field('struct signal_struct', 'tty').pointer(signal) : undefined;
  const name = tty !== undefined && isKernel(tty) ? program.field('struct tty_struct', 'name').text(tty) : '';
  return { processGroup: id('PIDTYPE_PGID'), session: id('PIDTYPE_SID'), tty: name === '' ? undefined : name };
}

/**
 * The number of a `struct pid *` in the initial pid namespace.
 * @returns undefined for none
 * @throws FaultError, LookupError
 */
export function pidNumber(program: Program, pid: VirtAddr): number | undefined {
  if (!isKernel(pid)) return undefined;
  const number = program.field('struct upid', 'nr').number(program.field('struct pid', 'numbers').address(pid));
  return number > 0 ? number : undefined;
}

/**
 * The tasks by their ids in the initial pid namespace, threads too, lowest first. Each must name the `struct pid` that led to it. What cannot be read is passed over.
 * @returns `struct task_struct *` of each
 * @throws FaultError, LookupError, ValidationError when the root of the ids cannot be read
 */
export function* tasksByPid(program: Program): Generator<VirtAddr> {
  const type = program.enumerator('PIDTYPE_PID');
  const first = program.tryField('struct pid', `tasks[${type}].first`);
  // pid_links and thread_pid since 4.19 (commit 2c4704756cab), pids[] before.
  const link =
    program.tryField('struct task_struct', `pid_links[${type}]`) ??
    program.tryField('struct task_struct', `pids[${type}].node`);
  const own =
    program.tryField('struct task_struct', 'thread_pid') ?? program.tryField('struct task_struct', `pids[${type}].pid`);
  if (!first || !link || !own) return;
  for (const pid of pids(program)) {
    const task = attempt(() => {
      const node = first.pointer(pid);
      const found = link.container(node);
      return isKernel(node) && own.pointer(found) === pid ? found : undefined;
    });
    if (task !== undefined) yield task;
  }
}

/** Each `struct pid *` of the initial namespace, lowest first. */
function* pids(program: Program): Generator<VirtAddr> {
  const namespace = program.symbols.kernel.lookup('init_pid_ns')?.address;
  // Since 4.15 (commit 95846ecf9dac).
  const ids = program.tryField('struct pid_namespace', 'idr');
  if (namespace === undefined) return;
  if (ids === undefined) {
    yield* hashedPids(program, namespace);
    return;
  }
  for (const { value } of idrEntries(program, ids.address(namespace), { onBroken: () => {} })) yield virt(value);
}

/** pidhash_init() makes at most so many buckets; each number is in one. */
const MAX_HASH_SHIFT = 12;
const MAX_CHAIN = 1 << 16;

/**
 * Up to 4.14 the numbers (`struct upid`) of all namespaces are in one hash table, `pid_hash`. One that is of the initial
 * namespace is the first of its `struct pid`. A broken bucket is passed over.
 */
function* hashedPids(program: Program, namespace: VirtAddr): Generator<VirtAddr> {
  const table = program.symbols.kernel.lookup('pid_hash')?.address;
  const shift = program.symbols.kernel.lookup('pidhash_shift')?.address;
  if (table === undefined || shift === undefined) return;
  const buckets = 2 ** Math.min(program.memory.readU32(shift), MAX_HASH_SHIFT);
  const start = program.memory.readPointer(table);
  const [number, space] = [program.field('struct upid', 'nr'), program.field('struct upid', 'ns')];
  const numbers = program.field('struct pid', 'numbers');
  const found = new Map<VirtAddr, number>();
  program.layouts.chose('ids of tasks', 'one hash table (until 4.14)', []);
  for (let i = 0; i < buckets; i++) {
    attempt(() => {
      for (const upid of hlistEntries(program, add(start, 8 * i), 'struct upid', 'pid_chain', MAX_CHAIN))
        if (space.pointer(upid) === namespace) found.set(numbers.container(upid), number.number(upid));
    });
  }
  for (const [pid] of [...found].sort(([, a], [, b]) => a - b)) yield pid;
}
