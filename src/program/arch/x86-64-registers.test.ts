import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { add } from '../../base/address.ts';
import { FaultError, FormatError, LookupError } from '../../base/errors.ts';
import { prstatusRegisters, switchedOutRegisters } from './x86-64-registers.ts';

/** `struct elf_prstatus` of x86-64: 336 bytes, 27 registers from 112 on. */
function prstatus(cs: bigint): Uint8Array {
  const desc = Buffer.alloc(336);
  for (let i = 0; i < 27; i++) desc.writeBigUInt64LE(0xff00n + BigInt(i), 112 + 8 * i);
  desc.writeBigUInt64LE(0xffffffff81000123n, 112 + 8 * 16);
  desc.writeBigUInt64LE(cs, 112 + 8 * 17);
  desc.writeBigUInt64LE(0xffffc90000003e00n, 112 + 8 * 19);
  return desc;
}

describe('prstatusRegisters', () => {
  it('knows the order of the registers', () => {
    const registers = prstatusRegisters(prstatus(0x10n));
    expect(registers).toMatchObject({ pc: 0xffffffff81000123n, sp: 0xffffc90000003e00n, fp: 0xff04n, exact: true });
    expect(registers.user).toBe(false);
    const names = ['r15', 'r13', 'rbx', 'r10', 'rax', 'rdx', 'rdi', 'orig_rax', 'eflags', 'ss'];
    expect(names.map((name) => Number(registers.others.get(name)) - 0xff00)).toEqual([
      0, 2, 5, 7, 10, 12, 14, 15, 18, 20,
    ]);
  });

  it('tells user mode by the code segment', () => {
    expect(prstatusRegisters(prstatus(0x33n)).user).toBe(true);
    expect(prstatusRegisters(prstatus(0x23n)).user).toBe(true);
  });

  it('does not read behind a note that is cut off', () => {
    expect(() => prstatusRegisters(prstatus(0x10n).subarray(0, 270))).toThrow(FormatError);
  });
});

describe('switchedOutRegisters', () => {
  /** `flags` stood in front in some stable branches, and is there in 32-bit kernels. */
  function image(withFlags: boolean): KernelImage {
    const made = new KernelImage();
    made.struct('inactive_task_frame', {
      ...(withFlags ? { flags: 'unsigned long' } : {}),
      r15: 'unsigned long',
      r14: 'unsigned long',
      r13: 'unsigned long',
      r12: 'unsigned long',
      bx: 'unsigned long',
      bp: 'unsigned long',
      ret_addr: 'unsigned long',
    });
    made.struct('thread_struct', { sp: 'unsigned long' });
    made.struct('task_struct', { pid: 'int', thread: 'struct thread_struct' });
    made.function('ret_from_fork_asm', 0x40);
    made.function('__schedule', 0x800);
    made.place('frame', 'struct inactive_task_frame', {
      r12: 12,
      r13: 13,
      r14: 14,
      r15: 15,
      bx: 5,
      bp: 0xffffc90000003f00n,
      ret_addr: ref('__schedule', 0x281),
    });
    made.place('task', 'struct task_struct', { thread: { sp: ref('frame') } });
    return made;
  }

  it.each([false, true])('reads the frame that the switch left, with flags: %s', (withFlags) => {
    const made = image(withFlags);
    const registers = switchedOutRegisters(programOfImage(made), made.address('task'));
    expect(registers).toMatchObject({
      pc: add(made.address('__schedule'), 0x281),
      sp: add(made.address('frame'), withFlags ? 64 : 56),
      fp: 0xffffc90000003f00n,
      exact: false,
      user: false,
    });
    expect(Object.fromEntries(registers.others)).toEqual({
      rbp: 0xffffc90000003f00n,
      rbx: 5n,
      r12: 12n,
      r13: 13n,
      r14: 14n,
      r15: 15n,
    });
  });

  it('knows a task that never ran: nobody called', () => {
    const made = image(false);
    made.write('frame.ret_addr', ref('ret_from_fork_asm'));
    expect(switchedOutRegisters(programOfImage(made), made.address('task')).exact).toBe(true);
    made.write('frame.ret_addr', 0x41414141);
    expect(switchedOutRegisters(programOfImage(made), made.address('task')).exact).toBe(false);
  });

  it('reads what switch_to() pushed before there were such frames, up to 4.8', () => {
    const made = new KernelImage();
    made.struct('thread_struct', { sp0: 'unsigned long', sp: 'unsigned long' });
    made.struct('task_struct', { pid: 'int', thread: 'struct thread_struct' });
    const target = made.function('__switch_to', 0x40);
    const start = made.function('__schedule', 0x80);
    const code = new Uint8Array(0x80).fill(0x90);
    code.set([0xe8, ...Buffer.from(Int32Array.of(Number(target - start) - 0x25).buffer)], 0x20);
    made.bytes('code', code, { at: start });
    made.place('pushed', 'unsigned long[2]', [0xffff880012345fc0n, 0x246]);
    made.place('task', 'struct task_struct', { 'thread.sp': ref('pushed') });
    expect(switchedOutRegisters(programOfImage(made), made.address('task'))).toMatchObject({
      pc: add(start, 0x25),
      sp: add(made.address('pushed'), 16),
      fp: 0xffff880012345fc0n,
      exact: false,
    });
    // Older ones have a label there.
    made.symbol('thread_return', add(start, 0x40), 0, 't');
    expect(switchedOutRegisters(programOfImage(made), made.address('task')).pc).toBe(add(start, 0x40));
    const other = new KernelImage();
    other.struct('thread_struct', { sp: 'unsigned long' });
    other.struct('task_struct', { thread: 'struct thread_struct' });
    other.place('task', 'struct task_struct', { 'thread.sp': ref('task') });
    expect(() => switchedOutRegisters(programOfImage(other), other.address('task'))).toThrow(LookupError);
  });

  it('fails with the memory', () => {
    const made = image(false);
    made.write('task.thread.sp', 0xffff900000000000n);
    expect(() => switchedOutRegisters(programOfImage(made), made.address('task'))).toThrow(FaultError);
  });
});
