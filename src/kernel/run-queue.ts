/**
 * Run queues, `struct rq` (kernel/sched/sched.h): the tasks that wait for a CPU, real-time and fair ones, through groups
 * (`my_q`) as well. The current task of a CPU is in the tree of none. Deadline tasks are not listed.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { listEntries } from './list.ts';
import { rbEntries } from './rbtree.ts';

/** Groups inside of groups; control groups may nest, but no one goes this deep. */
const MAX_DEPTH = 64;
const MAX_QUEUED = 1 << 20;

export interface RunQueue {
  readonly cpu: number;
  /** `struct rq *`. */
  readonly rq: VirtAddr;
  /** `struct task_struct *` that runs. */
  readonly current: VirtAddr;
  /** `rq->clock`, nanoseconds; stands still while the CPU is idle. */
  readonly clock: bigint;
  /** `struct rt_prio_array *`. */
  readonly realtime: VirtAddr;
  /** `struct rb_root_cached *` (a `struct rb_root` until 4.13, commit bfb068892d30). */
  readonly fair: VirtAddr;
}

/**
 * The run queue of one CPU, its `struct rq`.
 * @throws FaultError, LookupError
 */
export function readRunQueue(program: Program, cpu: number): RunQueue {
  const rq = program.perCpuAddress(program.symbol('runqueues').address, cpu);
  return {
    cpu,
    rq,
    current: program.field('struct rq', 'curr').pointer(rq),
    clock: program.field('struct rq', 'clock').u64(rq),
    realtime: program.field('struct rq', 'rt.active').address(rq),
    fair: program.field('struct rq', 'cfs.tasks_timeline').address(rq),
  };
}

/**
 * The fair tasks that wait, in order of their virtual run time inside of each group.
 * @param queue - of `readRunQueue`
 * @returns `struct task_struct *` of each
 * @throws FaultError, LookupError, ValidationError when a tree is broken
 */
export function* fairTasks(program: Program, queue: Pick<RunQueue, 'rq'>): Generator<VirtAddr> {
  yield* below(program, program.field('struct rq', 'cfs').address(queue.rq), 0);
}

function* below(program: Program, cfs: VirtAddr, depth: number): Generator<VirtAddr> {
  if (depth > MAX_DEPTH) throw new ValidationError('struct cfs_rq', cfs, 'its groups do not end');
  // Without CONFIG_FAIR_GROUP_SCHED there are no groups.
  const group = program.tryField('struct sched_entity', 'my_q');
  const task = program.field('struct task_struct', 'se');
  const current = program.field('struct cfs_rq', 'curr').pointer(cfs);
  const running = isKernel(current) ? group?.pointer(current) : undefined;
  // What runs was taken out of the tree; of a group that is so, the others still wait.
  if (running !== undefined && isKernel(running)) yield* below(program, running, depth + 1);
  const root = program.field('struct cfs_rq', 'tasks_timeline').address(cfs);
  for (const entity of rbEntries(program, root, 'struct sched_entity', 'run_node', MAX_QUEUED)) {
    const inner = group?.pointer(entity) ?? 0n;
    if (inner === 0n) yield task.container(entity);
    else yield* below(program, inner as VirtAddr, depth + 1);
  }
}

/**
 * The real-time tasks that wait or run, highest priority first.
 * @param queue - of `readRunQueue`
 * @returns `struct task_struct *` of each
 * @throws FaultError, LookupError, ValidationError when a list is broken
 */
export function* realtimeTasks(program: Program, queue: Pick<RunQueue, 'realtime'>): Generator<VirtAddr> {
  yield* ofArray(program, queue.realtime, 0);
}

function* ofArray(program: Program, active: VirtAddr, depth: number): Generator<VirtAddr> {
  if (depth > MAX_DEPTH) throw new ValidationError('struct rt_prio_array', active, 'its groups do not end');
  const queues = program.field('struct rt_prio_array', 'queue');
  const bare = strip(queues.type);
  const count = bare.kind === 'array' ? Math.min(bare.length, 1024) : 0;
  const size = program.sizeOf('struct list_head');
  const task = program.field('struct task_struct', 'rt');
  // Only with CONFIG_RT_GROUP_SCHED.
  const group = program.tryField('struct sched_rt_entity', 'my_q');
  for (let i = 0; i < count; i++) {
    const head = add(queues.address(active), i * size);
    for (const entity of listEntries(program, head, 'struct sched_rt_entity', 'run_list', MAX_QUEUED)) {
      const inner = group?.pointer(entity) ?? 0n;
      if (inner === 0n) yield task.container(entity);
      else yield* ofArray(program, program.field('struct rt_rq', 'active').address(inner as VirtAddr), depth + 1);
    }
  }
}
