/**
 * A machine of the 3.10 era with 15.4 GiB that stopped answering: memory ran short, a `ps` went into reclaim while it
 * held the lock of the directory /proc, and 748 processes queued behind it for half a day. The case was worked out by
 * hand, from a kdump that is not public; here it is again in its own layouts (linux-3.10.h), with its addresses and
 * numbers (proc-directory-numbers.ts).
 *
 *   const program = new ProcDirectory().program();
 *   new ProcDirectory().program((image) => image.write('task24156.start_time.tv_sec', 5));
 *
 * Labels: `task24156` and the like, `proc_inode` (its `i_mutex` is the lock), `waiter26001`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ElfNote } from '../../src/dump/dump-file.ts';
import type { Program } from '../../src/program/program.ts';
import { declareC } from '../builders/c-types.ts';
import { KernelImage, ref, type Value } from '../builders/image.ts';
import { kdumpOfImage } from '../builders/image-dump.ts';
import { type Stack, Stacks } from '../builders/incident-stacks.ts';
import { ERAS } from '../builders/kallsyms.ts';
import { placeLogRecords } from '../builders/log.ts';
import { programOfImage } from '../builders/program.ts';
import { placeFiles, placeMemory } from './proc-directory-machine.ts';
import { assumed, known } from './proc-directory-numbers.ts';

const header = readFileSync(join(import.meta.dirname, 'linux-3.10.h'), 'utf8');

/** `linux_banner`; the pack of the kernel's types has the same. */
export const BANNER = 'Linux version 3.10.0 (kwhy@example.org) (gcc) #1 SMP';
const THREAD_SIZE = 8192;
const PF_KTHREAD = 0x200000;
const SIGCHLD = 17;
const TASK_INTERRUPTIBLE = 1;
const TASK_UNINTERRUPTIBLE = 2;
const TASK_WAKEKILL = 128;
const SECOND = 1_000_000_000n;

const SLEEP = ['__schedule', 'schedule'];
const MUTEX = [...SLEEP, 'schedule_preempt_disabled', '__mutex_lock_slowpath', 'mutex_lock'];
const SYSCALL = 'system_call_fastpath';
const READDIR = ['vfs_readdir', 'sys_getdents', SYSCALL];
const STACKS = {
  /** It holds the directory's lock while it tries to get one page. */
  holder: [
    '__schedule',
    '__cond_resched',
    '_cond_resched',
    'wait_iff_congested',
    '__alloc_pages_nodemask',
    'alloc_pages_vma',
    'handle_pte_fault',
    'handle_mm_fault',
    '__do_page_fault',
    'do_page_fault',
    'page_fault',
    'filldir',
    'proc_fill_cache',
    'proc_pid_readdir',
    'proc_root_readdir',
    ...READDIR,
  ],
  top: [...MUTEX, 'lookup_slow', 'link_path_walk', 'path_openat', 'do_filp_open', 'do_sys_open', 'sys_open', SYSCALL],
  ps: [...SLEEP, 'schedule_preempt_disabled', '__mutex_lock_killable_slowpath', 'mutex_lock_killable', ...READDIR],
  wait: [...SLEEP, 'do_wait', 'sys_wait4', SYSCALL],
  poll: [...SLEEP, 'schedule_hrtimeout_range_clock', 'poll_schedule_timeout', 'do_select', 'sys_select', SYSCALL],
  congested: [...SLEEP, 'io_schedule_timeout', 'congestion_wait', '__alloc_pages_nodemask', 'sys_brk', SYSCALL],
  kthreadd: [...SLEEP, 'kthreadd', 'ret_from_fork'],
  kswapd: ['shrink_zone', 'balance_pgdat', 'kswapd', 'kthread', 'ret_from_fork'],
  idle: [...SLEEP, 'cpu_idle', 'start_secondary', 'secondary_startup_64'],
} as const satisfies { readonly [name: string]: Stack };

interface Spec {
  readonly pid: number;
  readonly state: number;
  readonly stack: Stack;
  readonly parent?: number;
  /** KiB; a kernel thread when not given. */
  readonly resident?: number;
  readonly start?: bigint;
  readonly lastArrival?: bigint;
  readonly cpu?: number;
  readonly at?: bigint;
}

export class ProcDirectory {
  readonly image = new KernelImage({
    data: 0xffff880020000000n,
    globals: 0xffffffff82000000n,
    perCpu: 0xffff88042fc00000n,
    release: '3.10.0',
  });
  readonly #stacks: Stacks;
  readonly #tasks: string[] = [];
  readonly #waiters: string[] = [];
  #resident = 0;

  constructor() {
    const { image } = this;
    declareC(image, header);
    this.#stacks = new Stacks(image, THREAD_SIZE, { framePointers: true });
    image.cpus(assumed.cpus, assumed.cpus, (mask) => `cpu_${mask}_bits`);
    image.global('modules', 'struct list_head');
    image.list('modules');
    placeMemory(image);
    placeFiles(image);
    placeLogRecords(image, [
      { time: 0n, text: 'Linux version 3.10.0' },
      { time: known.sysrq, text: 'SysRq : Trigger a crash' },
    ]);
    this.#noteLog();
    for (let cpu = 0; cpu < assumed.cpus; cpu++) this.#idleTask(cpu);
    this.#processes();
    this.#link();
  }

  /** @param damage - what is otherwise than it was */
  program(damage: (image: KernelImage) => void = () => {}): Program {
    damage(this.image);
    return programOfImage(this.image, { arch: this.#stacks.arch, dump: { notes: this.#notes() } });
  }

  /** What log_buf_kexec_setup() tells of the log (kernel/printk.c). */
  #noteLog(): void {
    const { image } = this;
    for (const name of ['log_buf', 'log_buf_len', 'log_first_idx', 'log_next_idx'])
      image.vmcoreinfo(`SYMBOL(${name})`, image.address(name).toString(16));
    image.vmcoreinfo('SIZE(log)', 16);
    for (const [member, offset] of [
      ['ts_nsec', 0],
      ['len', 8],
      ['text_len', 10],
      ['dict_len', 12],
    ] as const)
      image.vmcoreinfo(`OFFSET(log.${member})`, offset);
  }

  /** The same as a file, as makedumpfile writes it: with page tables, symbols and registers where the kernel has them. */
  dump(): Uint8Array {
    const notes = this.#running.map((task) => ({ name: 'CORE', type: 1, desc: this.#stacks.prstatus(task) }));
    return kdumpOfImage(this.image, { era: ERAS['3.10'], banner: BANNER, notes });
  }

  #processes(): void {
    const { holder, longest, latest, topKiB } = known;
    const { psKiB } = assumed;
    this.#task('init', { pid: 1, state: TASK_INTERRUPTIBLE, stack: STACKS.poll, resident: assumed.initKiB });
    this.#task('kthreadd', { pid: 2, state: TASK_INTERRUPTIBLE, stack: STACKS.kthreadd });
    this.#task('kswapd0', { pid: 40, state: 0, stack: STACKS.kswapd, parent: 2, cpu: 0 });
    this.#task('crond', { pid: 1207, state: TASK_INTERRUPTIBLE, stack: STACKS.poll, resident: psKiB });
    this.#task('ps', {
      pid: holder.pid,
      state: 0,
      stack: STACKS.holder,
      resident: psKiB,
      start: assumed.holderStart,
      at: holder.task,
    });
    this.image.write(`task${holder.pid}.sched_info`, {
      pcount: holder.runs,
      run_delay: holder.runDelay,
      last_arrival: holder.lastArrival,
      last_queued: holder.lastQueued,
    });
    // In the order in which they came; who started long ago may have come late.
    for (let i = 0; i < known.waiters; i++) {
      const share = (from: bigint, to: bigint): bigint => from + ((to - from) * BigInt(i)) / BigInt(known.waiters - 1);
      const lastArrival = share(longest.lastArrival, latest);
      const pid = 26_000 + 2 * i;
      if (i < assumed.tops) {
        const start = share(longest.start, longest.lastArrival);
        const [resident, parent] = [assumed.timeoutKiB, 1207];
        this.#task('timeout', { pid, state: TASK_INTERRUPTIBLE, stack: STACKS.wait, parent, resident, start });
        const top = { pid: pid + 1, parent: pid, resident: topKiB, start, lastArrival };
        this.#task('top', { ...top, state: TASK_UNINTERRUPTIBLE, stack: STACKS.top });
      } else {
        const state = TASK_UNINTERRUPTIBLE | TASK_WAKEKILL;
        this.#task('ps', { pid: pid + 1, state, stack: STACKS.ps, resident: psKiB, lastArrival });
      }
      this.#wait(pid + 1);
    }
    // What the others in uninterruptible sleep wait for, nobody looked.
    for (let i = 0; i < known.uninterruptible - known.waiters; i++)
      this.#task('rsyslogd', { pid: 900 + i, state: TASK_UNINTERRUPTIBLE, stack: STACKS.congested, resident: psKiB });
    const rest = known.residentKiB - this.#resident;
    for (let i = 0; i < assumed.others; i++) {
      // Whole pages; the last takes what is left.
      const each = Math.floor(rest / assumed.others / 4) * 4;
      const resident = i < assumed.others - 1 ? each : known.residentKiB - this.#resident;
      const running = i === 0 ? { cpu: 1 } : {};
      const state = i === 0 ? 0 : TASK_INTERRUPTIBLE;
      this.#task('httpd', { pid: 10_000 + i, state, stack: STACKS.poll, resident, ...running });
    }
  }

  #task(comm: string, spec: Spec): void {
    const { image } = this;
    const { pid, resident } = spec;
    const label = `task${pid}`;
    const start = spec.start ?? 5n * SECOND;
    image.place(`signal${pid}`, 'struct signal_struct');
    if (resident !== undefined) {
      image.place(`mm${pid}`, 'struct mm_struct', { 'rss_stat.count[1]': resident / 4 });
      this.#resident += resident;
    }
    const value: Value = {
      state: spec.state,
      stack: ref(`${label} stack`),
      flags: resident === undefined ? PF_KTHREAD : 0,
      'sched_info.pcount': 10,
      'sched_info.last_arrival': spec.lastArrival ?? 149_000n * SECOND,
      mm: resident === undefined ? 0 : ref(`mm${pid}`),
      active_mm: resident === undefined ? 0 : ref(`mm${pid}`),
      exit_signal: SIGCHLD,
      pid,
      tgid: pid,
      real_parent: ref(spec.parent === undefined ? 'init_task' : `task${spec.parent}`),
      group_leader: ref(label),
      start_time: { tv_sec: start / SECOND, tv_nsec: start % SECOND },
      comm,
      signal: ref(`signal${pid}`),
    };
    image.place(label, 'struct task_struct', value, spec.at === undefined ? {} : { at: spec.at });
    image.list(`${label}.thread_group`);
    this.#tasks.push(label);
    this.#layStack(label, spec.stack, spec.cpu);
    if (spec.cpu !== undefined) this.#running[spec.cpu] = label;
  }
  readonly #running: string[] = [];

  #idleTask(cpu: number): void {
    const { image } = this;
    const label = cpu === 0 ? 'init_task' : `idle${cpu}`;
    const place = cpu === 0 ? image.global.bind(image) : image.place.bind(image);
    place(label, 'struct task_struct', {
      stack: ref(`${label} stack`),
      flags: PF_KTHREAD,
      comm: `swapper/${cpu}`,
      real_parent: ref('init_task'),
      group_leader: ref(label),
      nsproxy: ref('nsproxy'),
    });
    image.list(`${label}.thread_group`);
    this.#layStack(label, STACKS.idle, cpu);
  }

  /** With `struct thread_info` at its bottom. */
  #layStack(label: string, stack: Stack, cpu = 0): void {
    this.#stacks.lay(label, stack);
    const at = this.image.address(`${label} stack`);
    this.image.write(`${label}.thread.sp`, this.#stacks.savedSp(label));
    this.image.place(`${label} thread_info`, 'struct thread_info', { task: ref(label), cpu }, { at });
  }

  #wait(pid: number): void {
    const at = this.#stacks.placeIn(`task${pid}`, /mutex_lock/);
    this.image.place(`waiter${pid}`, 'struct mutex_waiter', { task: ref(`task${pid}`) }, { at });
    this.#waiters.push(`waiter${pid}.list`);
  }

  #link(): void {
    const { image } = this;
    image.list(
      'init_task.tasks',
      this.#tasks.map((task) => `${task}.tasks`),
    );
    image.global('nr_threads', 'int', this.#tasks.length);
    image.write('proc_inode.i_mutex', { count: known.count, owner: ref(`task${known.holder.pid}`) });
    image.list('proc_inode.i_mutex.wait_list', this.#waiters);
    image.perCpu(
      'runqueues',
      'struct rq',
      this.#running.map((task, cpu) => ({
        clock: assumed.clock,
        curr: ref(task),
        idle: ref(cpu === 0 ? 'init_task' : `idle${cpu}`),
      })),
    );
    image.perCpu(
      'cpu_number',
      'int',
      this.#running.map((_, cpu) => cpu),
    );
  }

  #notes(): readonly ElfNote[] {
    return this.#running.map((task) => {
      const desc = Buffer.alloc(8);
      desc.writeBigUInt64LE(this.image.address(task));
      return { name: 'CORE', type: 1, desc };
    });
  }
}
