/**
 * Groups of tasks that share a CPU, `struct task_group` (kernel/sched/sched.h): what stands in the run queue of each, which
 * are held back because their quota is used up (`cfs_rq.throttled`, CONFIG_CFS_BANDWIDTH), and what they are called.
 * A group that is held back stands in its parent's tree no more, so it is found through the list of all groups.
 * Deadline tasks and those of sched_ext are not listed.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { listEntries } from './list.ts';
import { rbEntries } from './rbtree.ts';
import type { RunQueue } from './run-queue.ts';

/** Groups inside of groups; control groups may nest, but no one goes this deep. */
const MAX_DEPTH = 64;
const MAX_QUEUED = 1 << 20;
const MAX_GROUPS = 1 << 20;
const MAX_NAME = 256;

/** What stands in the queue of a group: a task, or a group inside of it. */
export type Queued =
  | {
      readonly kind: 'task';
      /** `struct task_struct *`. */
      readonly task: VirtAddr;
      readonly running: boolean;
    }
  | {
      readonly kind: 'group';
      readonly queue: GroupQueue;
      /** Place in the array of real-time priorities; undefined among fair ones. */
      readonly priority: number | undefined;
    };

/** The queue of one group on one CPU. */
export interface GroupQueue {
  /** `struct task_group *`; undefined when the kernel was made without groups. */
  readonly group: VirtAddr | undefined;
  /** `struct cfs_rq *` or `struct rt_rq *`. */
  readonly queue: VirtAddr;
  /** Of its cgroup, or 'autogroup-12'; undefined for the root. */
  readonly name: string | undefined;
  /** Its quota is used up: nothing in it may run. */
  readonly throttled: boolean;
  readonly entries: readonly Queued[];
}

interface FairFields {
  readonly group: Field | undefined;
  readonly inner: Field | undefined;
  readonly current: Field;
  readonly tree: Field;
  readonly task: Field;
  readonly throttled: Field | undefined;
  readonly limbo: Field | undefined;
}

function fairFields(program: Program): FairFields {
  return {
    // Without CONFIG_FAIR_GROUP_SCHED there are no groups.
    group: program.tryField('struct cfs_rq', 'tg'),
    inner: program.tryField('struct sched_entity', 'my_q'),
    current: program.field('struct cfs_rq', 'curr'),
    tree: program.field('struct cfs_rq', 'tasks_timeline'),
    task: program.field('struct task_struct', 'se'),
    throttled: program.tryField('struct cfs_rq', 'throttled'),
    // Since 6.18 tasks leave the queue one by one on their way back to user space (commit e1fad12dcb66).
    limbo: program.tryField('struct cfs_rq', 'throttled_limbo_list'),
  };
}

/**
 * The fair tasks of a CPU by groups, each a `struct cfs_rq`. In each what runs comes first, then what waits in the order of its tree, then what is
 * held back.
 * @param groups - `throttledGroups` of the same CPU
 * @throws FaultError, LookupError, ValidationError when a tree is broken
 */
export function fairQueue(
  program: Program,
  { rq, current }: Pick<RunQueue, 'rq' | 'current'>,
  groups: readonly ThrottledGroup[],
): GroupQueue {
  const fields = fairFields(program);
  const seen = new Set<VirtAddr>();
  const read = (queue: VirtAddr, depth: number): GroupQueue => {
    if (depth > MAX_DEPTH || seen.has(queue))
      throw new ValidationError('struct cfs_rq', queue, 'its groups do not end');
    seen.add(queue);
    const entries: Queued[] = [];
    const push = (entity: VirtAddr, running: boolean): void => {
      const inner = fields.inner?.pointer(entity) ?? 0n;
      if (inner !== 0n) entries.push({ kind: 'group', queue: read(inner as VirtAddr, depth + 1), priority: undefined });
      else entries.push({ kind: 'task', task: fields.task.container(entity), running });
    };
    const running = fields.current.pointer(queue);
    // What runs was taken out of the tree. A task of another class may have the CPU while this one is still noted.
    if (isKernel(running)) {
      const isGroup = (fields.inner?.pointer(running) ?? 0n) !== 0n;
      if (isGroup || fields.task.container(running) === current) push(running, true);
    }
    for (const entity of rbEntries(program, fields.tree.address(queue), 'struct sched_entity', 'run_node', MAX_QUEUED))
      if (entity !== running) push(entity, false);
    if (fields.limbo !== undefined) {
      const limbo = fields.limbo.address(queue);
      for (const task of listEntries(program, limbo, 'struct task_struct', 'throttle_node', MAX_QUEUED))
        entries.push({ kind: 'task', task, running: false });
    }
    for (const { parent, queue: inner } of groups)
      if (parent === queue && !seen.has(inner))
        entries.push({ kind: 'group', queue: read(inner, depth + 1), priority: undefined });
    const group = fields.group?.pointer(queue);
    return {
      group,
      queue,
      name: group === undefined ? undefined : groupName(program, group),
      throttled: (fields.throttled?.number(queue) ?? 0) !== 0,
      entries,
    };
  };
  return read(program.field('struct rq', 'cfs').address(rq), 0);
}

export interface ThrottledGroup {
  /** `struct cfs_rq *` of the group's parent on this CPU. */
  readonly parent: VirtAddr;
  /** Its own. */
  readonly queue: VirtAddr;
}

/**
 * The groups, `struct task_group`, whose quota on a CPU is used up, in the order of the kernel's list of all groups.
 * @throws FaultError, LookupError, ValidationError when the list is broken
 */
export function throttledGroups(program: Program, cpu: number): readonly ThrottledGroup[] {
  const head = program.symbols.kernel.lookup('task_groups')?.address;
  const throttled = program.tryField('struct cfs_rq', 'throttled');
  const queues = program.tryField('struct task_group', 'cfs_rq');
  if (head === undefined || throttled === undefined || queues === undefined) return [];
  const limbo = program.tryField('struct cfs_rq', 'throttled_limbo_list');
  const parent = program.field('struct task_group', 'parent');
  // An array of pointers by CPU; since 7.1 a per-CPU pointer to the queues themselves.
  const pointee = strip(queues.type);
  const isPerCpu = pointee.kind === 'pointer' && strip(pointee.target).kind !== 'pointer';
  const queueOf = (group: VirtAddr): VirtAddr => {
    const base = queues.pointer(group);
    return isPerCpu ? program.perCpuAddress(base, cpu) : program.memory.readPointer(add(base, 8 * cpu));
  };
  const found: ThrottledGroup[] = [];
  for (const group of listEntries(program, head, 'struct task_group', 'list', MAX_GROUPS)) {
    const above = parent.pointer(group);
    if (!isKernel(above)) continue;
    const queue = queueOf(group);
    const isHeld = throttled.number(queue) !== 0;
    const hasLimbo = limbo !== undefined && program.memory.readPointer(limbo.address(queue)) !== limbo.address(queue);
    if (isHeld || hasLimbo) found.push({ parent: queueOf(above), queue });
  }
  return found;
}

/**
 * The real-time tasks of a CPU, `struct rt_rq`, by groups where CONFIG_RT_GROUP_SCHED makes some, highest priority first; the task that
 * runs is on the list of its priority.
 * @throws FaultError, LookupError, ValidationError when a list is broken
 */
export function realtimeQueue(program: Program, { rq, current }: Pick<RunQueue, 'rq' | 'current'>): GroupQueue {
  const lists = program.field('struct rt_rq', 'active.queue');
  const bare = strip(lists.type);
  const count = bare.kind === 'array' ? Math.min(bare.length, 1024) : 0;
  const size = program.sizeOf('struct list_head');
  const task = program.field('struct task_struct', 'rt');
  const inner = program.tryField('struct sched_rt_entity', 'my_q');
  const owner = hasRealtimeGroups(program) ? program.tryField('struct rt_rq', 'tg') : undefined;
  const throttled = program.tryField('struct rt_rq', 'rt_throttled');
  const seen = new Set<VirtAddr>();
  const read = (queue: VirtAddr, depth: number): GroupQueue => {
    if (depth > MAX_DEPTH || seen.has(queue)) throw new ValidationError('struct rt_rq', queue, 'its groups do not end');
    seen.add(queue);
    const entries: Queued[] = [];
    for (let priority = 0; priority < count; priority++) {
      const head = add(lists.address(queue), priority * size);
      for (const entity of listEntries(program, head, 'struct sched_rt_entity', 'run_list', MAX_QUEUED)) {
        const below = inner?.pointer(entity) ?? 0n;
        const at = task.container(entity);
        if (below === 0n) entries.push({ kind: 'task', task: at, running: at === current });
        else entries.push({ kind: 'group', queue: read(below as VirtAddr, depth + 1), priority });
      }
    }
    const group = owner?.pointer(queue);
    return {
      group,
      queue,
      name: group === undefined ? undefined : groupName(program, group),
      throttled: (throttled?.number(queue) ?? 0) !== 0,
      entries,
    };
  };
  return read(program.field('struct rq', 'rt').address(rq), 0);
}

/** Whether real-time tasks have groups: CONFIG_RT_GROUP_SCHED gives `struct task_group` a queue of them. @throws LookupError */
export function hasRealtimeGroups(program: Program): boolean {
  return program.tryField('struct task_group', 'rt_rq') !== undefined;
}

/** @param group - `struct task_group *` */
function groupName(program: Program, group: VirtAddr): string | undefined {
  return attempt(() => {
    if (!isKernel(program.field('struct task_group', 'parent').pointer(group))) return undefined;
    const cgroup = program.field('struct task_group', 'css.cgroup').pointer(group);
    if (isKernel(cgroup)) {
      const node = program.field('struct cgroup', 'kn').pointer(cgroup);
      return program.field('struct kernfs_node', 'name').string(node, MAX_NAME);
    }
    // A session's own group, CONFIG_SCHED_AUTOGROUP, has no cgroup.
    const automatic = program.field('struct task_group', 'autogroup').pointer(group);
    return isKernel(automatic) ? `autogroup-${program.field('struct autogroup', 'id').value(automatic)}` : undefined;
  });
}
