/**
 * x86-64 registers: of a switched-out task (`struct inactive_task_frame` at `thread.sp`, since 4.9, commit 0100301bfdf5),
 * of an NT_PRSTATUS note (`struct elf_prstatus`, pr_reg at 112), and in a `struct pt_regs` on a stack.
 */
import { add, virt, type VirtAddr } from '../../base/address.ts';
import { ByteView } from '../../base/bytes.ts';
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
