/**
 * Who waits for whom, without an image: facts that are set by hand, below the graph of waits and the detectors of its ends.
 *
 *   const scene = new WaitScene();
 *   const worker = scene.task('kworker/0:1', { kthread: true, runs: 'slow_work' });
 *   scene.task('lldpd', { waits: scene.work(worker) });
 *   const findings = scene.findings(stuckWork);
 */
import { type VirtAddr, virt } from '../../src/base/address.ts';
import { unlimited } from '../../src/base/budget.ts';
import { nanoseconds } from '../../src/base/units.ts';
import { clockFact } from '../../src/diagnosis/facts/clock.ts';
import { deadOwnersFact } from '../../src/diagnosis/facts/dead-owners.ts';
import { holdersFact, type Holder } from '../../src/diagnosis/facts/holders.ts';
import { launchersFact } from '../../src/diagnosis/facts/launchers.ts';
import { lockNamesFact } from '../../src/diagnosis/facts/lock-names.ts';
import { type ContendedLock, locksFact } from '../../src/diagnosis/facts/locks.ts';
import { stacksFact } from '../../src/diagnosis/facts/stacks.ts';
import { taskWaitsFact } from '../../src/diagnosis/facts/task-waits.ts';
import { tasksFact } from '../../src/diagnosis/facts/tasks.ts';
import { type Blocked, obstaclesFact, type Obstacles } from '../../src/diagnosis/facts/wait-obstacles.ts';
import type { LockKind } from '../../src/kernel/lock-kinds.ts';
import type { Task } from '../../src/kernel/sched.ts';
import type { NamedFrame } from '../../src/kernel/stack.ts';
import { edgeOf } from '../../src/kernel/wait-edges.ts';
import type { Awaited, TaskWait } from '../../src/kernel/wait-kinds.ts';
import type { Worker } from '../../src/kernel/wait-work.ts';
import type { AnyDetector, Fact, FactContext } from '../../src/model/diagnosis.ts';
import type { Finding } from '../../src/model/finding.ts';
import type { Program } from '../../src/program/program.ts';
import { programOfImage } from './program.ts';
import { TasksBuilder } from './tasks.ts';

const SECOND = 1_000_000_000;

export interface SceneTask {
  /** Seconds since it last got a CPU; 5 unless said. */
  readonly offCpu?: number;
  readonly state?: 'D' | 'S' | 'R';
  readonly kthread?: boolean;
  /** The function of the work item that it runs. */
  readonly runs?: string;
  /** The CPU that it runs on. */
  readonly running?: number;
  readonly funcs?: readonly string[];
}

/** A lock that tasks wait for. */
export interface SceneLock {
  readonly kind: LockKind;
  readonly name: string;
  readonly address: VirtAddr;
  readonly owner: Task | undefined;
  readonly waiters: Task[];
}

export class WaitScene {
  readonly tasks: Task[] = [];
  readonly #specs = new Map<Task, SceneTask>();
  readonly #waits = new Map<Task, TaskWait>();
  readonly #workers = new Map<Task, Worker>();
  readonly #locks: SceneLock[] = [];
  readonly #blocked = new Map<Task, Blocked>();
  readonly #set: (readonly [Fact<unknown>, unknown])[] = [];
  #next = 0xffff888000100000n;
  #obstacles: Pick<Obstacles, 'devices' | 'fileSystems'> = { devices: [], fileSystems: [] };

  address(): VirtAddr {
    this.#next += 0x1000n;
    return virt(this.#next);
  }

  task(comm: string, spec: SceneTask = {}): Task {
    const letter = spec.state ?? 'D';
    const address = this.address();
    const state = {
      letter,
      raw: 0n,
      exitState: 0n,
      uninterruptible: letter === 'D',
      killable: letter === 'S',
      sleeping: letter !== 'R',
    };
    const pid = 100 + this.tasks.length;
    const known = { address, pid, tgid: pid, comm, state, kthread: spec.kthread === true, groupLeader: address };
    const none = { realParent: undefined, mm: undefined, startTime: undefined, schedInfo: undefined };
    const on = { cpu: spec.running ?? 0, running: spec.running !== undefined };
    const task: Task = { ...known, ...none, ...on, cpuTime: undefined, idle: false };
    this.tasks.push(task);
    this.#specs.set(task, spec);
    if (spec.runs !== undefined)
      this.#workers.set(task, {
        worker: this.address(),
        task: address,
        work: this.address(),
        func: spec.runs,
        queue: undefined,
        pwq: undefined,
        color: undefined,
      });
    return task;
  }

  lock(kind: LockKind, name: string, owner?: Task, address = this.address()): SceneLock {
    const lock = { kind, name, owner, address, waiters: [] };
    this.#locks.push(lock);
    return lock;
  }

  /** So many tasks wait for a lock. */
  queue(lock: SceneLock, comm: string, count: number, spec: SceneTask = {}): void {
    for (let i = 0; i < count; i++) lock.waiters.push(this.task(comm, spec));
  }

  /** A task flushes the work item that a worker runs, or waits for it otherwise. */
  flushes(task: Task, worker: Task, certainty: Awaited['certainty'] = 'exact'): void {
    const work = this.#workers.get(worker)?.work ?? worker.address;
    const awaited: Awaited[] = [
      { task: worker.address, certainty, why: 'the barrier stands behind the work that it runs' },
    ];
    const object = { address: work, ctype: 'struct work_struct' };
    const what = { what: 'for the end of the work item', name: this.#workers.get(worker)?.func };
    this.#waits.set(task, {
      kind: 'work',
      edge: 'work item',
      ...what,
      object,
      proof: 'structure',
      awaited,
      left: undefined,
      channel: undefined,
    });
  }

  /** A task waits for an object, such as a `struct fuse_conn`, on which others have to act. */
  waits(
    task: Task,
    wait: Pick<TaskWait, 'kind' | 'what'> & Partial<Omit<TaskWait, 'awaited' | 'object'>>,
    ctype: string,
    on: readonly Task[],
    address = this.address(),
  ): VirtAddr {
    const awaited = on.map(
      (each): Awaited => ({ task: each.address, certainty: 'exact', why: 'it has the other end' }),
    );
    const unknown = { edge: edgeOf(wait.kind), name: undefined, left: undefined, channel: undefined };
    const object = { address, ctype };
    this.#waits.set(task, { ...unknown, proof: 'structure', anyOf: on.length > 1, ...wait, object, awaited });
    return address;
  }

  /** A fact as it is, in place of what would be derived. */
  set<T>(fact: Fact<T>, value: T): void {
    this.#set.push([fact, value]);
  }

  /** A task waits for what a suspended device keeps, or at a gate of a frozen file system. */
  blocked(task: Task, blocked: Blocked): void {
    this.#blocked.set(task, blocked);
  }

  obstacles(all: Partial<Pick<Obstacles, 'devices' | 'fileSystems'>>): void {
    this.#obstacles = { ...this.#obstacles, ...all };
  }

  findings(detector: AnyDetector): readonly Finding[] {
    return detector.runWith(this.context());
  }

  /** @param derived - facts that are derived from the program and not set by hand */
  context(
    program: Program = programOfImage(new TasksBuilder('6.1').image),
    derived: readonly Fact<unknown>[] = [],
  ): FactContext {
    const known = new Map<Fact<unknown>, unknown>(this.#facts().filter(([fact]) => !derived.includes(fact)));
    const context: FactContext = {
      program,
      budget: unlimited,
      cover: () => undefined,
      use<T>(fact: Fact<T>): T {
        if (!known.has(fact)) known.set(fact, fact.derive(context));
        return known.get(fact) as T;
      },
    };
    return context;
  }

  #facts(): readonly (readonly [Fact<unknown>, unknown])[] {
    const byAddress = new Map(this.tasks.map((task) => [task.address, task]));
    const locks = new Map(this.#locks.map((lock) => [lock, contended(lock)]));
    const lockOf = new Map(
      [...locks.values()].flatMap((lock) => lock.waiters.map(({ task }) => [task, lock] as const)),
    );
    const holders = new Map(
      [...locks].map(([{ owner }, lock]) => [lock, owner === undefined ? undefined : holder(owner)]),
    );
    return [
      [tasksFact, { tasks: this.tasks, byAddress, isTask: (at: VirtAddr) => byAddress.has(at), complete: true }],
      [locksFact, { locks: [...locks.values()], waitOf: (task: Task) => lockOf.get(task) }],
      [holdersFact, { of: (lock: ContendedLock) => holders.get(lock) }],
      [deadOwnersFact, { of: () => undefined }],
      [
        lockNamesFact,
        { of: (at: VirtAddr) => ({ text: [this.#locks.find(({ address }) => address === at)?.name ?? '?'] }) },
      ],
      [taskWaitsFact, { of: (task: Task) => this.#waits.get(task), workerOf: (task: Task) => this.#workers.get(task) }],
      [clockFact, { offCpu: (task: Task) => nanoseconds(BigInt((this.#specs.get(task)?.offCpu ?? 5) * SECOND)) }],
      [
        stacksFact,
        { of: (task: Task) => ({ frames: (this.#specs.get(task)?.funcs ?? []).map(frame), problem: undefined }) },
      ],
      [launchersFact, { of: () => ({ levels: [], orphans: undefined, unread: 0 }) }],
      [obstaclesFact, { ...this.#obstacles, of: (task: Task) => this.#blocked.get(task), gateOf: () => undefined }],
      ...this.#set,
    ];
  }
}

const frame = (func: string): Pick<NamedFrame, 'func' | 'symbol' | 'registersAt'> => ({
  func,
  symbol: undefined,
  registersAt: undefined,
});

function contended({ kind, address, owner, waiters }: SceneLock): ContendedLock {
  const queue = waiters.map((task) => ({ task, mode: undefined, waiter: task.address }));
  return {
    kind,
    address,
    waiters: queue,
    queue: [],
    strangers: 0,
    whole: true,
    onStacks: queue.length,
    named: 0,
    owner,
    ownerIs: owner === undefined ? undefined : 'exact',
    ownerGone: undefined,
    ownerUnread: undefined,
    rwsem: undefined,
    mutex: undefined,
    unread: undefined,
    problems: [],
  };
}

const holder = (task: Task): Pick<Holder, 'task' | 'certainty' | 'proof'> => ({
  task,
  certainty: 'exact',
  proof: undefined,
});
