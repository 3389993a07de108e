/**
 * A kernel in trouble: tasks that sleep on each other's locks, over the files of vfs.ts (a tmpfs on /srv/data). A test
 * reads like the bug:
 *
 *   const incident = new Incident();
 *   const ps = incident.task('ps', { pid: 96, offCpu: 8.4, stack: getdentsInFault(['handle_userfault'], 'filldir64') });
 *   incident.held(incident.directory, ps, 'read');              // the i_rwsem of /srv/data
 *   incident.userfault(ps, { descriptors: [[ps, 3]] });
 *   incident.task('top', { pid: 106, state: 'D', offCpu: 6.4, waits: [incident.directory, 'read'] });
 *   const program = incident.program();                         // or damage it first: program((image) => image.write(...))
 *
 * There are always init (pid 1), two idle tasks, two CPUs and, in 6.1, 16 GiB of memory, half of it free. A CPU that no
 * task is `running` on is idle.
 * Labels: `task96`, `task96 stack`, `waiter96`, `signal96`, `mm96`, `fault96`; `dir_inode.i_rwsem` or the lock's own.
 */
import type { VirtAddr } from '../../src/base/address.ts';
import type { ElfNote } from '../../src/dump/dump-file.ts';
import type { Program } from '../../src/program/program.ts';
import { type KernelImage, ref, type Value } from './image.ts';
import { declareIncident, type IncidentEra, taskMembers } from './incident-types.ts';
import { type Stack, Stacks, STACKS } from './incident-stacks.ts';
import { placeMemory } from './memory-counters.ts';
import { OpenFilesBuilder } from './open-files.ts';
import { programOfImage } from './program.ts';
import { Vfs } from './vfs.ts';

export { getdentsInFault } from './incident-stacks.ts';

/** Seconds on the run queues' clock at the crash. */
const CRASH = 200_000;
const MS = 1_000_000n;
const CPUS = 2;
const PF_KTHREAD = 0x200000;
const BIAS = 1n << 32n;
export const FAULT_ADDRESS = 0x7f0000001000n;

/** Letters of ps; `K` is a sleep that only a fatal signal ends, which ps shows as D. */
export type StateLetter = 'R' | 'S' | 'D' | 'K' | 'T' | 'Z';
const STATES: { readonly [letter in StateLetter]: number } = { R: 0, S: 1, D: 2, K: 0x102, T: 4, Z: 0 };
const EXIT_ZOMBIE = 32;

type Kind = 'mutex' | 'rw_semaphore' | 'semaphore';
type Mode = 'read' | 'write';

export interface TestLock {
  readonly kind: Kind;
  /** Label of the lock. */
  readonly label: string;
  readonly address: VirtAddr;
}

export interface TestTask {
  readonly pid: number;
  readonly label: string;
  readonly address: VirtAddr;
}

export interface TaskSpec {
  readonly pid: number;
  /** S unless it waits for a lock (D), runs (R) or is said. */
  readonly state?: StateLetter;
  /** init unless said. */
  readonly parent?: TestTask;
  /** For a thread: the leader of its process. */
  readonly leader?: TestTask;
  readonly kthread?: boolean;
  /** Seconds since it last got a CPU. */
  readonly offCpu?: number;
  readonly stack?: Stack;
  /** Why its stack cannot be unwound to its end. */
  readonly brokenStack?: string;
  readonly waits?: readonly [lock: TestLock, mode?: Mode];
  /** The CPU that it runs on. */
  readonly running?: number;
  /** Pids of the leaders of its session and process group; its own unless said. */
  readonly session?: number;
  readonly group?: number;
  readonly tty?: string;
}

interface Known extends TestTask {
  readonly spec: TaskSpec;
}

interface Ownership {
  readonly task: TestTask;
  readonly mode: Mode;
  readonly readers: number;
}

export class Incident {
  readonly image: KernelImage;
  /** The lock of the directory /srv/data. */
  readonly directory: TestLock;
  readonly init: TestTask;
  readonly #era: IncidentEra;
  readonly #vfs: Vfs;
  readonly #files: OpenFilesBuilder;
  readonly #stacks: Stacks;
  readonly #tasks: Known[] = [];
  readonly #idle: TestTask[] = [];
  readonly #locks: TestLock[] = [];
  readonly #owners = new Map<TestLock, Ownership>();
  readonly #waiters = new Map<TestLock, TestTask[]>();
  readonly #descriptors = new Map<TestTask, { [fd: number]: string }>();
  readonly #names = new Set<string>();
  #linked = false;

  constructor(era: IncidentEra = '6.1') {
    this.#era = era;
    this.#vfs = new Vfs(era, taskMembers(era), (image) => declareIncident(image, era));
    this.image = this.#vfs.image;
    this.#files = new OpenFilesBuilder(this.#vfs);
    this.#stacks = new Stacks(this.image);
    this.image.cpus(CPUS);
    this.image.global('modules', 'struct list_head');
    this.image.list('modules');
    if (era === '6.1') this.directory = this.#lock('rw_semaphore', 'data_root_inode.i_rwsem');
    else this.directory = this.#lock('mutex', 'data_root_inode.i_mutex');
    if (era === '6.1') placeMemory(this.image, { total: 16 * 2 ** 30, free: 8 * 2 ** 30 });
    for (let cpu = 0; cpu < CPUS; cpu++) this.#idleTask(cpu);
    this.init = this.task('init', { pid: 1, offCpu: 1 });
  }

  /** A lock that nothing names; with `global`, a variable of that name. */
  lock(kind: Kind, label: string, options: { readonly global?: boolean; readonly at?: bigint } = {}): TestLock {
    const place = options.at === undefined ? {} : { at: options.at };
    this.image.place(label, `struct ${kind}`, {}, place);
    if (options.global === true) this.image.symbol(label, label, 64);
    return this.#lock(kind, label);
  }

  /** The lock for the address space of a process. */
  mmapLock(of: TestTask): TestLock {
    return this.#lock('rw_semaphore', `mm${of.pid}.${this.#era === '6.1' ? 'mmap_lock' : 'mmap_sem'}`);
  }

  #lock(kind: Kind, label: string): TestLock {
    const lock = { kind, label, address: this.image.address(label) };
    this.#locks.push(lock);
    return lock;
  }

  task(comm: string, spec: TaskSpec): TestTask {
    const { pid, leader, kthread = false, waits } = spec;
    const label = `task${pid}`;
    const running = spec.running !== undefined;
    const state = spec.state ?? (running ? 'R' : waits === undefined ? 'S' : 'D');
    if (leader === undefined) this.#process(spec);
    const owner = leader?.pid ?? pid;
    const { image } = this;
    image.place(label, 'struct task_struct', {
      pid,
      tgid: owner,
      comm,
      [this.#era === '6.1' ? '__state' : 'state']: STATES[state],
      exit_state: state === 'Z' ? EXIT_ZOMBIE : 0,
      flags: kthread ? PF_KTHREAD : 0,
      stack: ref(`${label} stack`),
      mm: kthread || state === 'Z' ? 0 : ref(`mm${owner}`),
      real_parent: ref(spec.parent?.label ?? (pid === 1 ? 'init_task' : 'task1')),
      group_leader: ref(leader?.label ?? label),
      signal: ref(`signal${owner}`),
      'sched_info.pcount': 10,
      'sched_info.run_delay': 5n * MS,
      'sched_info.last_arrival': nanoseconds(CRASH - (spec.offCpu ?? 1)),
      ...(this.#era === '6.1' ? { start_time: nanoseconds(100), 'thread_info.cpu': spec.running ?? 0 } : {}),
    });
    if (this.#era === '3.10' && leader === undefined) {
      image.write(`${label}.pids[1].pid`, ref(this.#pid(spec.group ?? pid)));
      image.write(`${label}.pids[2].pid`, ref(this.#pid(spec.session ?? pid)));
    }
    const task = { pid, label, address: image.address(label) };
    this.#tasks.push({ ...task, spec });
    this.#stacks.lay(label, spec.stack ?? this.#usualStack(spec), spec.brokenStack);
    if (waits !== undefined) this.#wait(task, ...waits);
    return task;
  }

  /** Several alike; `spec` is asked for each with its number from 0 on. */
  tasks(n: number, comm: string, spec: (i: number) => TaskSpec): readonly TestTask[] {
    return Array.from({ length: n }, (_, i) => this.task(comm, spec(i)));
  }

  #usualStack({ waits, running, kthread }: TaskSpec): Stack {
    if (waits === undefined)
      return running === undefined ? (kthread === true ? STACKS.kthread : STACKS.sleeping) : ['work', 'main'];
    const [{ kind }, mode] = waits;
    return kind === 'rw_semaphore' ? STACKS[mode ?? 'read'] : STACKS[kind];
  }

  /** What the threads of a process share. */
  #process({ pid, session = pid, group = pid, tty, kthread }: TaskSpec): void {
    const { image } = this;
    const ids = this.#era === '6.1' ? { 'pids[2]': ref(this.#pid(group)), 'pids[3]': ref(this.#pid(session)) } : {};
    if (tty !== undefined && !this.#names.has(tty)) image.place(`tty ${tty}`, 'struct tty_struct', { name: tty });
    if (tty !== undefined) this.#names.add(tty);
    image.place(`signal${pid}`, 'struct signal_struct', { ...ids, tty: tty === undefined ? 0 : ref(`tty ${tty}`) });
    if (kthread !== true) image.place(`mm${pid}`, 'struct mm_struct', { 'rss_stat.count[1]': 100 });
  }

  #pid(nr: number): string {
    const label = `pid ${nr}`;
    if (!this.#names.has(label)) this.image.place(label, 'struct pid', { 'numbers[0].nr': nr });
    this.#names.add(label);
    return label;
  }

  #idleTask(cpu: number): void {
    const { image } = this;
    const label = cpu === 0 ? 'init_task' : `idle${cpu}`;
    if (cpu !== 0) image.place(label, 'struct task_struct', { comm: `swapper/${cpu}` });
    image.write(label, {
      flags: PF_KTHREAD,
      stack: ref(`${label} stack`),
      group_leader: ref(label),
      real_parent: ref('init_task'),
    });
    if (this.#era === '6.1') image.write(`${label}.thread_info.cpu`, cpu);
    image.place(`signal of ${label}`, 'struct signal_struct');
    image.write(`${label}.signal`, ref(`signal of ${label}`));
    this.#idle.push({ pid: 0, label, address: image.address(label) });
    this.#stacks.lay(label, STACKS.idle);
  }

  /** A waiter on the task's own stack, last in the queue of the lock. */
  #wait(task: TestTask, lock: TestLock, mode?: Mode): void {
    const type = { mutex: 'mutex_waiter', rw_semaphore: 'rwsem_waiter', semaphore: 'semaphore_waiter' }[lock.kind];
    const at = this.#stacks.placeIn(task.label, /slowpath|mutex_lock|^__down$/);
    const value: { [path: string]: Value } = { task: ref(task.label) };
    if (lock.kind === 'rw_semaphore') value['type'] = mode === 'write' ? 0 : 1;
    this.image.place(`waiter${task.pid}`, `struct ${type}`, value, { at });
    this.#waiters.set(lock, [...(this.#waiters.get(lock) ?? []), task]);
  }

  /** Who holds a lock as the lock says it: its writer or owner, or the reader that took it last. */
  held(lock: TestLock, task: TestTask, mode: Mode = 'write', readers = 1): void {
    this.#owners.set(lock, { task, mode, readers });
  }

  /**
   * The task sleeps in a page fault, in `handle_userfault`, until somebody answers through one of the descriptors.
   * @param options - `count`: references of the open file, `references` those of the context; both as they should be
   *   unless said
   */
  userfault(
    task: TestTask,
    options: {
      readonly descriptors: readonly (readonly [task: TestTask, fd: number])[];
      readonly count?: number;
      readonly references?: number;
    },
  ): void {
    const { image } = this;
    const { descriptors } = options;
    const ctx = `ctx${task.pid}`;
    const mm = `mm${task.pid}`;
    image.place(ctx, 'struct userfaultfd_ctx', { refcount: options.references ?? 2, mm: ref(mm) });
    for (const queue of ['fault_pending_wqh', 'fault_wqh', 'fd_wqh']) image.list(`${ctx}.${queue}.head`);
    if (!this.#names.has('userfaultfd_wake_function')) image.function('userfaultfd_wake_function');
    this.#names.add('userfaultfd_wake_function');
    image.place(
      `fault${task.pid}`,
      'struct userfaultfd_wait_queue',
      {
        'msg.event': 0x12,
        'msg.arg.pagefault.flags': 1,
        'msg.arg.pagefault.address': FAULT_ADDRESS,
        'wq.private': ref(task.label),
        'wq.func': ref('userfaultfd_wake_function'),
        ctx: ref(ctx),
      },
      { at: this.#stacks.placeIn(task.label, /^handle_userfault$/) },
    );
    image.list(`${ctx}.fault_pending_wqh.head`, [`fault${task.pid}.wq.entry`]);
    image.place(`vma${task.pid}`, 'struct vm_area_struct', {
      vm_start: FAULT_ADDRESS - 0x1000n,
      vm_end: FAULT_ADDRESS + 0x10000n,
      vm_mm: ref(mm),
      'vm_userfaultfd_ctx.ctx': ref(ctx),
    });
    image.write(`${mm}.mmap`, ref(`vma${task.pid}`));
    const file = `uffd${task.pid}`;
    const count = options.count ?? descriptors.length;
    this.#files.file(file, { entry: 'report', operations: 'userfaultfd_fops', private: ref(ctx), count });
    for (const [holder, fd] of descriptors) {
      this.#descriptors.set(holder, { ...this.#descriptors.get(holder), [fd]: file });
    }
  }

  /**
   * @param damage - what happens to the memory once all is linked
   * @param problems - what is wrong with the dump file
   */
  program(damage: (image: KernelImage) => void = () => {}, problems: readonly string[] = []): Program {
    if (!this.#linked) this.#link();
    this.#linked = true;
    damage(this.image);
    return programOfImage(this.image, { arch: this.#stacks.arch, dump: { notes: this.#notes(), problems } });
  }

  #current(cpu: number): TestTask | undefined {
    return this.#tasks.find(({ spec }) => spec.running === cpu) ?? this.#idle[cpu];
  }

  #notes(): readonly ElfNote[] {
    return Array.from({ length: CPUS }, (_, cpu) => {
      const desc = Buffer.alloc(8);
      desc.writeBigUInt64LE(this.#current(cpu)?.address ?? 0n);
      return { name: 'CORE', type: 1, desc };
    });
  }

  #link(): void {
    const { image } = this;
    const leaders = this.#tasks.filter(({ spec }) => spec.leader === undefined);
    image.list(
      'init_task.tasks',
      leaders.map(({ label }) => `${label}.tasks`),
    );
    for (const leader of [...leaders, ...this.#idle]) this.#linkThreads(leader);
    image.global('nr_threads', 'int', this.#tasks.length);
    image.perCpu(
      'runqueues',
      'struct rq',
      this.#idle.map(({ label }, cpu) => ({
        // The clock of an idle CPU lags.
        clock: nanoseconds(CRASH - 0.5 * cpu),
        curr: ref(this.#current(cpu)?.label ?? label),
        idle: ref(label),
      })),
    );
    for (const lock of this.#locks) this.#linkLock(lock);
    for (const [task, files] of this.#descriptors) {
      this.#files.descriptors(task.label, files);
      for (const { label, spec, pid } of this.#tasks) {
        if (pid === task.pid || spec.leader?.pid === task.pid)
          image.write(`${label}.files`, ref(`${task.label}_files`));
      }
    }
  }

  #linkThreads(leader: TestTask): void {
    const threads = this.#tasks.filter(({ spec }) => spec.leader?.pid === leader.pid).map(({ label }) => label);
    const idle = leader.pid === 0;
    if (this.#era === '3.10')
      return this.image.list(
        `${leader.label}.thread_group`,
        threads.map((label) => `${label}.thread_group`),
      );
    this.image.list(
      `${idle ? `signal of ${leader.label}` : `signal${leader.pid}`}.thread_head`,
      [leader.label, ...threads].map((label) => `${label}.thread_node`),
    );
  }

  #linkLock(lock: TestLock): void {
    const { image } = this;
    const waiters = this.#waiters.get(lock) ?? [];
    image.list(
      `${lock.label}.wait_list`,
      waiters.map(({ pid }) => `waiter${pid}.list`),
    );
    const waited = waiters.length > 0;
    if (lock.kind === 'semaphore') image.write(`${lock.label}.count`, 0);
    else if (lock.kind === 'rw_semaphore') this.#linkRwsem(lock, waited);
    else this.#linkMutex(lock, waited);
  }

  #linkRwsem(lock: TestLock, waited: boolean): void {
    const { image } = this;
    const { label } = lock;
    const owner = this.#owners.get(lock);
    const readers = BigInt(owner?.mode === 'read' ? owner.readers : 0);
    const writer = owner?.mode === 'write';
    if (this.#era === '3.10') {
      // One active locker each; a writer and the fact that somebody waits take 2^32 off. Nobody is named.
      return image.write(`${label}.count`, (writer ? 1n - BIAS : readers) - (waited ? BIAS : 0n));
    }
    image.write(`${label}.count`, (readers << 8n) | (writer ? 1n : 0n) | (waited ? 2n : 0n));
    image.write(`${label}.owner`, owner === undefined ? 0 : ref(owner.task.label, writer ? 0 : 1));
  }

  #linkMutex(lock: TestLock, waited: boolean): void {
    const { image } = this;
    const owner = this.#owners.get(lock)?.task;
    const flags = Number(waited);
    if (this.#era === '6.1') {
      image.write(`${lock.label}.owner`, owner === undefined ? flags : ref(owner.label, flags));
      return;
    }
    // 1 is free, 0 locked, below 0 locked and waited for.
    image.write(`${lock.label}.count`, waited ? -2 : owner === undefined ? 1 : 0);
    image.write(`${lock.label}.owner`, owner === undefined ? 0 : ref(owner.label));
  }
}

function nanoseconds(seconds: number): bigint {
  return BigInt(Math.round(seconds * 1000)) * MS;
}
