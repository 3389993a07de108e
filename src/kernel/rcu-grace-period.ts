/**
 * The grace period of RCU that runs at the crash (kernel/rcu/tree.h), and what keeps it from ending: CPUs that have not
 * passed a quiescent state since it began, and tasks that were preempted, or went to sleep, inside of a read-side section
 * (`rcu_node.gp_tasks`, preemptible RCU alone). One `rcu_state` since 4.20; the several flavours before, expedited grace
 * periods, SRCU and Tasks RCU are not read.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { nanoseconds, type Nanoseconds } from '../base/units.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { timekeeping } from './timekeeping.ts';

/** RCU_SEQ_STATE_MASK: the low bits of `gp_seq` say whether one runs. */
const RUNNING = 3n;
/** Readers of one node that block a grace period. */
const MAX_READERS = 1 << 16;

/** A CPU that the grace period still waits for. */
export interface HoldoutCpu {
  readonly cpu: number;
  /** `struct rcu_node *` whose `qsmask` has its bit. */
  readonly node: VirtAddr;
}

export interface GracePeriod {
  /** `struct rcu_state *`. */
  readonly state: VirtAddr;
  /** `gp_seq`. */
  readonly sequence: bigint;
  /** Since it began; undefined where the clock cannot be read. */
  readonly age: Nanoseconds | undefined;
  /** `struct task_struct *` of the thread that begins and ends them. */
  readonly kthread: VirtAddr | undefined;
  readonly cpus: readonly HoldoutCpu[];
  /** `struct task_struct *` of readers that are off the CPU inside of their section. */
  readonly readers: readonly VirtAddr[];
  /** False when a part of the tree could not be read: there may be more of both. */
  readonly complete: boolean;
  /** After how long the kernel itself complains, `rcu_cpu_stall_timeout`; undefined when it is not known. */
  readonly stallAfter: Nanoseconds | undefined;
}

/**
 * The grace period that runs, by the `struct rcu_state` and its tree.
 * @returns undefined when none runs
 * @throws FaultError, LookupError where RCU is not kept in this way
 */
export function gracePeriod(program: Program): GracePeriod | undefined {
  const state = program.symbol('rcu_state').address;
  const field = (path: string) => program.field('struct rcu_state', path);
  const sequence = field('gp_seq').u64(state);
  if ((sequence & RUNNING) === 0n) return undefined;
  const kthread = attempt(() => field('gp_kthread').pointer(state));
  const { jiffies, hz, uptime } = timekeeping(program);
  const start = attempt(() => field('gp_start').u64(state));
  const nodes = new Set<VirtAddr>();
  const held: HoldoutCpu[] = [];
  let complete = true;
  for (const cpu of cpus(program, 'possible')) {
    const found = attempt(() => nodeOf(program, cpu));
    if (found === undefined) {
      complete = false;
      continue;
    }
    nodes.add(found.node);
    if (found.holds) held.push({ cpu, node: found.node });
  }
  const readers: VirtAddr[] = [];
  for (const node of nodes) {
    const found = attempt(() => readersOf(program, node));
    if (found === undefined) complete = false;
    else readers.push(...found);
  }
  return {
    state,
    sequence,
    age: since(start, jiffies.value, hz.value, uptime.boottime.value),
    kthread: kthread !== undefined && isKernel(kthread) ? kthread : undefined,
    cpus: held,
    readers,
    complete,
    stallAfter: stallTimeout(program),
  };
}

/** jiffies lag behind the clock, never lead by more than a moment; a damaged stamp may lie anywhere. */
const SLACK = 1_000_000_000n;

/** In nanoseconds; undefined also for what would have begun before the machine did. */
function since(
  start: bigint | undefined,
  now: bigint | undefined,
  hz: number | undefined,
  uptime: Nanoseconds | undefined,
): Nanoseconds | undefined {
  if (start === undefined || now === undefined || hz === undefined || now < start) return undefined;
  const age = ((now - start) * 1_000_000_000n) / BigInt(hz);
  return uptime !== undefined && age > uptime + SLACK ? undefined : nanoseconds(age);
}

/** In seconds; a `module_param` of kernel/rcu/update.c since 3.9 or so. */
function stallTimeout(program: Program): Nanoseconds | undefined {
  const at = attempt(() => program.symbol('rcu_cpu_stall_timeout').address);
  const seconds = at === undefined ? undefined : attempt(() => program.memory.readU32(at));
  return seconds === undefined || seconds === 0 || seconds > 3600
    ? undefined
    : nanoseconds(BigInt(seconds) * 1_000_000_000n);
}

/** A CPU's leaf of the tree, and whether that has its bit still set. `rcu_data` since 4.20, one per flavour before. */
function nodeOf(program: Program, cpu: number): { readonly node: VirtAddr; readonly holds: boolean } | undefined {
  const data = program.perCpuAddress(program.symbol('rcu_data').address, cpu);
  const node = program.field('struct rcu_data', 'mynode').pointer(data);
  if (!isKernel(node)) return undefined;
  const mask = program.field('struct rcu_data', 'grpmask').u64(data);
  const missing = program.field('struct rcu_node', 'qsmask').u64(node);
  return { node, holds: (missing & mask) !== 0n };
}

/** `gp_tasks` points into the list: that reader and all behind it block the grace period, those before it do not. */
function readersOf(program: Program, node: VirtAddr): readonly VirtAddr[] {
  const field = (path: string) => program.field('struct rcu_node', path);
  const first = program.tryField('struct rcu_node', 'gp_tasks')?.pointer(node);
  if (first === undefined || !isKernel(first)) return [];
  const head = field('blkd_tasks').address(node);
  const entry = program.field('struct task_struct', 'rcu_node_entry');
  const found: VirtAddr[] = [];
  const next = program.field('struct list_head', 'next');
  const prev = program.field('struct list_head', 'prev');
  for (let at = first; at !== head && isKernel(at); at = next.pointer(at)) {
    if (found.length >= MAX_READERS || prev.pointer(next.pointer(at)) !== at) return found;
    found.push(entry.container(at));
  }
  return found;
}
