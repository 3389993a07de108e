/**
 * What the kernel's log holds, whichever way this kernel keeps it, and what the readers of the three formats share
 * (printk-ringbuffer.ts, printk-log.ts, printk-chars.ts). `printk.ts` chooses among them.
 */
import type { VirtAddr } from '../base/address.ts';
import { FormatError } from '../base/errors.ts';
import type { Nanoseconds } from '../base/units.ts';
import type { Program } from '../program/program.ts';

/** Who printed: the thread with this pid, or in an interrupt the CPU. */
export interface LogCaller {
  readonly kind: 'task' | 'cpu';
  readonly id: number;
}

export interface LogRecord {
  /** Number since boot; undefined where the kernel does not keep it (until 3.4). */
  readonly seq: bigint | undefined;
  /** `local_clock()` when it was printed: about CLOCK_MONOTONIC. Undefined for a line without time. */
  readonly timeNs: Nanoseconds | undefined;
  /** 0 KERN_EMERG ... 7 KERN_DEBUG; undefined for a line whose beginning was overwritten. */
  readonly level: number | undefined;
  /** 0 for the kernel itself; others were written by user space through /dev/kmsg. */
  readonly facility: number | undefined;
  /** Since 5.1; until 5.9 with CONFIG_PRINTK_CALLER only. */
  readonly caller: LogCaller | undefined;
  /** LOG_CONT: continues the record before it. */
  readonly continuation: boolean;
  /** The device it is about, where dev_printk() named one. */
  readonly device: { readonly subsystem: string; readonly device: string } | undefined;
  /** Without level and time; may have several lines and, like every text out of the dump, hold anything. */
  readonly text: string;
}

export interface KernelLog {
  /** Oldest first. */
  readonly records: readonly LogRecord[];
  /** Records that were on their way into the log or in it, and whose text cannot be had. */
  readonly lost: number;
  /** What is wrong with the log, or why there is none; undefined when it is sound. */
  readonly problem: string | undefined;
  readonly format: 'printk_ringbuffer' | 'printk_log' | 'characters' | undefined;
}

/** LOG_CONT of enum log_flags, include/linux/printk.h: unchanged since 3.6. */
export const LOG_CONT = 8;
/** caller_id: this bit tells a CPU from a thread. */
const CALLER_IS_CPU = 0x80000000;

/** Decodes `u32 caller_id`. */
export function callerOf(callerId: number): LogCaller {
  const isCpu = (callerId & CALLER_IS_CPU) !== 0;
  return { kind: isCpu ? 'cpu' : 'task', id: isCpu ? (callerId & ~CALLER_IS_CPU) >>> 0 : callerId };
}

/** Text of a `char[]` whose length is known: UTF-8 where it is valid, else Latin-1. Keeps NULs, unlike textString(). */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  }
}

/**
 * Offset of a member, bytes: VMCOREINFO's `OFFSET(...)`, which the kernel writes for this purpose, else the type's.
 * @param type - without `struct`: 'printk_info' for `struct printk_info`
 * @throws LookupError when neither knows it
 */
export function logOffset(program: Program, type: string, member: string): number {
  return program.vmcoreinfo.offset(`${type}.${member}`) ?? program.field(`struct ${type}`, member).offset;
}

/**
 * Size of a type, bytes: VMCOREINFO's `SIZE(...)`, else the type's.
 * @param type - without `struct`: 'printk_info' for `struct printk_info`
 * @throws LookupError when neither knows it
 */
export function logSize(program: Program, type: string): number {
  return program.vmcoreinfo.size(type) ?? program.sizeOf(`struct ${type}`);
}

/** `struct printk_info`, the largest of them, has 88 bytes; what is read is so much per record. */
const MAX_STRUCT = 4096;

/**
 * Refuses a layout whose members do not lie in their structure: VMCOREINFO is text, and a dump may hold anything in it.
 * @param type - without `struct`: 'printk_info' for `struct printk_info`
 * @param size - bytes of the structure
 * @param ends - where the members end
 * @throws FormatError
 */
export function checkLogLayout(type: string, size: number, ends: readonly number[]): void {
  if (size <= MAX_STRUCT && ends.every((end) => end <= size)) return;
  throw new FormatError('VMCOREINFO', `struct ${type} has ${size} bytes, its members end at ${Math.max(...ends)}`);
}

/**
 * Address of one of the log's variables, such as `char *log_buf`: VMCOREINFO's first, as static variables of other files
 * bear the same names.
 * @throws nothing; undefined when this kernel has none
 */
export function logSymbol(program: Program, name: string): VirtAddr | undefined {
  return program.vmcoreinfo.symbol(name) ?? program.symbols.lookup(name)?.address;
}

/** The lines of a record of the log as dmesg prints them, its `u64 ts_nsec` as seconds in front of each. */
export function logLines(record: LogRecord): readonly string[] {
  const time = record.timeNs;
  const stamp =
    time === undefined
      ? ''
      : `[${String(time / 1_000_000_000n).padStart(5)}.${String((time % 1_000_000_000n) / 1000n).padStart(6, '0')}] `;
  return record.text.split('\n').map((line) => `${stamp}${line}`);
}
