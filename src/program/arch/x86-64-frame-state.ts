/** What the steps of the x86-64 unwinder hand on from frame to frame. Addresses are kernel virtual. */
import { add, sub, virt, type VirtAddr } from '../../base/address.ts';
import type { Program } from '../program.ts';
import type { FrameSource, StackEnd } from './arch.ts';
import { PT_REGS } from './x86-64-registers.ts';

/** Two places of one stack are no farther apart: the largest are of 64 KiB (arm64, KASAN). */
export const STACK_GAP = 1n << 16n;

export interface State {
  pc: VirtAddr;
  sp: VirtAddr;
  bp: VirtAddr | undefined;
  exact: boolean;
  /** `struct pt_regs *` in force, and whether all of it was saved. */
  regs: { readonly at: VirtAddr; readonly full: boolean } | undefined;
  /** Other registers that are known, by name ('rbx'). */
  others: ReadonlyMap<string, bigint>;
  source: FrameSource;
}

export type Step =
  | { readonly next: State; readonly cfa: VirtAddr }
  | { readonly end: StackEnd; readonly problem?: string };

/** True for what may be code: text of the kernel or of a module, and where the page tables allow to execute. */
export type IsCode = (address: VirtAddr) => boolean;

export function notCode(pc: VirtAddr): Step {
  return { end: 'broken', problem: `return address ${pc.toString(16)} is not code` };
}

/** A frame that was found without a rule. */
export function called(pc: VirtAddr, sp: VirtAddr, bp: VirtAddr | undefined, source: FrameSource): State {
  return { pc, sp, bp, exact: false, regs: undefined, others: new Map(), source };
}

/** The address that a rule or a symbol is looked up by: a return address may lie behind the function. */
export function lookupOf({ pc, exact }: State): VirtAddr {
  return exact ? pc : sub(pc, 1);
}

/**
 * Goes on where an exception or interrupt cut.
 * @param at - `struct pt_regs *`; with only its last five words (the IRET frame) saved unless `full`
 * @param cfa - where the area of the frame below ends
 * @throws FaultError
 */
export function throughRegs(program: Program, state: State, at: VirtAddr, full: boolean, cfa: VirtAddr): Step {
  const { memory } = program;
  if ((memory.readU64(add(at, PT_REGS.cs)) & 3n) !== 0n) return { end: 'user' };
  const next: State = {
    pc: memory.readPointer(add(at, PT_REGS.ip)),
    sp: memory.readPointer(add(at, PT_REGS.sp)),
    bp: full ? memory.readPointer(add(at, PT_REGS.bp)) : state.bp,
    exact: true,
    regs: { at, full },
    others: new Map(),
    source: 'exception',
  };
  return { next, cfa };
}

/** Where registers lie in `struct pt_regs`, which the ABI fixes. */
const IN_REGS: { readonly [name: string]: number } = {
  r15: 0,
  r14: 8,
  r13: PT_REGS.r13,
  r12: 24,
  rbx: 40,
  r11: 48,
  r10: PT_REGS.r10,
  r9: 64,
  r8: 72,
  rax: PT_REGS.ax,
  rcx: 88,
  rdx: PT_REGS.dx,
  rsi: 104,
  rdi: PT_REGS.di,
};

/** A register other than rsp and rbp, from the pt_regs in force, or as it was handed on. @throws FaultError */
export function registerOf(program: Program, state: State, name: string): VirtAddr | undefined {
  const offset = IN_REGS[name];
  if (state.regs?.full === true && offset !== undefined) return program.memory.readPointer(add(state.regs.at, offset));
  const value = state.others.get(name);
  return value === undefined ? undefined : virt(value);
}
