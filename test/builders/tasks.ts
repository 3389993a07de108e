/**
 * Tasks in hand-built images: their types in the layouts of several kernels, the list of processes, threads, run queues.
 *
 *   const tasks = new TasksBuilder('6.1');
 *   tasks.add('ps', { pid: 96, __state: 1 });                  // a process; 'ps' and 'ps signal' are labels
 *   tasks.thread('ps', 'ps worker', { pid: 97 });
 *   tasks.running('ps', 0);                                    // the current task of CPU 0
 *   tasks.link();                                              // last: makes the lists
 *   tasks.image.write('ps.tasks.next', 0);                     // damage
 */
import { KernelImage, ref, type Value } from './image.ts';
import type { Members } from './types.ts';

/** The layouts of 6.1, of 5.10, and of a kernel of 3.10 without thread_head. */
export type TaskEra = '6.1' | '5.10' | '3.10';

const CPU: { readonly [E in TaskEra]: Members } = {
  '6.1': { thread_info: 'struct thread_info', __state: 'unsigned int' },
  '5.10': { thread_info: 'struct thread_info', state: 'volatile long', cpu: 'unsigned int' },
  '3.10': { state: 'volatile long', thread_group: 'struct list_head' },
};

/** What binds a task to its `struct pid`. */
const PID: Members = { thread_pid: 'struct pid *', pid_links: 'struct hlist_node[4]' };

const STACK_SIZE = 16384;
const CPUS = 2;

export class TasksBuilder {
  readonly image = new KernelImage();
  readonly era: TaskEra;
  readonly #leaders: string[] = [];
  readonly #threads = new Map<string, string[]>();

  /**
   * @param extra - more members of `struct task_struct`
   * @param rq - more members of `struct rq`
   * @param signal - more members of `struct signal_struct`
   */
  constructor(era: TaskEra = '6.1', extra: Members = {}, rq: Members = {}, signal: Members = {}) {
    this.era = era;
    const { image } = this;
    const today = era !== '3.10';
    if (today) image.struct('rb_root_cached', { rb_leftmost: 'void *' });
    image.struct('thread_info', { flags: 'unsigned long', ...(era === '5.10' ? { status: 'u32' } : { cpu: 'u32' }) });
    image.struct('sched_info', {
      pcount: 'unsigned long',
      run_delay: 'unsigned long long',
      last_arrival: 'unsigned long long',
      last_queued: 'unsigned long long',
    });
    image.struct('thread_struct', { sp: 'unsigned long' });
    image.struct('signal_struct', {
      nr: 'int',
      ...(today ? { thread_head: 'struct list_head' } : {}),
      ...signal,
    });
    if (!today) image.typedef('cputime_t', 'unsigned long');
    image.struct('timespec', { tv_sec: 'long', tv_nsec: 'long' });
    image.struct('task_struct', {
      ...CPU[era],
      stack: 'void *',
      flags: 'unsigned int',
      exit_state: 'int',
      pid: 'pid_t',
      tgid: 'pid_t',
      comm: 'char[16]',
      real_parent: 'struct task_struct *',
      group_leader: 'struct task_struct *',
      mm: 'struct mm_struct *',
      tasks: 'struct list_head',
      signal: 'struct signal_struct *',
      ...(today
        ? { thread_node: 'struct list_head', start_time: 'u64', utime: 'u64', stime: 'u64' }
        : { start_time: 'struct timespec', utime: 'cputime_t', stime: 'cputime_t' }),
      sched_info: 'struct sched_info',
      thread: 'struct thread_struct',
      ...(era === '6.1' ? PID : {}),
      ...extra,
    });
    image.struct('rq', { nr_running: 'int', curr: 'struct task_struct *', idle: 'struct task_struct *', ...rq });
    image.cpus(CPUS);
    image.global('init_task', 'struct task_struct', { comm: 'swapper/0', flags: 0x200000 });
    image.place('idle1', 'struct task_struct', { comm: 'swapper/1', flags: 0x200000 });
    const idle = [ref('init_task'), ref('idle1')];
    image.perCpu(
      'runqueues',
      'struct rq',
      idle.map((task) => ({ curr: task, idle: task })),
    );
    image.symbol('__start_init_stack', 0xffffffff82000000n);
    image.symbol('__end_init_stack', 0xffffffff82000000n + BigInt(STACK_SIZE));
  }

  /** A process and its leader. */
  add(label: string, values: { readonly [path: string]: Value } = {}): void {
    this.image.place(`${label} signal`, 'struct signal_struct');
    this.#leaders.push(label);
    this.#threads.set(label, []);
    this.#place(label, label, values);
  }

  thread(leader: string, label: string, values: { readonly [path: string]: Value } = {}): void {
    this.#threads.get(leader)?.push(label);
    this.#place(label, leader, values);
  }

  #place(label: string, leader: string, values: { readonly [path: string]: Value }): void {
    const { image } = this;
    image.place(`${label} stack`, `u64[${STACK_SIZE / 8}]`, {}, { align: 4096 });
    image.place(label, 'struct task_struct', {
      comm: label.slice(0, 15),
      stack: ref(`${label} stack`),
      signal: ref(`${leader} signal`),
      group_leader: ref(leader),
      real_parent: ref('init_task'),
      ...values,
    });
  }

  running(label: string, cpu: number): void {
    this.image.write(`runqueues@${cpu}.curr`, ref(label));
  }

  /** Makes the ids that lead to each task, `init_pid_ns.idr`; ids below 64. */
  ids(pids: { readonly [label: string]: number }): void {
    const { image } = this;
    image.struct('xarray', { xa_flags: 'unsigned int', xa_head: 'void *' });
    image.struct('xa_node', { shift: 'unsigned char', parent: 'struct xa_node *', slots: 'void *[64]' });
    image.struct('idr', { idr_rt: 'struct xarray', idr_base: 'unsigned int' });
    image.struct('pid_namespace', { idr: 'struct idr' });
    image.struct('pid', { count: 'int', tasks: 'struct hlist_head[4]' });
    image.enum('pid_type', ['PIDTYPE_PID', 'PIDTYPE_TGID', 'PIDTYPE_PGID', 'PIDTYPE_SID']);
    image.global('init_pid_ns', 'struct pid_namespace', { 'idr.idr_rt.xa_head': ref('pid node', 2) });
    image.place('pid node', 'struct xa_node');
    for (const [label, pid] of Object.entries(pids)) {
      image.place(`pid of ${label}`, 'struct pid', { 'tasks[0].first': ref(`${label}.pid_links[0]`) });
      image.write(`${label}.thread_pid`, ref(`pid of ${label}`));
      image.write(`pid node.slots[${pid}]`, ref(`pid of ${label}`));
    }
  }

  /** Links the list of processes and of each one's threads. */
  link(): void {
    const { image } = this;
    image.list(
      'init_task.tasks',
      this.#leaders.map((label) => `${label}.tasks`),
    );
    for (const [leader, threads] of this.#threads) {
      if (this.era === '3.10') {
        image.list(
          `${leader}.thread_group`,
          threads.map((label) => `${label}.thread_group`),
        );
      } else {
        image.list(
          `${leader} signal.thread_head`,
          [leader, ...threads].map((label) => `${label}.thread_node`),
        );
      }
    }
  }
}
