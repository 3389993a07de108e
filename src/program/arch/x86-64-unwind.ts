/**
 * x86-64 stack unwinding by ORC, as arch/x86/kernel/unwind_orc.c does it: call frames, exception and interrupt frames
 * (`struct pt_regs`, whole or only the IRET part), and switches to and from the interrupt stacks. Where the tables have
 * no rule, a frame is passed over by its frame pointer (BPF, trampolines) or by the return address of a call of that
 * very function (`__crash_kexec`, which STACK_FRAME_NON_STANDARD exempts and on which every panicking CPU stands), and
 * the next frame says so. Code that no ORC table covers is unwound by DWARF's call frame information, and where there is
 * none by what its functions are seen to do (x86-64-guess-step.ts). Bounded: hostile stacks end. Not handled: return
 * addresses replaced by kretprobes and the function graph tracer.
 */
import type { VirtAddr } from '../../base/address.ts';
import { isDataError } from '../../base/errors.ts';
import type { Program } from '../program.ts';
import type { Frame, Registers, StackTrace } from './arch.ts';
import { registersOf, stepByCfi, withRegisters } from './x86-64-cfi-step.ts';
import { type IsCode, lookupOf, STACK_GAP, type State, type Step } from './x86-64-frame-state.ts';
import { stepByCall, stepByFramePointer, stepByGuess, stepFromNowhere } from './x86-64-guess-step.ts';
import { stepByOrc } from './x86-64-orc-step.ts';

const MAX_FRAMES = 512;
/** A task's path crosses at most: task, softirq/irq, exception stacks; more is a loop. */
const MAX_STACK_SWITCHES = 8;

export interface UnwindOptions {
  /** True where the page tables allow code: return addresses into BPF and trampolines. */
  readonly isExecutable?: (address: VirtAddr) => boolean;
  /** Where the task's stack ends (exclusive): a scan goes no further. */
  readonly stackEnd?: VirtAddr | undefined;
  /** Frames with their registers. */
  readonly registers?: boolean;
}

export function unwind(
  program: Program,
  start: Registers,
  { isExecutable = () => false, stackEnd, registers = false }: UnwindOptions = {},
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
    const step = tryStep(program, state, isCode, stackEnd, registers);
    const next = 'next' in step ? step.next : undefined;
    frames.push({
      pc: state.pc,
      sp: state.sp,
      cfa: 'next' in step ? step.cfa : undefined,
      exact: state.exact,
      source: state.source,
      registersAt: next?.regs?.at,
      ...(registers ? { registers: registersOf(program, state) } : {}),
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

function tryStep(
  program: Program,
  state: State,
  isCode: IsCode,
  stackEnd: VirtAddr | undefined,
  registers: boolean,
): Step {
  try {
    const taken = step(program, state, isCode, stackEnd);
    return registers ? withRegisters(program, state, taken, isCode) : taken;
  } catch (error) {
    if (isDataError(error)) return { end: 'broken', problem: error.message };
    throw error;
  }
}

function step(program: Program, state: State, isCode: IsCode, stackEnd: VirtAddr | undefined): Step {
  const at = lookupOf(state);
  const orc = program.orcAt(at);
  if (orc?.kind === 'end') return { end: 'end' };
  if (orc?.kind === 'undefined') return stepByCall(program, state, isCode);
  if (orc !== undefined) return stepInSwitch(program, state, isCode) ?? stepByOrc(program, state, orc, isCode);
  if (state.exact && !isCode(state.pc)) return stepFromNowhere(program, state);
  const cfi = program.cfiAt(at);
  if (cfi !== undefined) return stepByCfi(program, state, cfi, isCode);
  // Where there is ORC, what it does not cover was made at run time.
  if (program.hasOrc) return stepByFramePointer(program, state, isCode);
  return stepByGuess(program, state, isCode, stackEnd);
}

/**
 * A machine that was stopped from outside may stand in `__switch_to_asm`, which changes stacks: its rules are those of its
 * first instruction alone. On either stack its return address is the first of a call of it.
 */
function stepInSwitch(program: Program, state: State, isCode: IsCode): Step | undefined {
  if (!state.exact || program.symbols.at(state.pc)?.name !== '__switch_to_asm') return undefined;
  const step = stepByCall(program, state, isCode);
  return 'next' in step ? step : undefined;
}
