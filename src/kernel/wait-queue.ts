/**
 * Wait queues, `struct wait_queue_head` (include/linux/wait.h), and who is behind each entry: a sleeping task, a task in
 * poll(2) or select(2), or an epoll instance with the tasks that wait on it. Up to 4.12 the same structures are
 * `wait_queue_head_t` with `task_list` and `wait_queue_t` with `task_list` (renamed by commits 50816c48997a and
 * 2055da97389a).
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';

const MAX_ENTRIES = 1 << 20;

export interface WaitQueueLayout {
  /** The list in the queue. */
  readonly head: Field;
  /** 'struct wait_queue_entry' or its older name. */
  readonly entryType: string;
  /** Its link, and the name of that member. */
  readonly entry: Field;
  readonly entryName: string;
  readonly private: Field;
  readonly func: Field;
}

/**
 * Members of `struct wait_queue_head` and `struct wait_queue_entry` by what this kernel calls them.
 * @throws LookupError
 */
export function waitQueueLayout(program: Program): WaitQueueLayout {
  const renamed = program.tryField('struct wait_queue_entry', 'entry') !== undefined;
  const entryType = renamed ? 'struct wait_queue_entry' : 'struct __wait_queue';
  const headType = renamed ? 'struct wait_queue_head' : 'struct __wait_queue_head';
  const entryName = renamed ? 'entry' : 'task_list';
  return {
    head: program.field(headType, renamed ? 'head' : 'task_list'),
    entryType,
    entry: program.field(entryType, entryName),
    entryName,
    private: program.field(entryType, 'private'),
    func: program.field(entryType, 'func'),
  };
}

export interface WaitEntry {
  /** `struct wait_queue_entry *`. */
  readonly entry: VirtAddr;
  /** Function that is called to wake it, 'autoremove_wake_function'; undefined when it has no symbol. */
  readonly func: string | undefined;
  /** `task`: a task sleeps on it; `poll`: in poll(2) or select(2); `epoll`: an epoll instance listens; else `other`. */
  readonly kind: 'task' | 'poll' | 'epoll' | 'other';
  /** `struct task_struct *` of each task that sleeps until this is woken. Nobody may sleep on an epoll instance. */
  readonly tasks: readonly VirtAddr[];
}

/**
 * Functions whose entries have the task itself in `private`: those that wake any sleeper, and those of wait_on_bit(),
 * wait_var_event(), folio locks, per-CPU rw_semaphores, epoll_wait(2), wait4(2), the memory cgroups' OOM, userfaultfd and
 * the block layer's throttles.
 */
const TASK_FUNCTIONS: ReadonlySet<string> = new Set([
  'default_wake_function',
  'autoremove_wake_function',
  'woken_wake_function',
  'wake_bit_function',
  'var_wake_function',
  'wake_page_function',
  'percpu_rwsem_wake_function',
  'ep_autoremove_wake_function',
  'child_wait_callback',
  'memcg_oom_wake_function',
  'userfaultfd_wake_function',
  'rq_qos_wake_function',
]);

/**
 * The entries of a wait queue, in order.
 * @param queue - `struct wait_queue_head *`
 * @throws FaultError, LookupError, ValidationError when the list is broken
 */
export function* waitQueueEntries(program: Program, queue: VirtAddr): Generator<WaitEntry> {
  const layout = waitQueueLayout(program);
  for (const entry of listEntries(program, layout.head.address(queue), layout.entryType, layout.entryName, MAX_ENTRIES))
    yield readEntry(program, layout, entry);
}

function readEntry(program: Program, layout: WaitQueueLayout, entry: VirtAddr): WaitEntry {
  const symbol = program.symbols.at(layout.func.pointer(entry));
  const func = symbol?.offset === 0 ? symbol.name : undefined;
  const data = layout.private.pointer(entry);
  if (func !== undefined && TASK_FUNCTIONS.has(func)) {
    return { entry, func, kind: 'task', tasks: isKernel(data) ? [data] : [] };
  }
  if (func === 'pollwake') {
    // struct poll_wqueues, on the stack of the task in poll(2).
    const task = attempt(() => program.field('struct poll_wqueues', 'polling_task').pointer(data));
    return { entry, func, kind: 'poll', tasks: task !== undefined && isKernel(task) ? [task] : [] };
  }
  if (func === 'ep_poll_callback') {
    return { entry, func, kind: 'epoll', tasks: attempt(() => epollSleepers(program, layout, entry)) ?? [] };
  }
  return { entry, func, kind: 'other', tasks: [] };
}

/** `struct eppoll_entry.wait` -> `struct epitem` -> `struct eventpoll.wq`: the tasks in epoll_wait(2). */
function epollSleepers(program: Program, layout: WaitQueueLayout, entry: VirtAddr): VirtAddr[] {
  const poll = program.field('struct eppoll_entry', 'wait').container(entry);
  const item = program.field('struct eppoll_entry', 'base').pointer(poll);
  const instance = program.field('struct epitem', 'ep').pointer(item);
  const queue = layout.head.address(program.field('struct eventpoll', 'wq').address(instance));
  const sleepers = listEntries(program, queue, layout.entryType, layout.entryName, MAX_ENTRIES);
  return sleepers
    .map((sleeper) => layout.private.pointer(sleeper))
    .filter((task) => isKernel(task))
    .toArray();
}
