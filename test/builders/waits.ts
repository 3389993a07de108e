/**
 * Processes that wait for sleeping locks, in hand-built images: the waiters lie on their stacks, in the layouts until 4.9,
 * until 7.0 and since 7.1.
 */
import { add, type VirtAddr, virt } from '../../src/base/address.ts';
import type { ListedKind } from '../../src/kernel/lock-kinds.ts';
import { findLockWait } from '../../src/kernel/lock-wait.ts';
import { readTasks } from '../../src/kernel/sched.ts';
import type { NamedFrame } from '../../src/kernel/stack.ts';
import type { RingCache } from '../../src/kernel/waiter-ring.ts';
import { ref, type Value } from './image.ts';
import { programOfImage } from './program.ts';
import { TasksBuilder } from './tasks.ts';
import type { Members } from './types.ts';

type LockKind = ListedKind['kind'];

/** Words of a stack: where the frames begin, and where waiters are put. */
export const SP = 1500;
export const WAITER = 1600;
const FRAME_END = 1700;
const OWNER_FLAGS = { mutex: 1, rw_semaphore: 3, semaphore: 0 } as const;

export const USUAL: { readonly [K in LockKind]: string } = {
  mutex: '__mutex_lock',
  rw_semaphore: 'rwsem_down_read_slowpath',
  semaphore: '__down_common',
};

/** Processes that wait for locks. */
export class Waits {
  readonly tasks: TasksBuilder;
  readonly funcs = new Map<string, readonly string[]>();
  readonly #headless: boolean;

  constructor(layout: 'until 7.0' | 'until 4.9' | 'since 7.1' | 'el7' = 'until 7.0') {
    this.tasks = new TasksBuilder('6.1', layout === 'since 7.1' ? { blocker: 'unsigned long' } : {});
    const { image } = this.tasks;
    const today = layout !== 'until 4.9' && layout !== 'el7';
    const first = layout === 'since 7.1';
    this.#headless = first;
    const list = 'struct list_head';
    const task = 'struct task_struct *';
    image.struct('slist_head', { next: 'struct list_head *' });
    const queue = (name: string): Members =>
      first ? { first_waiter: `struct ${name}_waiter *` } : { wait_list: list };
    image.struct(
      'mutex',
      today
        ? { owner: 'atomic_long_t', wait_lock: 'raw_spinlock_t', osq: 'atomic_t', ...queue('mutex') }
        : { count: 'atomic_t', wait_lock: 'spinlock_t', wait_list: list },
    );
    image.struct(
      'rw_semaphore',
      today
        ? { count: 'atomic_long_t', owner: 'atomic_long_t', osq: 'atomic_t', wait_lock: 'u32', ...queue('rwsem') }
        : { count: 'atomic_long_t', wait_list: layout === 'el7' ? 'struct slist_head' : list, owner: task },
    );
    image.struct('semaphore', { lock: 'raw_spinlock_t', count: 'unsigned int', ...queue('semaphore') });
    image.enum('rwsem_waiter_type', ['RWSEM_WAITING_FOR_WRITE', 'RWSEM_WAITING_FOR_READ']);
    image.struct('mutex_waiter', { list, task, ww_ctx: 'void *' });
    image.struct('rwsem_waiter', { list, task, type: 'enum rwsem_waiter_type', timeout: 'unsigned long' });
    image.struct('semaphore_waiter', { list, task, up: 'bool' });
  }

  add(label: string, funcs: readonly string[] = []): this {
    this.tasks.add(label, { pid: 100 + this.funcs.size, __state: 2 });
    this.funcs.set(label, funcs);
    return this;
  }

  /** The waiter lies on the stack: its words are those of `struct rwsem_waiter`. */
  waiter(label: string, value: { readonly task?: Value; readonly type?: number } = {}, word = WAITER): string {
    const at = this.word(label, word);
    const name = word === WAITER ? `${label} waiter` : `${label} waiter ${word}`;
    this.tasks.image.place(name, 'struct rwsem_waiter', { task: ref(label), ...value }, { at });
    return `${name}.list`;
  }

  word(label: string, word: number): VirtAddr {
    return add(this.tasks.image.address(`${label} stack`), 8 * word);
  }

  /** A lock whose waiters are these tasks; held by 'holder'. */
  lock(
    kind: LockKind,
    label: string,
    waiters: readonly string[],
    value: { readonly [path: string]: Value } = {},
  ): void {
    const held = {
      mutex: { owner: ref('holder', OWNER_FLAGS.mutex) },
      rw_semaphore: { count: 0x102, owner: ref('holder', OWNER_FLAGS.rw_semaphore) },
      semaphore: { count: 0 },
    }[kind];
    const { image } = this.tasks;
    image.place(label, `struct ${kind}`, { ...held, ...value });
    const [first, ...others] = waiters;
    if (this.#headless && first !== undefined) {
      image.list(first, others);
      image.write(`${label}.first_waiter`, ref(first));
    } else if (!this.#headless) image.list(`${label}.wait_list`, waiters);
  }

  /** A word of the stack: an argument that was saved. */
  keep(label: string, value: Value, word = SP + 20): void {
    this.tasks.image.place(`${label} word ${word}`, 'u64', value, { at: this.word(label, word) });
  }

  find(label: string, options: { readonly known?: (label: string) => boolean; readonly rings?: RingCache } = {}) {
    const { image } = this.tasks;
    const program = programOfImage(image);
    const tasks = readTasks(program).tasks.filter((task) => options.known?.(task.comm) ?? true);
    const addresses = new Set(tasks.map((task) => task.address));
    const task = readTasks(program).tasks.find((each) => each.address === image.address(label));
    if (task === undefined) throw new Error(`no task ${label}`);
    const funcs = this.funcs.get(label) ?? [];
    const frames = funcs.map((func, i): NamedFrame => {
      const sp = this.word(label, i === 0 ? SP : FRAME_END + 10 * (i - 1));
      const cfa = this.word(label, FRAME_END + 10 * i);
      const none = { pc: virt(0n), exact: false, source: 'orc', registersAt: undefined, symbol: undefined } as const;
      return { ...none, sp, cfa, func };
    });
    return findLockWait(program, task, frames, (address) => addresses.has(address), options.rings);
  }

  at(label: string): VirtAddr {
    return this.tasks.image.address(label);
  }
}

/** 'first' and 'second' wait for a lock that 'holder' has. */
export function two(kind: LockKind, funcs: readonly string[] = [USUAL[kind]], value = {}): Waits {
  const waits = new Waits().add('holder').add('first', funcs).add('second', funcs);
  const nodes = [waits.waiter('first'), waits.waiter('second', { type: 1 })];
  waits.lock(kind, 'lock', nodes, value);
  waits.tasks.link();
  return waits;
}
