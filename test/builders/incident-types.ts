/**
 * The types of tasks, run queues, sleeping locks and userfaultfd that an Incident needs beside those of vfs.ts, in the
 * layouts of Linux 6.1 and of 3.10 (no userfaultfd, `state`, `thread_group`, pids in the task, counting mutexes).
 */
import { type KernelImage, struct, union } from './image.ts';
import type { Members } from './types.ts';

export type IncidentEra = '3.10' | '6.1';

const SCHED_INFO = struct({
  pcount: 'unsigned long',
  run_delay: 'unsigned long long',
  last_arrival: 'unsigned long long',
  last_queued: 'unsigned long long',
});

/** Members of task_struct beyond those of vfs.ts. */
export function taskMembers(era: IncidentEra): Members {
  const own: Members =
    era === '6.1'
      ? {
          thread_info: struct({ flags: 'unsigned long', cpu: 'u32' }),
          __state: 'unsigned int',
          thread_node: 'struct list_head',
          start_time: 'u64',
          psi_flags: 'unsigned int',
          cgroups: 'struct css_set *',
          policy: 'unsigned int',
          rt_priority: 'unsigned int',
          sched_class: 'void *',
          se: struct({ sum_exec_runtime: 'u64' }),
        }
      : { state: 'volatile long', thread_group: 'struct list_head', pids: 'struct pid_link[3]' };
  return {
    ...own,
    flags: 'unsigned int',
    exit_state: 'int',
    tgid: 'pid_t',
    real_parent: 'struct task_struct *',
    group_leader: 'struct task_struct *',
    tasks: 'struct list_head',
    signal: 'struct signal_struct *',
    rss_stat: struct({ events: 'int', count: 'int[4]' }),
    sched_info: SCHED_INFO,
    vfork_done: 'void *',
  };
}

export function declareIncident(image: KernelImage, era: IncidentEra): void {
  declareTasks(image, era);
  declareWaiters(image);
  if (era === '6.1') declareUserfaultfd(image);
}

function declareTasks(image: KernelImage, era: IncidentEra): void {
  const today = era === '6.1';
  // Came with the numbering of task states of today, in 4.14.
  if (today) image.struct('rb_root_cached', { rb_root: 'struct rb_root', rb_leftmost: 'struct rb_node *' });
  image.struct('rq', {
    nr_running: 'unsigned int',
    clock: 'u64',
    curr: 'struct task_struct *',
    idle: 'struct task_struct *',
    ...(today ? { rt: struct({ active: 'u64[2]' }), cfs: struct({ tasks_timeline: 'u64[2]' }) } : {}),
  });
  image.struct('pid_link', { node: 'struct hlist_node', pid: 'struct pid *' });
  image.struct('upid', { nr: 'int', ns: 'void *' });
  image.struct('pid', { count: 'atomic_t', numbers: 'struct upid[1]' });
  image.struct('tty_struct', { magic: 'int', name: 'char[64]' });
  image.struct('signal_struct', {
    ...(today ? { thread_head: 'struct list_head', pids: 'struct pid *[4]' } : {}),
    tty: 'struct tty_struct *',
    oom_score_adj: 'short',
    ...(today ? { oom_mm: 'struct mm_struct *' } : {}),
  });
  const types = today ? ['PIDTYPE_PID', 'PIDTYPE_TGID'] : ['PIDTYPE_PID'];
  image.enum('pid_type', [...types, 'PIDTYPE_PGID', 'PIDTYPE_SID', 'PIDTYPE_MAX']);
  image.struct('mm_struct', {
    mmap: 'struct vm_area_struct *',
    [today ? 'mmap_lock' : 'mmap_sem']: 'struct rw_semaphore',
    rss_stat: struct({ count: 'atomic_long_t[4]' }),
    flags: 'unsigned long',
    [today ? 'pgtables_bytes' : 'nr_ptes']: 'atomic_long_t',
  });
  image.enum(undefined, ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SWAPENTS', 'MM_SHMEMPAGES']);
  image.struct('vm_area_struct', {
    vm_start: 'unsigned long',
    vm_end: 'unsigned long',
    vm_next: 'struct vm_area_struct *',
    vm_mm: 'struct mm_struct *',
    vm_flags: 'unsigned long',
    vm_pgoff: 'unsigned long',
    vm_file: 'struct file *',
    vm_userfaultfd_ctx: struct({ ctx: 'struct userfaultfd_ctx *' }),
  });
  image.struct('module', { state: 'int', list: 'struct list_head', name: 'char[56]' });
}

function declareWaiters(image: KernelImage): void {
  image.struct('semaphore', { lock: 'raw_spinlock_t', count: 'unsigned int', wait_list: 'struct list_head' });
  image.enum('rwsem_waiter_type', ['RWSEM_WAITING_FOR_WRITE', 'RWSEM_WAITING_FOR_READ']);
  const waiter: Members = { list: 'struct list_head', task: 'struct task_struct *' };
  image.struct('mutex_waiter', waiter);
  image.struct('rwsem_waiter', { ...waiter, type: 'enum rwsem_waiter_type', timeout: 'unsigned long' });
  image.struct('semaphore_waiter', { ...waiter, up: 'bool' });
}

function declareUserfaultfd(image: KernelImage): void {
  image.struct('wait_queue_entry', {
    flags: 'unsigned int',
    private: 'void *',
    func: 'void *',
    entry: 'struct list_head',
  });
  image.struct('wait_queue_head', { lock: 'spinlock_t', head: 'struct list_head' });
  image.typedef('refcount_t', struct({ refs: 'atomic_t' }));
  image.struct('userfaultfd_ctx', {
    fault_pending_wqh: 'struct wait_queue_head',
    fault_wqh: 'struct wait_queue_head',
    fd_wqh: 'struct wait_queue_head',
    refcount: 'refcount_t',
    released: 'bool',
    mm: 'struct mm_struct *',
  });
  image.struct('uffd_msg', {
    event: 'u8',
    arg: union({ pagefault: struct({ flags: 'u64', address: 'u64', feat: 'u64' }), reserved: 'u64[3]' }),
  });
  image.struct('userfaultfd_wait_queue', {
    msg: 'struct uffd_msg',
    wq: 'struct wait_queue_entry',
    ctx: 'struct userfaultfd_ctx *',
    waken: 'bool',
  });
}
