/**
 * The little code that is kept: functions that lie on a kernel stack, so that their instructions can be looked at, and
 * those that crash disassembles before it says anything. The rest of the code is that of the kernel's vmlinux.
 */
import type { VirtAddr } from '../base/address.ts';
import type { Budget } from '../base/budget.ts';
import type { Task } from '../kernel/sched.ts';
import { taskStack } from '../kernel/stack.ts';
import type { Program } from '../program/program.ts';
import type { Keep } from './keep.ts';

/** Code behind a symbol that is longer belongs to something without a name. */
const MAX_FUNCTION = 1 << 16;

/**
 * What crash 9.0.2 was seen to read: the beginnings of some functions (does this kernel have frame pointers?), and the
 * code around the entries of CPUs and of non-maskable interrupts. The last names are those of older kernels.
 */
const READ_BY_CRASH: readonly string[] = [
  '__x64_sys_open',
  '__do_sys_fork',
  '__x64_sys_read',
  'do_futex',
  'vfs_read',
  '__schedule',
  'default_do_nmi',
  'crash_nmi_callback',
  'end_repeat_nmi',
  'startup_64',
  'secondary_startup_64',
  'secondary_startup_64_no_verify',
  'common_startup_64',
  '__switch_to_asm',
  'ret_from_fork',
  'ret_from_fork_asm',
  'kernel_init',
  'rest_init',
  'sys_open',
  'sys_read',
  'sys_write',
  'do_fork',
  '_do_fork',
];

/** It looks for where a sleeper continues by so many instructions that it runs beyond the function's end. */
const READ_BEHIND_SCHEDULE = 8192;

/** @throws CancelledError */
export function keepCode(program: Program, keep: Keep, tasks: readonly Task[], budget: Budget): void {
  /** Address and size. */
  const functions = new Map<VirtAddr, number>();
  for (const name of READ_BY_CRASH) {
    const symbol = program.symbols.kernel.lookup(name);
    const behind = name === '__schedule' ? READ_BEHIND_SCHEDULE : 0;
    if (symbol !== undefined) functions.set(symbol.address, symbol.size + behind);
  }
  for (const task of tasks) {
    budget.check();
    for (const { symbol } of taskStack(program, task).frames) {
      if (symbol !== undefined && !functions.has(symbol.address)) functions.set(symbol.address, symbol.size);
    }
  }
  for (const [address, size] of functions) {
    if (program.isText(address)) keep.range(program, address, Math.min(size, MAX_FUNCTION), 'code');
  }
}
