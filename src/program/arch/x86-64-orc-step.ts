/** One step of the unwinder by a rule of ORC (arch/x86/kernel/unwind_orc.c). */
import { add, isAligned, isKernel, sub, type VirtAddr } from '../../base/address.ts';
import type { OrcEntry, OrcRegister } from '../../debuginfo/orc.ts';
import type { Program } from '../program.ts';
import { type IsCode, notCode, registerOf, type State, type Step, throughRegs } from './x86-64-frame-state.ts';
import { PT_REGS } from './x86-64-registers.ts';

/** @param orc - neither 'end' nor 'undefined' @throws FaultError */
export function stepByOrc(program: Program, state: State, orc: OrcEntry, isCode: IsCode): Step {
  const { memory } = program;
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

  if (orc.kind === 'regs' || orc.kind === 'regs-partial') {
    const full = orc.kind === 'regs';
    const step = throughRegs(program, state, full ? cfa : sub(cfa, PT_REGS.ip), full, cfa);
    if ('next' in step) step.next.bp = callersBp(program, state, orc, cfa) ?? step.next.bp;
    return step;
  }
  const pc = memory.readPointer(sub(cfa, 8));
  const bp = callersBp(program, state, orc, cfa) ?? state.bp;
  if (!isCode(pc)) return notCode(pc);
  return { next: { pc, sp: cfa, bp, exact: false, regs: undefined, others: new Map(), source: 'orc' }, cfa };
}

/** Undefined where it is unchanged. */
function callersBp({ memory }: Program, state: State, orc: OrcEntry, cfa: VirtAddr): VirtAddr | undefined {
  if (orc.bpReg === 'prev-sp') return memory.readPointer(add(cfa, orc.bpOffset));
  if (orc.bpReg === 'bp' && state.bp !== undefined) return memory.readPointer(add(state.bp, orc.bpOffset));
  return undefined;
}

/** Registers that ORC uses at a few places. */
const PLAIN: { readonly [register in OrcRegister]?: string } = {
  r10: 'r10',
  r13: 'r13',
  di: 'rdi',
  dx: 'rdx',
  ax: 'rax',
};

function plainRegister(program: Program, state: State, register: OrcRegister): VirtAddr | undefined {
  const name = PLAIN[register];
  return name === undefined ? undefined : registerOf(program, state, name);
}
