/**
 * A task that sleeps, in a hand-built image of 6.1: objects lie on its stack, in the types that src/kernel/wait-*.ts
 * look for, and the queues that they stand in elsewhere.
 */
import { add, type VirtAddr, virt } from '../../src/base/address.ts';
import { readTasks } from '../../src/kernel/sched.ts';
import type { NamedFrame } from '../../src/kernel/stack.ts';
import { taskWait, waitSearch } from '../../src/kernel/task-wait.ts';
import type { TaskWait } from '../../src/kernel/wait-kinds.ts';
import { type KernelImage, ref, struct, union, type Value } from './image.ts';
import { programOfImage } from './program.ts';
import { TasksBuilder } from './tasks.ts';
import type { Members } from './types.ts';

/** Words of the stack: where the search begins, and where objects are put. */
const SP = 1500;
export const OBJECT = 1600;

export class Sleeper {
  readonly tasks: TasksBuilder;
  readonly image: KernelImage;

  /**
   * @param extra - more members of `struct task_struct`
   * @param signal - more members of `struct signal_struct`
   */
  constructor(extra: Members = {}, signal: Members = {}) {
    const members = {
      vfork_done: 'void *',
      worker_private: 'void *',
      journal_info: 'void *',
      in_iowait: 'unsigned int:1',
      files: 'struct files_struct *',
      rcu_node_entry: 'struct list_head',
      ...extra,
    };
    this.tasks = new TasksBuilder('6.1', members, {}, signal);
    this.image = this.tasks.image;
    const { image } = this;
    const list = 'struct list_head';
    const task = 'struct task_struct *';
    image.struct('wait_queue_entry', { flags: 'unsigned int', private: 'void *', func: 'void *', entry: list });
    image.struct('wait_queue_head', { lock: 'spinlock_t', head: list });
    image.struct('swait_queue', { task, task_list: list });
    image.struct('swait_queue_head', { lock: 'raw_spinlock_t', task_list: list });
    image.struct('completion', { done: 'unsigned int', wait: 'struct swait_queue_head' });
    image.enum('pageflags', { PG_locked: 0, PG_writeback: 15 });
    image.struct('folio', { flags: 'unsigned long', mapping: 'void *', index: 'unsigned long' });
    image.struct('wait_page_queue', { folio: 'struct folio *', bit_nr: 'int', wait: 'struct wait_queue_entry' });
    image.struct('wait_bit_key', { flags: 'void *', bit_nr: 'int', timeout: 'unsigned long' });
    image.struct('wait_bit_queue_entry', { key: 'struct wait_bit_key', wq_entry: 'struct wait_queue_entry' });
    image.struct('hrtimer_clock_base', { cpu_base: 'void *', index: 'unsigned int', clockid: 'int' });
    image.struct('hrtimer', {
      node: struct({ node: 'u64[3]', expires: 's64' }),
      function: 'void *',
      base: 'struct hrtimer_clock_base *',
    });
    image.struct('hrtimer_sleeper', { timer: 'struct hrtimer', task });
    image.struct('plist_node', { prio: 'int', prio_list: list, node_list: list });
    image.struct('futex_q', {
      list: 'struct plist_node',
      task,
      key: union({
        private: struct({ mm: 'void *', address: 'unsigned long', offset: 'unsigned int' }),
        both: struct({ ptr: 'u64', word: 'unsigned long', offset: 'unsigned int' }),
      }),
    });
    image.struct('work_struct', { data: 'unsigned long', entry: list, func: 'void *' });
    image.struct('wq_barrier', { work: 'struct work_struct', done: 'struct completion', task });
    image.struct('kthread', { flags: 'unsigned long', data: 'void *' });
    image.struct('worker', {
      current_work: 'void *',
      current_func: 'void *',
      current_pwq: 'void *',
      scheduled: list,
      task,
    });
    this.tasks.add('sleeper', { pid: 100, __state: 2, mm: 0xffff888000005000n });
  }

  /** An object on the stack of the sleeper. */
  on(label: string, type: string, value: { readonly [path: string]: Value }, word = OBJECT): void {
    const at = add(this.image.address('sleeper stack'), 8 * word);
    this.image.place(label, type, value, { at });
  }

  /** A `struct wait_queue_entry`, as a member path of an object on the stack, in the queue 'queue'. */
  queue(node: string): void {
    this.image.place('queue', 'struct wait_queue_head');
    this.image.list('queue.head', [node]);
  }

  /** What it waits for. @param funcs - the functions on its stack, innermost first */
  wait(funcs: readonly string[]): TaskWait {
    this.tasks.link();
    const program = programOfImage(this.image);
    const { tasks } = readTasks(program);
    const task = tasks.find(({ pid }) => pid === 100);
    if (task === undefined) throw new Error('no sleeper');
    const word = (n: number): VirtAddr => add(this.image.address('sleeper stack'), 8 * n);
    const frames = funcs.map((func, i): NamedFrame => {
      const none = { pc: virt(0n), exact: false, source: 'orc', registersAt: undefined, symbol: undefined } as const;
      return { ...none, sp: word(i === 0 ? SP : 1700 + 10 * i), cfa: word(1710 + 10 * i), func };
    });
    const wait = taskWait(waitSearch(program, tasks), task, frames);
    if (wait === undefined) throw new Error('it does not sleep');
    return wait;
  }
}

/** The sleeper waits for the completion 'done', elsewhere in memory or on its own stack. */
export function completing(sleeper: Sleeper, done = 'done'): void {
  sleeper.on('swait', 'struct swait_queue', { task: ref('sleeper') }, 1560);
  if (done === 'done') sleeper.image.place('done', 'struct completion');
  sleeper.image.list(`${done}.wait.task_list`, ['swait.task_list']);
}
