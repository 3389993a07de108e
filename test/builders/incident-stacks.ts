/**
 * Kernel stacks of hand-built tasks: real memory, in which each function has a piece of its own, and an architecture that
 * unwinds them as they were laid out.
 *
 * A stack is a list of functions, innermost first. The one behind `asm_exc_page_fault` (`page_fault`) was cut by the
 * exception. A function may keep words: `{ func: 'filldir64', keeps: [ref('lock')] }`.
 */
import { add, type VirtAddr } from '../../src/base/address.ts';
import type { Arch, Frame, Registers } from '../../src/program/arch/arch.ts';
import type { KernelImage, Ref } from './image.ts';

export type StackFrame = string | { readonly func: string; readonly keeps: readonly Ref[] };
export type Stack = readonly StackFrame[];

/** THREAD_SIZE unless said. */
const STACK_SIZE = 4096;
/** Enough for every kind of waiter. */
const FRAME_SIZE = 128;
/** The part that is not in use. */
const UNUSED = 512;
const IN_FUNCTION = 0x20;
/** Where an exception enters; `page_fault` until 5.7. */
const ENTRY = /^(asm_exc_page_fault|page_fault)$/;

const SLEEP = ['__schedule', 'schedule'];
const SYSCALL = ['do_syscall_64', 'entry_SYSCALL_64_after_hwframe'];

/** Where tasks stand that this is no test about. */
export const STACKS = {
  sleeping: [...SLEEP, 'do_nanosleep', 'hrtimer_nanosleep', '__x64_sys_nanosleep', ...SYSCALL],
  idle: ['default_idle', 'do_idle', 'cpu_startup_entry', 'start_secondary'],
  kthread: [...SLEEP, 'kthreadd_worker', 'kthread', 'ret_from_fork'],
  mutex: [...SLEEP, 'schedule_preempt_disabled', '__mutex_lock', 'a_driver_ioctl', '__x64_sys_ioctl', ...SYSCALL],
  semaphore: [...SLEEP, 'schedule_timeout', '__down', 'down', 'a_driver_ioctl', '__x64_sys_ioctl', ...SYSCALL],
  read: [
    ...SLEEP,
    'rwsem_down_read_slowpath',
    'down_read',
    'walk_component',
    'path_lookupat',
    'vfs_statx',
    '__do_sys_newstat',
    ...SYSCALL,
  ],
  write: [...SLEEP, 'rwsem_down_write_slowpath', 'down_write', 'path_openat', 'do_sys_openat2', ...SYSCALL],
} as const satisfies { readonly [name: string]: Stack };

/** `getdents` that stores an entry and faults: what it does in the fault, then what it works on. */
export function getdentsInFault(fault: Stack, filldir: StackFrame): Stack {
  const outer = ['dcache_readdir', 'iterate_dir', '__x64_sys_getdents64', ...SYSCALL];
  return [...SLEEP, ...fault, 'handle_mm_fault', 'exc_page_fault', 'asm_exc_page_fault', filldir, ...outer];
}

interface Laid {
  readonly registers: Registers;
  readonly frames: readonly Frame[];
  readonly functions: readonly string[];
  readonly problem: string | undefined;
}

export class Stacks {
  readonly #image: KernelImage;
  readonly #functions = new Map<string, VirtAddr>();
  readonly #ofTask = new Map<VirtAddr, Laid>();
  readonly #bySp = new Map<VirtAddr, Laid>();
  readonly #size: number;

  /** @param size - THREAD_SIZE, which nothing but `union thread_union` tells then, as in old kernels */
  constructor(image: KernelImage, size?: number) {
    this.#image = image;
    this.#size = size ?? STACK_SIZE;
    if (size !== undefined) return;
    image.bytes('init_stack', new Uint8Array(STACK_SIZE), { align: STACK_SIZE });
    image.symbol('__start_init_stack', image.address('init_stack'), 0);
    image.symbol('__end_init_stack', add(image.address('init_stack'), STACK_SIZE), 0);
  }

  /**
   * Lays out the stack of a task as the label `${task} stack`.
   * @param problem - why the unwinder cannot go on at its end
   */
  lay(task: string, stack: Stack, problem?: string): void {
    const label = `${task} stack`;
    const base = this.#image.bytes(label, new Uint8Array(this.#size), { align: this.#size });
    const functions = stack.map((frame) => (typeof frame === 'string' ? frame : frame.func));
    if (UNUSED + stack.length * FRAME_SIZE > this.#size) throw new Error(`too many functions for ${label}`);
    const frames = functions.map((func, i): Frame => {
      const sp = add(base, UNUSED + i * FRAME_SIZE);
      const cut = ENTRY.test(functions[i - 1] ?? '');
      return {
        pc: add(this.#function(func), IN_FUNCTION),
        sp,
        cfa: i === functions.length - 1 ? undefined : add(sp, FRAME_SIZE),
        exact: i === 0 || cut,
        source: i === 0 ? 'registers' : cut ? 'exception' : 'orc',
        registersAt: cut ? sp : undefined,
      };
    });
    stack.forEach((frame, i) => {
      if (typeof frame === 'string') return;
      const at = add(base, UNUSED + i * FRAME_SIZE);
      this.#image.place(`${label} ${frame.func}`, `unsigned long[${frame.keeps.length}]`, frame.keeps, { at });
    });
    const [first] = frames;
    if (first === undefined) throw new Error('a stack has a function');
    const registers = { pc: first.pc, sp: first.sp, fp: undefined, others: new Map(), exact: true, user: false };
    const laid: Laid = { registers, frames, functions, problem };
    this.#ofTask.set(this.#image.address(task), laid);
    this.#bySp.set(first.sp, laid);
  }

  /** Where the function's own piece of a task's stack begins: for what lies on it. */
  placeIn(task: string, functions: RegExp): VirtAddr {
    const laid = this.#laid(this.#image.address(task));
    const frame = laid.frames[laid.functions.findIndex((func) => functions.test(func))];
    if (frame === undefined) throw new Error(`the stack of ${task} has no ${functions.source}`);
    // Behind what the function keeps.
    return add(frame.sp, 32);
  }

  get arch(): Partial<Arch> {
    return {
      switchedOutRegisters: (_program, task) => this.#laid(task).registers,
      // The notes of this image hold the address of the task that was running.
      prstatusRegisters: (desc) => this.#laid(Buffer.from(desc).readBigUInt64LE() as VirtAddr).registers,
      unwind: (_program, { sp }) => {
        const laid = this.#bySp.get(sp);
        if (laid === undefined) throw new Error('unwinding starts where no stack was laid out');
        const end = laid.problem === undefined ? 'end' : 'broken';
        return { frames: laid.frames, end, problem: laid.problem };
      },
    };
  }

  #laid(task: VirtAddr): Laid {
    const laid = this.#ofTask.get(task);
    if (laid === undefined) throw new Error(`no stack was laid out for the task at ${task.toString(16)}`);
    return laid;
  }

  #function(name: string): VirtAddr {
    let address = this.#functions.get(name);
    if (address === undefined) this.#functions.set(name, (address = this.#image.function(name)));
    return address;
  }
}
