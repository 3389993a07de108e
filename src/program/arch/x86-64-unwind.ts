/**
 * x86-64 stack unwinding by ORC, as arch/x86/kernel/unwind_orc.c does it: call frames, exception and interrupt frames
 * (`struct pt_regs`, whole or only the IRET part), and switches to and from the interrupt stacks. Code without ORC
 * (BPF, trampolines) is stepped over by its frame pointer, and the frame says so. Bounded: hostile stacks end.
 */
import { add, isAligned, isKernel, sub, virt, type VirtAddr } from '../../base/address.ts';
import { FaultError } from '../../base/errors.ts';
import type { OrcEntry, OrcRegister } from '../../debuginfo/orc.ts';
import type { Program } from '../program.ts';
import type { Frame, FrameSource, Registers, StackEnd, StackTrace } from './arch.ts';
import { PT_REGS } from './x86-64-registers.ts';

const MAX_FRAMES = 512;
/** A task's path crosses at most: task, softirq/irq, exception stacks; more is a loop. */
const MAX_STACK_SWITCHES = 8;
const STACK_GAP = 1n << 16n;

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

export function unwind(program: Program, start: Registers): StackTrace {
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
    const step = tryStep(program, state);
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

function tryStep(program: Program, state: State): Step {
  try {
    return step(program, state);
  } catch (error) {
    if (error instanceof FaultError) return { end: 'broken', problem: error.message };
    throw error;
  }
}

function step(program: Program, state: State): Step {
  const lookup = state.exact ? state.pc : sub(state.pc, 1);
  const found = program.orcAt(lookup);
  if (found !== undefined) return stepByOrc(program, state, found);
  return stepByFramePointer(program, state);
}

function stepByOrc(program: Program, state: State, orc: OrcEntry): Step {
  const { memory } = program;
  if (orc.kind === 'end') return { end: 'end' };
  if (orc.kind === 'undefined') return { end: 'broken', problem: 'the unwind table has no rule here' };
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
  if (next.pc === 0n) return { end: 'end' };
  if (!program.isText(next.pc)) return { end: 'broken', problem: `return address ${next.pc.toString(16)} is not code` };
  return { next, cfa };
}

const NAMES: { readonly [R in OrcRegister]?: string } = { r10: 'r10', r13: 'r13', di: 'rdi', dx: 'rdx', ax: 'rax' };

/** A register that ORC uses at a few places: from the pt_regs in force, or from the registers the walk started with. */
function plainRegister(program: Program, state: State, register: OrcRegister): VirtAddr | undefined {
  if (state.regs?.full === true) {
    if (register === 'r10') return program.memory.readPointer(add(state.regs.at, PT_REGS.r10));
    if (register === 'r13') return program.memory.readPointer(add(state.regs.at, PT_REGS.r13));
  }
  const name = NAMES[register];
  const value = name === undefined ? undefined : state.others.get(name);
  return value === undefined ? undefined : virt(value);
}

/** Code without unwind tables (BPF programs, ftrace trampolines) keeps the frame pointer. */
function stepByFramePointer(program: Program, state: State): Step {
  const bp = state.bp;
  if (bp === undefined || bp < state.sp || bp - state.sp > STACK_GAP || !isAligned(bp, 8)) {
    return { end: 'broken', problem: 'no unwind table covers this code, and no frame pointer helps' };
  }
  const pc = program.memory.readPointer(add(bp, 8));
  if (!program.isText(pc)) return { end: 'broken', problem: 'no unwind table covers this code' };
  const cfa = add(bp, 16);
  return {
    next: {
      pc,
      sp: cfa,
      bp: program.memory.readPointer(bp),
      exact: false,
      regs: undefined,
      others: new Map(),
      source: 'frame-pointer',
    },
    cfa,
  };
}
