/**
 * x86-64 registers: of a switched-out task (`struct inactive_task_frame` at `thread.sp`, since 4.9, commit 0100301bfdf5;
 * before, rbp and the flags, pushed by the macro switch_to() of arch/x86/include/asm/switch_to.h in the scheduler itself),
 * of an NT_PRSTATUS note (`struct elf_prstatus`, pr_reg at 112), and in a `struct pt_regs` on a stack.
 */
import { add, virt, type VirtAddr } from '../../base/address.ts';
import { ByteView } from '../../base/bytes.ts';
import { attempt, LookupError } from '../../base/errors.ts';
import type { Program } from '../program.ts';
import type { Registers } from './arch.ts';

/** Order of `struct user_regs_struct`, which `struct pt_regs` shares up to `ss`. */
const USER_REGS = [
  'r15',
  'r14',
  'r13',
  'r12',
  'rbp',
  'rbx',
  'r11',
  'r10',
  'r9',
  'r8',
  'rax',
  'rcx',
  'rdx',
  'rsi',
  'rdi',
  'orig_rax',
  'rip',
  'cs',
  'eflags',
  'rsp',
  'ss',
] as const;

const PR_REG = 112;

/** Offsets in `struct pt_regs`, fixed by the ABI. */
export const PT_REGS = {
  r13: 16,
  bp: 32,
  r10: 56,
  ax: 80,
  dx: 96,
  di: 112,
  ip: 128,
  cs: 136,
  sp: 152,
  size: 168,
} as const;

export function prstatusRegisters(desc: Uint8Array): Registers {
  const view = new ByteView(desc, 'NT_PRSTATUS');
  const all = new Map<string, bigint>();
  USER_REGS.forEach((name, i) => all.set(name, view.u64(PR_REG + 8 * i)));
  return fromMap(all);
}

function fromMap(all: ReadonlyMap<string, bigint>): Registers {
  const bp = all.get('rbp');
  return {
    pc: virt(all.get('rip') ?? 0n),
    sp: virt(all.get('rsp') ?? 0n),
    fp: bp === undefined ? undefined : virt(bp),
    others: all,
    exact: true,
    // The requested privilege level of the code segment.
    user: ((all.get('cs') ?? 0n) & 3n) !== 0n,
  };
}

export function switchedOutRegisters(program: Program, task: VirtAddr): Registers {
  const frame = program.field('struct task_struct', 'thread.sp').pointer(task);
  if (program.types.tryFind('struct inactive_task_frame') === undefined) return beforeFrames(program, frame);
  const size = program.sizeOf('struct inactive_task_frame');
  const slot = (member: string): bigint => program.field('struct inactive_task_frame', member).u64(frame);
  const bp = slot('bp');
  const others = new Map<string, bigint>([
    ['rbp', bp],
    ['rbx', slot('bx')],
  ]);
  for (const name of ['r12', 'r13', 'r14', 'r15']) others.set(name, slot(name));
  const pc = virt(slot('ret_addr'));
  return {
    pc,
    sp: add(frame, size),
    fp: virt(bp),
    others,
    exact: program.symbols.at(pc)?.name.startsWith('ret_from_fork') ?? false,
    user: false,
  };
}

/** Where switch_to() is inlined, and how far the code is searched for its call of `__switch_to`. */
const SCHEDULERS = ['__schedule', 'schedule', 'context_switch'];
const MAX_CODE = 1 << 13;
const CALL = 0xe8;

/**
 * Up to 4.8 the saved rbp is on top of the stack, the flags above it, and the task goes on behind the call of `__switch_to`.
 * One that never ran has its `struct pt_regs` there in place of them.
 * @param sp - `thread.sp`
 * @throws FaultError, LookupError
 */
function beforeFrames(program: Program, sp: VirtAddr): Registers {
  const pc = afterSwitch(program);
  if (pc === undefined) throw new LookupError('symbol', '__switch_to, called by __schedule');
  const bp = program.memory.readPointer(sp);
  const others = new Map<string, bigint>([['rbp', bp]]);
  return { pc, sp: add(sp, 16), fp: bp, others, exact: false, user: false };
}

/** Behind the call of `__switch_to`: `thread_return` where the kernel has such a label. */
function afterSwitch(program: Program): VirtAddr | undefined {
  const { kernel } = program.symbols;
  const label = kernel.lookup('thread_return')?.address;
  const target = kernel.lookup('__switch_to')?.address;
  if (label !== undefined || target === undefined) return label;
  for (const name of SCHEDULERS) {
    const symbol = kernel.lookup(name);
    if (symbol === undefined) continue;
    const bytes = attempt(() => program.memory.readBytes(symbol.address, Math.min(symbol.size, MAX_CODE)));
    const view = new DataView(bytes?.buffer ?? new ArrayBuffer(0), bytes?.byteOffset, bytes?.byteLength);
    for (let i = 0; i + 5 <= view.byteLength; i++) {
      const back = add(symbol.address, i + 5);
      if (view.getUint8(i) === CALL && add(back, view.getInt32(i + 1, true)) === target) return back;
    }
  }
  return undefined;
}
