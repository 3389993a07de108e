/**
 * One step of the x86-64 unwinder by call frame information (DWARF), for kernels whose ORC tables are not there. It covers
 * what the compiler made; assembler has none since 4.2 (x86-64-guess-step.ts). The inline assembler that calls a function
 * on the interrupt stack (since 5.12, commit 569dd8b4eb7e) is not told by it: there the stack pointer of before lies in the
 * uppermost word of that stack.
 */
import { add, isAligned, isKernel, virt, type VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { CfiRow, CfiRule } from '../../debuginfo/dwarf/cfi.ts';
import type { Program } from '../program.ts';
import { callBefore } from './x86-64-calls.ts';
import { type IsCode, lookupOf, notCode, registerOf, type State, type Step } from './x86-64-frame-state.ts';

/** DWARF's numbers (System V ABI, figure 3.36). */
const NAMES = [
  'rax',
  'rdx',
  'rcx',
  'rbx',
  'rsi',
  'rdi',
  'rbp',
  'rsp',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];
const RBP = 6;
const RSP = 7;
/** Those that a function hands back as they were, besides rbp. */
const KEPT = [3, 12, 13, 14, 15] as const;
const PAGE = 4096n;

/** @throws FaultError */
export function stepByCfi(program: Program, state: State, row: CfiRow, isCode: IsCode): Step {
  const switched = beforeSwitch(program, state);
  const through = switched === undefined ? undefined : attempt(() => stepOn(program, switched, row, isCode));
  if (through !== undefined && 'next' in through && callBefore(program, through.next.pc, isCode) !== undefined)
    return through;
  return stepOn(program, state, row, isCode);
}

/**
 * A step by another rule, and the registers that call frame information hands on: where it comes to the same frame.
 */
export function withRegisters(program: Program, state: State, taken: Step, isCode: IsCode): Step {
  if (!('next' in taken) || taken.next.source !== 'orc') return taken;
  const row = attempt(() => program.cfiAt(lookupOf(state)));
  const step = row === undefined ? undefined : attempt(() => stepOn(program, state, row, isCode));
  if (step === undefined || !('next' in step)) return taken;
  const { next } = step;
  if (next.pc !== taken.next.pc || next.sp !== taken.next.sp) return taken;
  return { ...taken, next: { ...taken.next, others: next.others } };
}

/** What is known in a frame, by DWARF's numbers. */
export function registersOf(program: Program, state: State): ReadonlyMap<number, bigint> {
  const values = new Map<number, bigint>();
  for (const number of NAMES.keys()) {
    const value = attempt(() => known(program, state, number));
    if (value !== undefined) values.set(number, value);
  }
  return values;
}

/** With the stack pointer that lies in the uppermost word of a stack, when this is such a word. */
function beforeSwitch(program: Program, state: State): State | undefined {
  if (state.exact || state.sp % PAGE !== PAGE - 8n) return undefined;
  const sp = attempt(() => program.memory.readPointer(state.sp));
  return sp === undefined || !isKernel(sp) || !isAligned(sp, 8) ? undefined : { ...state, sp };
}

function stepOn(program: Program, state: State, row: CfiRow, isCode: IsCode): Step {
  const cfa = valueOf(program, state, row.cfa, undefined);
  if (cfa === undefined) return { end: 'broken', problem: 'the rule needs what is not known of the frame below' };
  if (!isAligned(cfa, 8) || !isKernel(cfa)) return { end: 'broken', problem: 'the stack pointer left the kernel' };
  const saved = (register: number): VirtAddr | undefined => {
    const rule = row.saved.get(register);
    if (rule === undefined) return known(program, state, register);
    return valueOf(program, state, rule, cfa);
  };
  // Where the outermost frame is, its return address is told to be none.
  const rule = row.saved.get(row.returnRegister);
  if (rule === undefined || rule.kind === 'undefined') return { end: 'end' };
  const pc = valueOf(program, state, rule, cfa);
  if (pc === undefined) return { end: 'broken', problem: 'the rule for the return address is not understood' };
  if (!row.signal && !isCode(pc)) return notCode(pc);
  const others = new Map<string, bigint>();
  for (const register of KEPT) {
    const value = attempt(() => saved(register));
    if (value !== undefined) others.set(NAMES[register] ?? '', value);
  }
  const sp = row.saved.has(RSP) ? (saved(RSP) ?? cfa) : cfa;
  const next: State = {
    pc,
    sp,
    bp: attempt(() => saved(RBP)),
    exact: row.signal,
    regs: undefined,
    others,
    source: row.signal ? 'exception' : 'cfi',
  };
  return { next, cfa };
}

/** What a register holds in this frame. */
function known(program: Program, state: State, register: number): VirtAddr | undefined {
  if (register === RSP) return state.sp;
  if (register === RBP) return state.bp;
  const name = NAMES[register];
  return name === undefined ? undefined : registerOf(program, state, name);
}

/** @param cfa - undefined when it is what is computed */
function valueOf(program: Program, state: State, rule: CfiRule, cfa: VirtAddr | undefined): VirtAddr | undefined {
  if (rule.kind === 'undefined' || rule.kind === 'unknown') return undefined;
  const base = rule.base === 'cfa' ? cfa : known(program, state, rule.base);
  if (base === undefined) return undefined;
  const at = add(base, rule.offset);
  return rule.kind === 'at' ? virt(program.memory.readU64(at)) : at;
}
