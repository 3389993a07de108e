/**
 * What a stack tells by the names of its functions alone, where no structure proves it: a weaker answer, and marked so.
 * Innermost match wins. Names are those of 2.6.32 to 7.x; each says from where it comes when that is not plain.
 */
import type { NamedFrame } from './stack.ts';
import type { FoundWait, WaitKind } from './wait-kinds.ts';

interface Place {
  readonly functions: RegExp;
  readonly kind: WaitKind;
  readonly what: string;
}

const PLACES: readonly Place[] = [
  // __refrigerator since 3.3 (commit a0acae0e886d), refrigerator before.
  { functions: /^(__)?refrigerator$/, kind: 'frozen', what: 'for the freezer to let it go on' },
  { functions: /^cgroup_enter_frozen$|^do_freezer_trap$/, kind: 'frozen', what: 'for somebody to thaw its cgroup' },
  {
    functions: /^mem_cgroup_handle_over_high$|^__mem_cgroup_handle_over_high$/,
    kind: 'throttled',
    what: 'because its memory cgroup is above memory.high',
  },
  { functions: /^balance_dirty_pages/, kind: 'throttled', what: 'until dirty pages are written' },
  {
    functions: /^(wbt_wait|rq_qos_wait|blk_throtl_bio|blkcg_maybe_throttle_current)$/,
    kind: 'throttled',
    what: 'because of the limits of a block device',
  },
  {
    functions: /^(mem_cgroup_oom_synchronize|mem_cgroup_handle_oom)$/,
    kind: 'out-of-memory',
    what: 'for the memory cgroup to get memory',
  },
  {
    functions: /^(out_of_memory|__alloc_pages_may_oom|pagefault_out_of_memory)$/,
    kind: 'out-of-memory',
    what: 'for the OOM killer',
  },
  {
    functions: /^(throttle_direct_reclaim|reclaim_throttle|wait_iff_congested|congestion_wait|too_many_isolated)$/,
    kind: 'reclaim',
    what: 'in reclaim, until pages become free',
  },
  {
    functions: /^(try_to_free_pages|do_try_to_free_pages|try_to_free_mem_cgroup_pages)$/,
    kind: 'reclaim',
    what: 'in reclaim, to get a page',
  },
  {
    functions:
      /^(jbd2_log_wait_commit|start_this_handle|wait_transaction_(locked|switching)|jbd2_journal_\w+|add_transaction_credits)$/,
    kind: 'journal',
    what: 'for the journal of the file system',
  },
  { functions: /^(de_thread|wait_for_notify_count)$/, kind: 'exec', what: 'for the other threads to end, in exec' },
  {
    functions: /^(do_coredump|coredump_wait|vfs_coredump|coredump_task_exit)$/,
    kind: 'core-dump',
    what: 'for a core dump',
  },
  { functions: /^(ptrace_stop|ptrace_do_notify|ptrace_check_attach)$/, kind: 'tracer', what: 'for its tracer' },
  { functions: /^(zap_pid_ns_processes|exit_mm|wait_for_kprobe_optimizer)$/, kind: 'exit', what: 'in exit' },
  {
    functions:
      /^(__do_sys_pause|sys_pause|SyS_pause|sigsuspend|do_sigtimedwait|__do_sys_rt_sigsuspend|__x64_sys_rt_sigtimedwait)$/,
    kind: 'signal',
    what: 'for a signal',
  },
  {
    functions: /^(do_nanosleep|hrtimer_nanosleep|msleep\w*|usleep_range\w*)$/,
    kind: 'timer',
    what: 'for a timer',
  },
  {
    functions:
      /^(io_schedule\w*|submit_bio_wait|blk_execute_rq|__?blk_mq_get_tag|blk_mq_get_tag|get_request|blkdev_direct_IO|__blkdev_direct_IO\w*|dio_await_completion|iomap_dio_complete|__iomap_dio_rw|blk_mq_freeze_queue_wait|bio_await\w*)$/,
    kind: 'io',
    what: 'for a block device',
  },
  {
    functions: /^(request_wait_answer|fuse_simple_request|__fuse_simple_request|fuse_dev_do_read)$/,
    kind: 'fuse',
    what: 'for the other side of FUSE',
  },
  {
    functions: /^(rpc_wait_bit_killable|rpc_execute|nfs\d?_\w+|__rpc_execute)$/,
    kind: 'socket',
    what: 'for an NFS or RPC server',
  },
  {
    functions: /^(synchronize_rcu\w*|synchronize_srcu|__synchronize_srcu|rcu_barrier|wait_rcu_gp|__wait_rcu_gp)$/,
    kind: 'grace-period',
    what: 'for a grace period of RCU',
  },
  {
    functions: /^(wait_for_partner|fifo_open|pipe_(read|write|wait\w*))$/,
    kind: 'pipe',
    what: 'for the other end of a pipe',
  },
  { functions: /^(ep_poll|do_epoll_wait)$/, kind: 'events', what: 'for events' },
  { functions: /^(do_poll|do_sys_poll|do_select|core_sys_select)$/, kind: 'poll', what: 'for events' },
  { functions: /^(__)?futex_wait/, kind: 'futex', what: 'for a futex' },
  {
    functions:
      /^(unix_stream_\w+|unix_dgram_\w+|sk_wait_data|__?skb_wait_for_more_packets|inet_csk_accept|tcp_\w+|__lock_sock|sock_alloc_send_pskb)$/,
    kind: 'socket',
    what: 'for a socket',
  },
  { functions: /^(n_tty_read|n_tty_write|tty_wait_until_sent)$/, kind: 'terminal', what: 'for a terminal' },
  { functions: /^(do_wait|kernel_wait4?)$/, kind: 'child', what: 'for a child to end' },
  { functions: /^(wait_for_completion\w*|__?wait_for_common)$/, kind: 'completion', what: 'for a completion' },
  { functions: /^(flush_work|__flush_work|(__)?flush_workqueue)$/, kind: 'work', what: 'for work of a workqueue' },
];

/** Functions in which kernel threads wait for work; whatever they call to sleep says nothing more. */
const IDLE =
  /^(worker_thread|rescuer_thread|kthread_worker_fn|smpboot_thread_fn|kthreadd|rcu_(gp_kthread|tasks_kthread|tasks_one_gp|gp_fqs_loop|nocb_\w+|boost_kthread)|kswapd|kcompactd|khugepaged|ksm_scan_thread|oom_reaper|devtmpfs(d|_work_loop)|kauditd_thread|watchdog|irq_thread|kjournald2|printk_kthread_func|kprobe_optimizer_thread|kdamond_fn|jfs_\w+|xfsaild|scsi_error_handler|usb_hub_thread|hub_thread|kthread)$/;
/** A worker that runs a work item is not idle. */
const AT_WORK = /^(process_one_work|process_scheduled_works)$/;

/**
 * What the functions alone tell.
 * @param frames - of a `struct task_struct` that sleeps
 * @param kthread - whether it is a kernel thread
 * @param inIoWait - its `in_iowait`
 * @returns undefined when no function of the table is on the stack
 */
export function functionWait(
  frames: readonly NamedFrame[],
  kthread: boolean,
  inIoWait: boolean,
): FoundWait | undefined {
  const names = frames.map(({ func }) => func).filter((func) => func !== undefined);
  for (const name of names) {
    const place = PLACES.find(({ functions }) => functions.test(name));
    if (place !== undefined) return { kind: place.kind, what: place.what };
    // What lies further out has called this one.
    if (kthread && IDLE.test(name)) break;
  }
  if (inIoWait) return { kind: 'io', what: 'for input or output' };
  // All sorts of waits call it, with or without a time.
  if (names.some((name) => name.startsWith('schedule_hrtimeout'))) return { kind: 'timer', what: 'for a timer' };
  if (kthread && isIdle(names)) return { kind: 'idle', what: 'for work' };
  return undefined;
}

function isIdle(names: readonly string[]): boolean {
  return names.some((name) => IDLE.test(name)) && !names.some((name) => AT_WORK.test(name));
}

/** Whether a kernel thread's `struct task_struct` sleeps in its own main loop: in a function of a list, called by `kthread()` directly. */
export function isIdleLoop(frames: readonly NamedFrame[]): boolean {
  const names = frames
    .map(({ func }) => func)
    .filter((func) => func !== undefined && !/^(__)?schedule|^preempt_schedule|^rt_mutex_schedule/.test(func));
  const [first, second] = names;
  return (
    first !== undefined &&
    IDLE.test(first) &&
    (second === undefined || /^(kthread|ret_from_fork|kernel_thread_helper)|^rcu_|^devtmpfsd$/.test(second))
  );
}
