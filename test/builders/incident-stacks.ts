/**
 * Kernel stacks of hand-built tasks: real memory, in which each function has a piece of its own, and an architecture that
 * unwinds them as they were laid out.
 *
 * A stack is a list of functions, innermost first. The one behind `asm_exc_page_fault` (`page_fault`) was cut by the
 * exception. A function may keep words: `{ func: 'filldir64', keeps: [ref('lock')] }`.
 *
 * With `framePointers` the stacks are such as a kernel before 4.9 with CONFIG_FRAME_POINTER leaves them: code, saved
 * registers and return addresses are in memory, so that a dump of the image can be unwound for real.
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

/** `push %rbp; mov %rsp,%rbp`, and `call *%rax` where IN_FUNCTION returns to. */
const PROLOGUE = [0x55, 0x48, 0x89, 0xe5];
const CALL = [0xff, 0xd0];
const CODE_SIZE = 0x40;
const PT_REGS = 21;
const IN_REGS = { bp: 4, ip: 16, cs: 17, flags: 18, sp: 19, ss: 20 } as const;
const FLAGS = 0x246n;
/** Where system calls enter (system_call_fastpath): what lies on the stack there is of user mode. */
const SYSCALL_ENTRY = /^system_call/;
/** Not compiled: they keep no frame pointer. */
const ASSEMBLER = /^(page_fault|system_call\w*|ret_from_fork|secondary_startup_64)$/;

export interface StackOptions {
  readonly framePointers?: boolean;
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
  readonly #framePointers: boolean;

  /** @param size - THREAD_SIZE, which nothing but `union thread_union` tells then, as in old kernels */
  constructor(image: KernelImage, size?: number, { framePointers = false }: StackOptions = {}) {
    this.#image = image;
    this.#framePointers = framePointers;
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
    if (UNUSED + (stack.length + 2) * FRAME_SIZE > this.#size) throw new Error(`too many functions for ${label}`);
    // The registers that an exception leaves take more room.
    const places = functions.map((_, i) => {
      const entries = functions.slice(0, i).filter((func) => this.#framePointers && ENTRY.test(func)).length;
      return add(base, UNUSED + (i + entries) * FRAME_SIZE);
    });
    const frames = functions.map((func, i): Frame => {
      const sp = places[i] ?? base;
      const cut = ENTRY.test(functions[i - 1] ?? '');
      return {
        pc: add(this.#function(func), IN_FUNCTION),
        sp,
        cfa: i === functions.length - 1 ? undefined : (places[i + 1] ?? base),
        exact: i === 0 || cut,
        source: i === 0 ? 'registers' : cut ? 'exception' : 'orc',
        registersAt: cut ? sp : undefined,
      };
    });
    const fp = this.#framePointers ? this.#layFrames(label, base, frames, functions) : undefined;
    stack.forEach((frame, i) => {
      if (typeof frame === 'string') return;
      const at = places[i] ?? base;
      this.#image.place(`${label} ${frame.func}`, `unsigned long[${frame.keeps.length}]`, frame.keeps, { at });
    });
    const [first] = frames;
    if (first === undefined) throw new Error('a stack has a function');
    const registers = { pc: first.pc, sp: first.sp, fp, others: new Map(), exact: true, user: false };
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

  /** What a task of a kernel with frame pointers leaves in memory. Gives rbp in the innermost function. */
  #layFrames(label: string, base: VirtAddr, frames: readonly Frame[], functions: readonly string[]): VirtAddr {
    const words = new BigUint64Array(this.#size / 8);
    const put = (at: VirtAddr, ...values: readonly bigint[]): void => words.set(values, Number(at - base) / 8);
    // Below the caller's area lies the return address, and below that the caller's rbp.
    const bpOf = (i: number): VirtAddr =>
      add(frames[i + 1]?.sp ?? add(frames[i]?.sp ?? (0n as VirtAddr), FRAME_SIZE), -16);
    frames.forEach((frame, i) => {
      const caller = frames[i + 1];
      const func = functions[i] ?? '';
      if (ENTRY.test(func) || SYSCALL_ENTRY.test(func)) {
        const isUser = caller === undefined || SYSCALL_ENTRY.test(func);
        const regs = Array<bigint>(PT_REGS).fill(0n);
        regs[IN_REGS.bp] = isUser ? 0n : bpOf(i + 1);
        regs[IN_REGS.ip] = isUser ? 0x401000n : caller.pc;
        regs[IN_REGS.cs] = isUser ? 0x33n : 0x10n;
        regs[IN_REGS.flags] = FLAGS;
        regs[IN_REGS.sp] = isUser ? 0x7ffd_0000_0000n : caller.sp;
        regs[IN_REGS.ss] = isUser ? 0x2bn : 0x18n;
        put(frame.sp, ...regs);
      } else if (caller !== undefined) {
        put(bpOf(i), ASSEMBLER.test(functions[i + 1] ?? '') ? 0n : bpOf(i + 1));
        put(add(bpOf(i), 8), caller.pc);
      }
    });
    const [first] = frames;
    // switch_to() pushes the flags and rbp: `thread.sp` points there.
    if (first !== undefined) {
      put(add(first.sp, -16), bpOf(0));
      put(add(first.sp, -8), FLAGS);
    }
    this.#image.bytes(`${label} frames`, new Uint8Array(words.buffer), { at: base });
    return bpOf(0);
  }

  /** `thread.sp` of a task that was switched out. */
  savedSp(task: string): VirtAddr {
    return add(this.#laid(this.#image.address(task)).registers.sp, -16);
  }

  /** Of a task that was on a CPU: the desc of an NT_PRSTATUS note (`struct elf_prstatus`, pr_reg at 112). */
  prstatus(task: string): Uint8Array {
    const { pc, sp, fp } = this.#laid(this.#image.address(task)).registers;
    const desc = Buffer.alloc(336);
    desc.writeBigUInt64LE(fp ?? 0n, 112 + 8 * IN_REGS.bp);
    desc.writeBigUInt64LE(pc, 112 + 8 * IN_REGS.ip);
    desc.writeBigUInt64LE(0x10n, 112 + 8 * IN_REGS.cs);
    desc.writeBigUInt64LE(sp, 112 + 8 * IN_REGS.sp);
    return desc;
  }

  #laid(task: VirtAddr): Laid {
    const laid = this.#ofTask.get(task);
    if (laid === undefined) throw new Error(`no stack was laid out for the task at ${task.toString(16)}`);
    return laid;
  }

  #function(name: string): VirtAddr {
    let address = this.#functions.get(name);
    if (address !== undefined) return address;
    this.#functions.set(name, (address = this.#image.function(name, CODE_SIZE)));
    if (this.#framePointers) this.#writeCode(name, address);
    return address;
  }

  #writeCode(name: string, address: VirtAddr): void {
    const code = new Uint8Array(CODE_SIZE).fill(0x90);
    if (!ASSEMBLER.test(name)) code.set(PROLOGUE);
    code.set(CALL, IN_FUNCTION - CALL.length);
    if (name === '__schedule') {
      const back = add(address, IN_FUNCTION);
      code.set(
        [0xe8, ...Buffer.from(Int32Array.of(Number(this.#function('__switch_to') - back)).buffer)],
        IN_FUNCTION - 5,
      );
    }
    this.#image.bytes(`${name} code`, code, { at: address });
  }
}
