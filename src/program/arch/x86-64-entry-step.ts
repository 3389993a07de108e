/**
 * Steps through the kernel's entry code (arch/x86/entry/entry_64.S, before 4.2 arch/x86/kernel/entry_64.S) where no table
 * tells of it: it keeps a `struct pt_regs` on top of the stack, whose last five words, which the CPU pushes, are known by
 * what they hold. Also: the functions with which every stack ends.
 */
import { add, distance, isAligned, isKernel, sub, type VirtAddr, within } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Program } from '../program.ts';
import { lookupOf, type State, type Step, throughRegs } from './x86-64-frame-state.ts';
import { PT_REGS } from './x86-64-registers.ts';

/** __KERNEL_CS, __USER_CS, __USER32_CS (arch/x86/include/asm/segment.h). */
const KERNEL_CS = 0x10n;
const USER_CS: readonly bigint[] = [0x33n, 0x23n];
/** __KERNEL_DS; the CPU pushes 0 where SS was 0. */
const KERNEL_SS: readonly bigint[] = [0x18n, 0n];
const USER_SS = 0x2bn;
/** RFLAGS: bit 1 is always set, and there are none above bit 21. */
const FLAG_SET = 2n;
const FLAGS_END = 1n << 22n;
/** Words above the stack pointer in which the IRET frame begins: a pt_regs, and what entry code pushes below it. */
const MAX_WORDS = 40;

/** Where stacks end: the first code of a CPU, of a kernel thread and of a new task. */
const OUTERMOST =
  /^(ret_from_fork(_asm)?|ret_from_kernel_thread|kernel_thread_helper|child_rip|(secondary_)?startup_64(_no_verify)?|common_startup_64|start_cpu0?)$/;
/** Before `__entry_text_start` (2.6.39, commit ea7145477a46), and where parts of it lie in other sections (until 4.x). */
const ENTRY =
  /^(asm_|entry_|system_call|sysret_|tracesys|int_(ret|with|check|very|signal|restore)|retint_|ret_from_(intr|sys_call)|stub_|ptregscall|error_|paranoid_|page_fault|async_page_fault|general_protection|double_fault|invalid_op|divide_error|overflow|bounds|coprocessor|segment_not|alignment_check|simd_|machine_check|debug|nmi|int3|stack_segment|spurious_|common_interrupt|\w+_interrupt$|call_softirq|xen_|do_softirq_own_stack|swapgs_|restore_|native_iret|irq_entries|ia32_)/;

export function isOutermost(program: Program, state: State): boolean {
  const name = program.symbols.at(lookupOf(state))?.name ?? '';
  // In C since 6.6 (commit 3aec4ecb3d1f), with the assembler as another function.
  if (name === 'ret_from_fork' && program.symbols.kernel.lookup('ret_from_fork_asm') !== undefined) return false;
  return OUTERMOST.test(name);
}

export function isEntryCode(program: Program, state: State): boolean {
  const at = lookupOf(state);
  const start = program.symbols.kernel.lookup('__entry_text_start')?.address;
  const end = program.symbols.kernel.lookup('__entry_text_end')?.address;
  if (start !== undefined && end !== undefined && within(start, end, at)) return true;
  return program.symbols.isKernelText(at) && ENTRY.test(program.symbols.at(at)?.name ?? '');
}

/** Undefined when no registers are found above the stack pointer. */
export function stepThroughEntry(program: Program, state: State): Step | undefined {
  const here = iretFrameAbove(program, state.sp);
  if (here !== undefined) return onward(program, state, state.sp, here);
  // Until 5.7 interrupts pushed the stack pointer of before on the interrupt stack: it points to the pt_regs.
  const before = attempt(() => program.memory.readPointer(state.sp));
  if (before === undefined || !isKernel(before) || !isAligned(before, 8)) return undefined;
  const there = iretFrameAbove(program, before);
  return there === undefined ? undefined : onward(program, state, before, there);
}

function onward(program: Program, state: State, from: VirtAddr, iret: VirtAddr): Step | undefined {
  const regs = sub(iret, PT_REGS.ip);
  const full = distance(iret, from) >= PT_REGS.ip;
  return attempt(() => throughRegs(program, state, regs, full, full ? regs : iret));
}

/** The words that the CPU pushes: rip, cs, rflags, rsp, ss. */
function iretFrameAbove(program: Program, sp: VirtAddr): VirtAddr | undefined {
  for (let i = 0; i < MAX_WORDS; i++) {
    const at = add(sp, 8 * i);
    const found = attempt(() => isIretFrame(program, at));
    if (found === true) return at;
    if (found === undefined) return undefined;
  }
  return undefined;
}

/** @throws FaultError */
function isIretFrame(program: Program, at: VirtAddr): boolean {
  const { memory } = program;
  const cs = memory.readU64(add(at, 8));
  if (cs !== KERNEL_CS && !USER_CS.includes(cs)) return false;
  const flags = memory.readU64(add(at, 16));
  if ((flags & FLAG_SET) === 0n || flags >= FLAGS_END) return false;
  const ss = memory.readU64(add(at, 32));
  if (cs !== KERNEL_CS) return ss === USER_SS;
  const sp = memory.readPointer(add(at, 24));
  return KERNEL_SS.includes(ss) && isKernel(sp);
}
