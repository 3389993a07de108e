/**
 * Where members of `struct task_struct` lie, by what they hold in all tasks at once: a guess that holds for `swapper`,
 * for `init` and for hundreds of others is none. The order of members (include/linux/sched.h) is used where it has been
 * the same since 2.6: `exit_state, exit_code, exit_signal`; `pid, tgid`; `real_parent, parent, children, sibling,
 * group_leader`; `mm, active_mm`; `stack, usage, flags`.
 */
import { add, contains, isKernel, sub, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from './program.ts';

/** Offsets of members, bytes. */
export interface InferredMembers {
  readonly __state: number | undefined;
  readonly stack: number | undefined;
  readonly flags: number;
  readonly tasks: number;
  readonly mm: number;
  readonly exit_state: number | undefined;
  readonly pid: number;
  readonly tgid: number;
  readonly real_parent: number;
  readonly group_leader: number;
  readonly thread_node: number | undefined;
  readonly signal: number | undefined;
  readonly comm: number;
}

export interface Inferred {
  readonly members: InferredMembers;
  /** Of `thread.sp` in `struct task_struct`. */
  readonly sp: number | undefined;
  /** What lies there is what switch_to() pushed (up to 4.8), and no `struct inactive_task_frame`. */
  readonly isPushed: boolean;
  /** THREAD_SIZE, bytes, where stacks are aligned to it. */
  readonly stackSize: number | undefined;
  /** Of `thread_head` in `struct signal_struct`. */
  readonly threadHead: number | undefined;
  /** In `struct rq`. */
  readonly runQueue: { readonly curr: number; readonly idle: number } | undefined;
  readonly taskSize: number;
}

/** Distributions have 3 to 14 KiB. */
const MAX_TASK = 1 << 14;
const MAX_RQ = 1 << 13;
/** Tasks that are looked at. */
const SAMPLES = 256;
const MAX_WALK = 1 << 16;
const NAME_SIZE = 16;
const PF_KTHREAD = 0x200000;
const SIGCHLD = 17;
/** TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE, TASK_IDLE; with TASK_WAKEKILL and TASK_FREEZABLE. */
const SLEEPS: ReadonlySet<number> = new Set([1, 2, 0x402]);
const FREEZABLE_KILLABLE = 0x2100;
/** Largest THREAD_SIZE, with KASAN. */
const MAX_STACK = 1n << 16n;
const RETURN_ADDRESS = 48;

/** A task's bytes. */
interface Sample {
  readonly base: VirtAddr;
  readonly view: DataView;
}

/** @throws nothing for what the dump holds */
export function inferMembers(program: Program): Inferred | undefined {
  const symbol = program.symbols.kernel.lookup('init_task');
  if (symbol === undefined) return undefined;
  const taskSize = Math.min(MAX_TASK, symbol.size) & ~7;
  const first = sampleAt(program, symbol.address, taskSize);
  if (first === undefined) return undefined;
  const comm = nameOffset(first.view);
  const tasks = comm === undefined ? undefined : longestList(program, first, comm);
  if (comm === undefined || tasks === undefined) return undefined;
  const samples = [first, ...tasks.others.flatMap((base) => sampleAt(program, base, taskSize) ?? [])];
  const all = new Tasks(samples, taskSize);
  const pid = all.find(tasks.offset, comm, 4, (at) => all.arePids(at));
  if (pid === undefined) return undefined;
  const leader = all.find((pid + 15) & ~7, comm, 8, (at) => all.share((task) => u64(task, at) === task.base) === 1);
  if (leader === undefined) return undefined;
  const parent = leader - 48;
  const isThread = all.kernelThreads(pid, parent);
  const stack = all.find(0, tasks.offset, 8, (at) => all.areStacks(at));
  const flags = all.find(stack ?? 0, tasks.offset, 4, (at) =>
    samples.every((task) => ((u32(task, at) & PF_KTHREAD) !== 0) === isThread(task)),
  );
  const mm = all.find(tasks.offset + 16, pid, 8, (at) => all.areMemories(at, isThread));
  if (flags === undefined || mm === undefined) return undefined;
  const signal = all.find(0, pid + 4, 4, (at) => all.share((task) => u32(task, at) === SIGCHLD) > 0.9);
  const threads = threadLists(program, samples.slice(1), taskSize);
  const members = {
    __state: all.stateOffset(stack ?? tasks.offset),
    stack,
    flags,
    tasks: tasks.offset,
    mm,
    exit_state: signal === undefined ? undefined : signal - 8,
    pid,
    tgid: pid + 4,
    real_parent: parent,
    group_leader: leader,
    thread_node: threads?.node,
    signal: threads?.signal,
    comm,
  };
  const framed = stack === undefined ? undefined : stackPointer(program, all, comm, stack, frameReturn);
  const pushed =
    stack === undefined || framed !== undefined ? undefined : stackPointer(program, all, comm, stack, pushedReturn);
  const sp = framed ?? pushed;
  const stackSize = stack === undefined || pushed === undefined ? undefined : all.stackSize(stack);
  return {
    members,
    sp,
    isPushed: pushed !== undefined,
    stackSize,
    threadHead: threads?.head,
    runQueue: runQueue(program, comm),
    taskSize,
  };
}

/** What holds for tasks: `samples[0]` is `init_task`, behind it processes in the order of their start. */
class Tasks {
  readonly #samples: readonly Sample[];
  readonly #size: number;

  constructor(samples: readonly Sample[], size: number) {
    this.#samples = samples;
    this.#size = size;
  }

  /** The first offset between two for which `holds`. */
  find(from: number, to: number, step: number, holds: (offset: number) => boolean): number | undefined {
    for (let at = from; at + 8 <= Math.min(to, this.#size); at += step) if (holds(at)) return at;
    return undefined;
  }

  /** For which part of the tasks, but `init_task`, it holds. */
  share(holds: (task: Sample) => boolean): number {
    const others = this.#samples.slice(1);
    return others.filter(holds).length / Math.max(1, others.length);
  }

  /** `init_task` has 0, `init` comes first and has 1; each process its own, and the same behind it. */
  arePids(at: number): boolean {
    const [first, init] = this.#samples;
    if (first === undefined || init === undefined || u32(first, at) !== 0 || u32(init, at) !== 1) return false;
    const seen = new Set<number>();
    return this.#samples.every((task) => {
      const pid = u32(task, at);
      if (seen.has(pid) || pid > 1 << 22 || u32(task, at + 4) !== pid) return false;
      return seen.add(pid);
    });
  }

  /** kthreadd is process 2, and the parent of the others. */
  kernelThreads(pid: number, parent: number): (task: Sample) => boolean {
    const kthreadd = this.#samples.find((task) => u32(task, pid) === 2)?.base;
    return (task) => u32(task, pid) === 0 || task.base === kthreadd || u64(task, parent) === kthreadd;
  }

  /** Each its own area, of whole pages; an exited process has none. */
  areStacks(at: number): boolean {
    const seen = new Set<bigint>();
    return (
      this.#samples.every((task) => {
        const value = u64(task, at);
        if (value === 0n) return true;
        if (!isKernel(value) || value % 4096n !== 0n || seen.has(value)) return false;
        return seen.add(value);
      }) && seen.size > this.#samples.length / 2
    );
  }

  /** The largest power of two that all stacks are aligned to. */
  stackSize(at: number): number {
    let all = MAX_STACK;
    for (const task of this.#samples) all |= u64(task, at);
    return Number(all & -all);
  }

  /** None of a kernel thread; of others the one that they run on. */
  areMemories(at: number, isThread: (task: Sample) => boolean): boolean {
    let users = 0;
    const fits = this.#samples.every((task) => {
      const mm = u64(task, at);
      if (mm === 0n) return true;
      if (isThread(task) || !isKernel(mm) || u64(task, at + 8) !== mm) return false;
      users++;
      return true;
    });
    return fits && users > 0;
  }

  /** Most tasks of any machine sleep: in state 1, kernel threads in 0x402, freezable or killable ones with more bits. */
  stateOffset(end: number): number | undefined {
    let best: number | undefined;
    let most = 0.5;
    for (let at = 0; at + 4 <= Math.min(end, this.#size); at += 4) {
      const share = this.share((task) => SLEEPS.has(u32(task, at) & ~FREEZABLE_KILLABLE));
      if (share <= most) continue;
      most = share;
      best = at;
    }
    return best;
  }
}

function sampleAt(program: Program, base: VirtAddr, size: number): Sample | undefined {
  const bytes = attempt(() => program.memory.readBytes(base, size));
  return bytes === undefined ? undefined : { base, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

function u32(task: Sample, at: number): number {
  return at >= 0 && at + 4 <= task.view.byteLength ? task.view.getUint32(at, true) : 0;
}

function u64(task: Sample, at: number): VirtAddr {
  return virt(at >= 0 && at + 8 <= task.view.byteLength ? task.view.getBigUint64(at, true) : 0n);
}

/** 'swapper/0' since 3.2 or so, 'swapper' before and without SMP. */
function nameOffset(view: DataView): number | undefined {
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  for (const name of ['swapper/0\0', 'swapper\0']) {
    const at = bytes.indexOf(name);
    if (at >= 0) return at;
  }
  return undefined;
}

/** The longest list through `init_task` whose every node is followed, at the same distance, by a name. */
function longestList(
  program: Program,
  first: Sample,
  comm: number,
): { readonly offset: number; readonly others: readonly VirtAddr[] } | undefined {
  let best: { readonly offset: number; readonly others: readonly VirtAddr[] } | undefined;
  for (let offset = 0; offset + 16 <= comm; offset += 8) {
    const others = tasksOn(program, first, offset, comm);
    if (others !== undefined && others.length > (best?.others.length ?? 1)) best = { offset, others };
  }
  return best;
}

/** The tasks of a list, at most SAMPLES; undefined when it is none. */
function tasksOn(program: Program, first: Sample, offset: number, comm: number): VirtAddr[] | undefined {
  const { memory } = program;
  const head = add(first.base, offset);
  const found: VirtAddr[] = [];
  let last = head;
  let at = u64(first, offset);
  for (let i = 0; i < MAX_WALK; i++) {
    if (at === head) return found;
    if (!isKernel(at) || at % 8n !== 0n) return undefined;
    const here = at;
    const next = attempt(() => memory.readPointer(here));
    const back = attempt(() => memory.readPointer(add(here, 8)));
    const task = sub(here, offset);
    if (next === undefined || back !== last || !isNamed(program, add(task, comm))) return undefined;
    if (found.length < SAMPLES) found.push(task);
    else return found;
    last = here;
    at = next;
  }
  return undefined;
}

/** Printable, at least one letter, and ended. */
function isNamed(program: Program, at: VirtAddr): boolean {
  const bytes = attempt(() => program.memory.readBytes(at, NAME_SIZE));
  return bytes !== undefined && /^[\x20-\x7e]+\0/.test(Buffer.from(bytes).toString('latin1'));
}

/** `signal->thread_head` (since 3.14) and the `thread_node` of a process that stands first on it. */
function threadLists(
  program: Program,
  samples: readonly Sample[],
  size: number,
): { readonly signal: number; readonly head: number; readonly node: number } | undefined {
  const [init] = samples;
  if (init === undefined) return undefined;
  const nodeOf = (task: Sample, signal: number, head: number): number | undefined => {
    const list = add(u64(task, signal), head);
    const node = attempt(() => program.memory.readPointer(list));
    if (node === undefined || !contains(task.base, size, node)) return undefined;
    // Its ends meet, unlike those of the lists of `struct pid`, which lead into the task as well.
    const last = attempt(() => program.memory.readPointer(add(list, 8)));
    const behind = last === undefined ? undefined : attempt(() => program.memory.readPointer(last));
    const back = attempt(() => program.memory.readPointer(add(node, 8)));
    return back === list && behind === list ? Number(node - task.base) : undefined;
  };
  for (let signal = 0; signal + 8 <= size; signal += 8) {
    const pointed = u64(init, signal);
    // A list in the task itself would look the same.
    if (!isKernel(pointed) || contains(init.base, size, pointed)) continue;
    // Behind two counters and one or two more: nr_threads, quick_threads.
    for (const head of [16, 24, 8]) {
      const node = nodeOf(init, signal, head);
      // `signal` has always come after `thread_node`.
      if (node !== undefined && node < signal && samples.every((task) => nodeOf(task, signal, head) === node))
        return { signal, head, node };
    }
  }
  return undefined;
}

/** Where `struct inactive_task_frame` has the return address (since 4.9). */
function frameReturn(program: Program, sp: VirtAddr): VirtAddr {
  return program.memory.readPointer(add(sp, RETURN_ADDRESS));
}

/** Before, rbp lies there, and where it points the caller's, with the return address above. */
function pushedReturn(program: Program, sp: VirtAddr): VirtAddr | undefined {
  const bp = program.memory.readPointer(sp);
  return contains(sp, Number(MAX_STACK), bp) ? program.memory.readPointer(add(bp, 8)) : undefined;
}

/** `thread.sp`: into the task's own stack, where what the switch has left leads to an address of the kernel's code. */
function stackPointer(
  program: Program,
  all: Tasks,
  comm: number,
  stack: number,
  returnOf: (program: Program, sp: VirtAddr) => VirtAddr | undefined,
): number | undefined {
  return all.find(comm + NAME_SIZE, MAX_TASK, 8, (at) => {
    const share = all.share((task) => {
      const sp = u64(task, at);
      const start = u64(task, stack);
      return start !== 0n && sp > start && sp < start + MAX_STACK && sp % 8n === 0n;
    });
    if (share < 0.8) return false;
    const code = all.share((task) => {
      const address = attempt(() => returnOf(program, u64(task, at)));
      return address !== undefined && program.symbols.isKernelText(address);
    });
    return code > 0.5;
  });
}

/** `rq.idle`, the task named after its CPU, and `curr` before it. */
function runQueue(program: Program, comm: number): Inferred['runQueue'] {
  const rq = program.symbols.kernel.lookup('runqueues');
  const offsets = program.symbols.kernel.lookup('__per_cpu_offset');
  if (rq === undefined) return undefined;
  const queues: (Sample & { readonly idle: string })[] = [];
  const mask = program.symbols.kernel.lookup('__cpu_online_mask')?.address;
  const online = mask === undefined ? undefined : attempt(() => program.memory.readU64(mask));
  for (let cpu = 0; cpu < 64; cpu++) {
    if ((((online ?? 1n) >> BigInt(cpu)) & 1n) === 0n || (cpu > 0 && offsets === undefined)) continue;
    const base = attempt(() => program.perCpuAddress(rq.address, cpu));
    const queue = base === undefined ? undefined : sampleAt(program, base, Math.min(rq.size & ~7, MAX_RQ));
    if (queue !== undefined) queues.push({ ...queue, idle: `swapper/${cpu}\0` });
  }
  const nameAt = (at: VirtAddr): string => {
    const bytes = attempt(() => program.memory.readBytes(add(at, comm), NAME_SIZE));
    return bytes === undefined ? '' : Buffer.from(bytes).toString('latin1');
  };
  const isIdle = (at: number): boolean =>
    queues.every((queue) => isKernel(u64(queue, at)) && nameAt(u64(queue, at)).startsWith(queue.idle));
  const [first] = queues;
  if (first === undefined) return undefined;
  for (let at = 8; at + 32 <= first.view.byteLength; at += 8) {
    if (!isIdle(at)) continue;
    // Where all CPUs are idle, `curr` looks like `idle`, which comes last. Since 6.8 `dl_server` lies between them.
    const idle = isIdle(at + 16) ? at + 16 : isIdle(at + 8) ? at + 8 : at;
    const curr = [8, 16].find((back) => queues.every((queue) => isNamed(program, add(u64(queue, idle - back), comm))));
    if (curr !== undefined) return { curr: idle - curr, idle };
  }
  return undefined;
}
