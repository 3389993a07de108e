/**
 * The kernel's log (dmesg), in whichever of the three ways this kernel keeps it. Needs VMCOREINFO or types for offsets;
 * either will do. Not read: messages still in the per-CPU buffers of printk_safe (4.10-5.14), and `printk_rb_static`,
 * from which setup_log_buf() copied the early messages.
 */
import { isDataError } from '../base/errors.ts';
import { PROVEN } from '../program/layouts.ts';
import type { Program } from '../program/program.ts';
import { type KernelLog, logSymbol } from './log-record.ts';
import { readPrintkChars } from './printk-chars.ts';
import { readPrintkLog } from './printk-log.ts';
import { readPrintkRingbuffer } from './printk-ringbuffer.ts';

export { type KernelLog, type LogCaller, type LogRecord, logLines } from './log-record.ts';

/**
 * The log: `struct printk_ringbuffer *prb`, or `char *log_buf` with `struct printk_log` or plain characters in it.
 * @throws nothing for what the dump holds: `problem` says what is wrong
 */
export function readLog(program: Program): KernelLog {
  try {
    // Since 5.10 (commit 896fbe20b4e2).
    const prb = logSymbol(program, 'prb');
    if (prb !== undefined) {
      program.layouts.chose('log', 'printk_ringbuffer (since 5.10)', PROVEN);
      return readPrintkRingbuffer(program, program.memory.readPointer(prb));
    }
    if (logSymbol(program, 'log_buf') !== undefined)
      program.layouts.chose('log', 'records or characters (until 5.9)', []);
    // Since 3.5 (commit 7ff9554bb578).
    if (logSymbol(program, 'log_first_idx') !== undefined) return readPrintkLog(program);
    return readPrintkChars(program);
  } catch (error) {
    if (!isDataError(error)) throw error;
    return { records: [], lost: 0, problem: `the log cannot be read: ${error.message}`, format: undefined };
  }
}
