import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { add, virt, type VirtAddr } from '../base/address.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { lockWaiters } from './lock-queue.ts';
import { findLockWait, type LockWait } from './lock-wait.ts';
import { percpuRwsemState } from './percpu-rwsem.ts';
import { readTasks } from './sched.ts';
import type { NamedFrame } from './stack.ts';

const SP = 1500;
const ENTRY = 1600;

/** 'writer' waits for two readers to leave 'lock', 'first' and 'second' queue behind it. */
class Machine {
  readonly tasks = new TasksBuilder();

  constructor(readers: readonly [number, number] = [3, -1 >>> 0]) {
    const { image } = this.tasks;
    image.struct('wait_queue_entry', { flags: 'u32', private: 'void *', func: 'void *', entry: 'struct list_head' });
    image.struct('wait_queue_head', { lock: 'spinlock_t', head: 'struct list_head' });
    image.struct('rcuwait', { task: 'struct task_struct *' });
    image.struct('percpu_rw_semaphore', {
      rss: 'u64[6]',
      read_count: 'unsigned int *',
      writer: 'struct rcuwait',
      waiters: 'struct wait_queue_head',
      block: 'atomic_t',
    });
    image.perCpu('counts', 'unsigned int', readers);
    image.function('percpu_rwsem_wake_function');
    for (const label of ['writer', 'first', 'second']) this.tasks.add(label, { pid: 100, __state: 2 });
    image.place('lock', 'struct percpu_rw_semaphore', { writer: ref('writer'), read_count: ref('counts'), block: 1 });
    for (const label of ['first', 'second']) this.entry(label);
    image.list('lock.waiters.head', ['first entry.entry', 'second entry.entry']);
    for (const label of ['writer', 'first', 'second']) this.keep(label, 'lock');
    this.tasks.link();
  }

  entry(label: string): void {
    const { image } = this.tasks;
    const value = { private: ref(label), func: ref('percpu_rwsem_wake_function') };
    image.place(`${label} entry`, 'struct wait_queue_entry', value, { at: this.word(label, ENTRY) });
  }

  keep(label: string, what: string, word = SP + 20): void {
    this.tasks.image.place(`${label} ${word}`, 'u64', ref(what), { at: this.word(label, word) });
  }

  word(label: string, word: number): VirtAddr {
    return add(this.at(`${label} stack`), 8 * word);
  }

  at(label: string): VirtAddr {
    return this.tasks.image.address(label);
  }

  find(label: string, funcs: readonly string[]): LockWait | undefined {
    const program = programOfImage(this.tasks.image);
    const task = readTasks(program).tasks.find((each) => each.address === this.at(label));
    if (task === undefined) throw new Error(`no task ${label}`);
    const frames = funcs.map((func, i): NamedFrame => {
      const none = { pc: virt(0n), exact: false, source: 'orc', registersAt: undefined, symbol: undefined } as const;
      return { ...none, sp: this.word(label, SP + 120 * i), cfa: this.word(label, SP + 120 * (i + 1)), func };
    });
    return findLockWait(program, task, frames, () => true);
  }
}

const READS = ['percpu_rwsem_wait', '__percpu_down_read', 'cgroup_threadgroup_change_begin'];
const WRITES = ['percpu_down_write', 'cgroup_procs_write_start'];

describe('a per-CPU rw_semaphore', () => {
  it('is found by the entry in its queue, and by the writer that it names', () => {
    const machine = new Machine();
    expect(machine.find('second', READS)).toEqual<LockWait>({
      kind: 'percpu_rw_semaphore',
      lock: machine.at('lock'),
      waiter: { address: machine.at('second entry'), task: machine.at('second'), mode: 'read' },
      func: 'percpu_rwsem_wait',
      shownBy: 'stack',
    });
    expect(machine.find('first', ['percpu_rwsem_wait', ...WRITES])?.waiter.mode).toBe('write');
    expect(machine.find('writer', WRITES)).toEqual<LockWait>({
      kind: 'percpu_rw_semaphore',
      lock: machine.at('lock'),
      waiter: { address: machine.at('lock.writer'), task: machine.at('writer'), mode: 'write' },
      func: 'percpu_down_write',
      shownBy: 'lock',
    });
    const program = programOfImage(machine.tasks.image);
    const { waiters, problem } = lockWaiters(program, 'percpu_rw_semaphore', machine.at('lock'));
    expect([waiters.map(({ task }) => task), problem]).toEqual([
      ['writer', 'first', 'second'].map((label) => machine.at(label)),
      undefined,
    ]);
    expect(program.layouts.all.map(({ part }) => part)).toContain('struct percpu_rw_semaphore');
  });

  it.each([
    ['by readers, whichever CPUs they came on and left on', [3, -1 >>> 0], 1, ['readers', 2]],
    ['by a writer', [1, -1 >>> 0], 1, ['writer', undefined]],
    ['by nobody', [0, 0], 0, ['nobody', 0]],
  ] as const)('is held %s', (_who, counts, block, expected) => {
    const machine = new Machine([...counts]);
    machine.tasks.image.write('lock.block', block);
    const state = percpuRwsemState(programOfImage(machine.tasks.image), machine.at('lock'));
    expect([state.heldBy, state.readers]).toEqual(expected);
  });

  it('is not found where nothing leads to it, or two do', () => {
    expect(new Machine().find('second', ['schedule', 'do_nanosleep'])).toBeUndefined();
    const unlinked = new Machine();
    unlinked.tasks.image.list('lock.waiters.head', ['first entry.entry']);
    expect(unlinked.find('second', READS)).toBeUndefined();
    const free = new Machine();
    free.tasks.image.write('lock.writer', 0);
    expect(free.find('writer', WRITES)).toBeUndefined();
    const two = new Machine();
    two.tasks.image.place('other', 'struct percpu_rw_semaphore', {
      writer: ref('writer'),
      read_count: ref('counts'),
      block: 1,
    });
    two.keep('writer', 'other', SP + 30);
    expect(two.find('writer', WRITES)).toBeUndefined();
  });

  it('with a broken queue tells who stands before the break', () => {
    const machine = new Machine();
    machine.tasks.image.write('first entry.entry.next', 0);
    const { waiters, problem } = lockWaiters(
      programOfImage(machine.tasks.image),
      'percpu_rw_semaphore',
      machine.at('lock'),
    );
    expect(waiters.length).toBe(2);
    expect(problem).toContain('next is no kernel pointer');
    machine.tasks.image.write('counts@0', 0x6b6b6b6b);
    const damaged = programOfImage(machine.tasks.image);
    expect(() => percpuRwsemState(damaged, machine.at('lock'))).toThrow(ValidationError);
  });

  it('of the forms until 5.6 is not known', () => {
    const tasks = new TasksBuilder();
    tasks.image.struct('percpu_rw_semaphore', { read_count: 'unsigned int *', rw_sem: 'u64[4]', readers_block: 'int' });
    const at = tasks.image.place('lock', 'struct percpu_rw_semaphore');
    expect(() => percpuRwsemState(programOfImage(tasks.image), at)).toThrow(LookupError);
  });
});
