/**
 * What a CPU architecture must answer. One file per architecture implements it; nothing above `program/` asks which.
 */
import type { PhysAddr, VirtAddr } from '../../base/address.ts';
import type { VirtRange } from '../../base/memory.ts';
import type { Program } from '../program.ts';

/** General registers by the architecture's own names ('rip', 'rsp', 'rbx'); only those that are known. */
export interface Registers {
  readonly pc: VirtAddr;
  readonly sp: VirtAddr;
  /** Frame pointer register, when known. */
  readonly fp: VirtAddr | undefined;
  /** Others, when known. */
  readonly others: ReadonlyMap<string, bigint>;
  /** True when `pc` is where execution stands (interrupt, register dump); false when it is a return address. */
  readonly exact: boolean;
  /** True when the CPU was in user mode. */
  readonly user: boolean;
}

/**
 * How a frame was found. `orc`, `cfi` and `exception` follow the kernel's unwind tables, DWARF's call frame information or
 * saved registers. Where these have no rule: `frame-pointer` the saved frame pointer led to it; `call` the frame below was
 * passed over by looking for the return address of a call of that very function. Where there are no tables: `scan` it is a
 * return address behind a call that may have led to the frame below, and may be left from an earlier one.
 */
export type FrameSource = 'registers' | 'orc' | 'cfi' | 'exception' | 'frame-pointer' | 'call' | 'scan';

export interface Frame {
  /** Address of the next instruction of this function: a return address unless `exact`. */
  readonly pc: VirtAddr;
  /** Stack pointer inside this frame: its own stack area starts here ... */
  readonly sp: VirtAddr;
  /** ... and ends here (canonical frame address: the caller's stack pointer); undefined for the last frame. */
  readonly cfa: VirtAddr | undefined;
  readonly exact: boolean;
  readonly source: FrameSource;
  /** `struct pt_regs *` for a frame that an exception or interrupt cut. */
  readonly registersAt: VirtAddr | undefined;
  /** Registers in this frame that are known, by DWARF's numbers; only when they were asked for. */
  readonly registers?: ReadonlyMap<number, bigint>;
}

/**
 * `user`: the next frame is in user mode; `end`: the unwind tables say that this is the first function;
 * `broken`: it could not go on.
 */
export type StackEnd = 'user' | 'end' | 'broken';

export interface StackTrace {
  readonly frames: readonly Frame[];
  readonly end: StackEnd;
  /** Why it is broken. */
  readonly problem: string | undefined;
}

export interface Arch {
  readonly name: string;
  /** The mapping of the kernel image and the direct map by arithmetic, the rest through the kernel's page tables. */
  translate(address: VirtAddr): PhysAddr;
  /** Ranges of the kernel image that hold constants but no code, as its page tables say; for scans. */
  imageRanges(): readonly VirtRange[];
  /**
   * Where the page tables of the kernel's half lie, each once, the root first, then level by level; one that cannot be
   * read leads to none below it.
   * @param limit - stops after so many
   */
  kernelTables(limit: number): readonly PhysAddr[];
  /** Walks the page tables at `pgd` (`pgd_t *`, virtual) for a user address. @throws FaultError */
  translateUser(pgd: VirtAddr, address: VirtAddr): PhysAddr;
  /**
   * Called once symbols are there: what the image must tell before everything can be translated.
   * @returns what it does not tell, one line each
   */
  learn(program: Program): readonly string[];
  /** Registers of a task that is not running, from `task_struct.thread`. @throws FaultError, LookupError */
  switchedOutRegisters(program: Program, task: VirtAddr): Registers;
  /** Registers in the desc of an NT_PRSTATUS note. @throws FormatError */
  prstatusRegisters(desc: Uint8Array): Registers;
  /**
   * @param stackEnd - where the task's stack ends (exclusive), where that is known: a scan goes no further
   * @param registers - also follow the registers that functions hand back as they were, which takes call frame information
   */
  unwind(program: Program, start: Registers, stackEnd?: VirtAddr, registers?: boolean): StackTrace;
}
