/**
 * x86-64 stack unwinding by ORC, as arch/x86/kernel/unwind_orc.c does it: call frames, exception and interrupt frames
 * (`struct pt_regs`, whole or only the IRET part), and switches to and from the interrupt stacks. Where the tables have
 * no rule, a frame is passed over by its frame pointer (BPF, trampolines) or by the return address of a call of that
 * very function (`__crash_kexec`, which STACK_FRAME_NON_STANDARD exempts and on which every panicking CPU stands), and
 * the next frame says so. Bounded: hostile stacks end. Not handled: return addresses replaced by kretprobes and the
 * function graph tracer.
 */
import { add, distance, isAligned, isKernel, sub, virt, type VirtAddr } from '../../base/address.ts';
import { attempt, isDataError } from '../../base/errors.ts';
import type { OrcEntry, OrcRegister } from '../../debuginfo/orc.ts';
import type { Program } from '../program.ts';
import type { Frame, FrameSource, Registers, StackEnd, StackTrace } from './arch.ts';
import { PT_REGS } from './x86-64-registers.ts';

const MAX_FRAMES = 512;
/** A task's path crosses at most: task, softirq/irq, exception stacks; more is a loop. */
const MAX_STACK_SWITCHES = 8;
const STACK_GAP = 1n << 16n;
/** Words of one frame that are searched for a return address. */
const MAX_FRAME_WORDS = 512;

interface State {
  pc: VirtAddr;
  sp: VirtAddr;
  bp: VirtAddr | undefined;
  exact: boolean;
  /** `struct pt_regs *` in force, and whether all of it was saved. */
  regs: { readonly at: VirtAddr; readonly full: boolean } | undefined;
  others: ReadonlyMap<string, bigint>;
  source: FrameSource;
}

type Step = { readonly next: State; readonly cfa: VirtAddr } | { readonly end: StackEnd; readonly problem?: string };

/** @param isExecutable - true where the page tables allow code: return addresses into BPF and trampolines */
export function unwind(
  program: Program,
  start: Registers,
  isExecutable: (address: VirtAddr) => boolean = () => false,
): StackTrace {
  const isCode = (address: VirtAddr): boolean => program.isText(address) || isExecutable(address);
  const frames: Frame[] = [];
  let state: State = {
    pc: start.pc,
    sp: start.sp,
    bp: start.fp,
    exact: start.exact,
    regs: undefined,
    others: start.others,
    source: 'registers',
  };
  let switches = 0;
  while (frames.length < MAX_FRAMES) {
    const step = tryStep(program, state, isCode);
    const next = 'next' in step ? step.next : undefined;
    frames.push({
      pc: state.pc,
      sp: state.sp,
      cfa: 'next' in step ? step.cfa : undefined,
      exact: state.exact,
      source: state.source,
      registersAt: next?.regs?.at,
    });
    if (!('next' in step)) return { frames, end: step.end, problem: step.problem };
    // Up the same stack addresses only grow; anything else is a switch between stacks.
    const onward = step.next.sp > state.sp && step.next.sp - state.sp < STACK_GAP;
    if (!onward && ++switches > MAX_STACK_SWITCHES)
      return { frames, end: 'broken', problem: 'the stack does not advance' };
    state = step.next;
  }
  return { frames, end: 'broken', problem: `more than ${MAX_FRAMES} frames` };
}

type IsCode = (address: VirtAddr) => boolean;

function tryStep(program: Program, state: State, isCode: IsCode): Step {
  try {
    return step(program, state, isCode);
  } catch (error) {
    if (isDataError(error)) return { end: 'broken', problem: error.message };
    throw error;
  }
}

function step(program: Program, state: State, isCode: IsCode): Step {
  const lookup = state.exact ? state.pc : sub(state.pc, 1);
  const found = program.orcAt(lookup);
  if (found !== undefined) return stepByOrc(program, state, found, isCode);
  if (state.exact && !isCode(state.pc)) return stepFromNowhere(program, state);
  return stepByFramePointer(program, state, isCode);
}

function stepByOrc(program: Program, state: State, orc: OrcEntry, isCode: IsCode): Step {
  const { memory } = program;
  if (orc.kind === 'end') return { end: 'end' };
  if (orc.kind === 'undefined') return stepByCall(program, state);
  let cfa: VirtAddr | undefined;
  switch (orc.cfaReg) {
    case 'sp-indirect':
      // Since 5.12 (commit 87ccc826bf1c): the saved stack pointer lies at the top of the interrupt stack.
      cfa = add(memory.readPointer(state.sp), orc.spOffset);
      break;
    case 'bp-indirect':
      cfa = state.bp === undefined ? undefined : memory.readPointer(add(state.bp, orc.spOffset));
      break;
    case 'sp':
      cfa = add(state.sp, orc.spOffset);
      break;
    case 'bp':
      cfa = state.bp === undefined ? undefined : add(state.bp, orc.spOffset);
      break;
    default:
      cfa = plainRegister(program, state, orc.cfaReg);
  }
  if (cfa === undefined) return { end: 'broken', problem: `the rule needs register ${orc.cfaReg}, which is not known` };
  if (!isAligned(cfa, 8) || !isKernel(cfa)) return { end: 'broken', problem: 'the stack pointer left the kernel' };

  const next: State = { ...state, others: new Map(), source: 'orc' };
  switch (orc.kind) {
    case 'call':
      next.pc = memory.readPointer(sub(cfa, 8));
      next.sp = cfa;
      next.exact = false;
      next.regs = undefined;
      break;
    case 'regs':
    case 'regs-partial': {
      const full = orc.kind === 'regs';
      const regs = full ? cfa : sub(cfa, PT_REGS.ip);
      if ((memory.readU64(add(regs, PT_REGS.cs)) & 3n) !== 0n) return { end: 'user' };
      next.pc = memory.readPointer(add(regs, PT_REGS.ip));
      next.sp = memory.readPointer(add(regs, PT_REGS.sp));
      next.exact = true;
      next.regs = { at: regs, full };
      next.source = 'exception';
      break;
    }
  }
  switch (orc.bpReg) {
    case 'prev-sp':
      next.bp = memory.readPointer(add(cfa, orc.bpOffset));
      break;
    case 'bp':
      next.bp = state.bp === undefined ? undefined : memory.readPointer(add(state.bp, orc.bpOffset));
      break;
    default:
      if (next.regs?.full === true) next.bp = memory.readPointer(add(next.regs.at, PT_REGS.bp));
  }
  // Where an exception cut, any pc may stand: a call through a wild pointer is why the machine died.
  if (!next.exact && !isCode(next.pc)) return notCode(next.pc);
  return { next, cfa };
}

function notCode(pc: VirtAddr): Step {
  return { end: 'broken', problem: `return address ${pc.toString(16)} is not code` };
}

/** Registers that ORC uses at a few places. */
const PLAIN = {
  r10: { name: 'r10', offset: PT_REGS.r10 },
  r13: { name: 'r13', offset: PT_REGS.r13 },
  di: { name: 'rdi', offset: PT_REGS.di },
  dx: { name: 'rdx', offset: PT_REGS.dx },
  ax: { name: 'rax', offset: PT_REGS.ax },
} as const;

/** Such a register, from the pt_regs in force, or from the registers the walk started with. */
function plainRegister(program: Program, state: State, register: OrcRegister): VirtAddr | undefined {
  const plain = Object.hasOwn(PLAIN, register) ? PLAIN[register as keyof typeof PLAIN] : undefined;
  if (plain === undefined) return undefined;
  if (state.regs?.full === true) return program.memory.readPointer(add(state.regs.at, plain.offset));
  const value = state.others.get(plain.name);
  return value === undefined ? undefined : virt(value);
}

/** Code without unwind tables (BPF programs, ftrace trampolines) keeps the frame pointer. */
function stepByFramePointer(program: Program, state: State, isCode: IsCode): Step {
  const bp = state.bp;
  if (bp === undefined || bp < state.sp || bp - state.sp > STACK_GAP || !isAligned(bp, 8)) {
    return { end: 'broken', problem: 'no unwind table covers this code, and no frame pointer helps' };
  }
  const pc = program.memory.readPointer(add(bp, 8));
  if (!isCode(pc)) return notCode(pc);
  return { next: called(pc, add(bp, 16), program.memory.readPointer(bp), 'frame-pointer'), cfa: add(bp, 16) };
}

/** A frame that was found without a rule. */
function called(pc: VirtAddr, sp: VirtAddr, bp: VirtAddr | undefined, source: FrameSource): State {
  return { pc, sp, bp, exact: false, regs: undefined, others: new Map(), source };
}

/** The pc is no code at all: something called or jumped through a wild pointer, and the return address is on top. */
function stepFromNowhere(program: Program, state: State): Step {
  const pc = program.memory.readPointer(state.sp);
  if (!program.isText(pc))
    return { end: 'broken', problem: `the instruction pointer ${state.pc.toString(16)} is not code` };
  return { next: called(pc, add(state.sp, 8), state.bp, 'call'), cfa: add(state.sp, 8) };
}

/**
 * Passes over a frame for whose code there is no rule: upwards from the stack pointer, the first word that is the
 * return address of a direct call of this very function. That such a function left rbp alone is only likely: if it did
 * not, the next frame that needs it ends the walk.
 */
function stepByCall(program: Program, state: State): Step {
  const start = (state.exact ? program.symbols.at(state.pc) : program.symbols.atReturn(state.pc))?.address;
  for (let i = 0; start !== undefined && i < MAX_FRAME_WORDS; i++) {
    const at = add(state.sp, 8 * i);
    const word = attempt(() => program.memory.readPointer(at));
    if (word === undefined) break;
    if (program.isText(word) && attempt(() => isCallOf(program, word, start)) === true) {
      return { next: called(word, add(at, 8), state.bp, 'call'), cfa: add(at, 8) };
    }
  }
  return { end: 'broken', problem: 'the unwind table has no rule here' };
}

const CALL = 0xe8;
const CALL_SIZE = 5;
/** A call may aim behind the function's ENDBR64, or, with call depth tracking, into the padding before it. */
const ENDBR_SIZE = 4;
const PADDING = 16;

/** True when the instruction before `returnAddress` is a direct call of the function at `start`. */
function isCallOf(program: Program, returnAddress: VirtAddr, start: VirtAddr): boolean {
  const { memory } = program;
  if (memory.readU8(sub(returnAddress, CALL_SIZE)) !== CALL) return false;
  const aim = distance(add(returnAddress, memory.readS32(sub(returnAddress, 4))), start);
  return aim >= -PADDING && aim <= ENDBR_SIZE;
}
