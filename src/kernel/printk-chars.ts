/**
 * The log until 3.4, kernel/printk.c: characters in a ring, the last `logged_chars` of them before `log_end`. Lines begin
 * with their level and facility, `<6>`, and with printk.time with a time, `[   12.345678] `.
 */
import { LookupError, ValidationError } from '../base/errors.ts';
import { nanoseconds } from '../base/units.ts';
import type { Program } from '../program/program.ts';
import { LogBytes } from './log-bytes.ts';
import { decodeText, type KernelLog, type LogRecord, logSymbol } from './log-record.ts';

/**
 * All lines of a character log, `char *log_buf`.
 * @throws FaultError, LookupError, ValidationError when the ring itself cannot be read
 */
export function readPrintkChars(program: Program): KernelLog {
  const at = (name: string) => {
    const address = logSymbol(program, name);
    if (address === undefined) throw new LookupError('symbol', name);
    return address;
  };
  const { memory } = program;
  const buffer = memory.readPointer(at('log_buf'));
  // int log_buf_len, a power of two; unsigned log_end and logged_chars.
  const log = new LogBytes(program, buffer, memory.readU32(at('log_buf_len')));
  if ((log.length & (log.length - 1)) !== 0)
    throw new ValidationError('log_buf', buffer, `log_buf_len is ${log.length}, no power of two`);
  const end = memory.readU32(at('log_end'));
  const used = Math.min(memory.readU32(at('logged_chars')), log.length);
  const start = (end - used) & (log.length - 1);
  const text = new Uint8Array(used);
  const upper = log.bytes.subarray(start, Math.min(log.length, start + used));
  text.set(upper);
  text.set(log.bytes.subarray(0, used - upper.length), upper.length);
  const problem = log.missing === 0 ? undefined : `${log.missing} bytes of the log cannot be read`;
  return { records: linesOf(text), lost: 0, problem, format: 'characters' };
}

function linesOf(text: Uint8Array): readonly LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf(10, at);
    const end = found < 0 ? text.length : found;
    const line = decodeText(text.subarray(at, end).filter((byte) => byte !== 0));
    if (line !== '') records.push(recordOf(line));
    at = end + 1;
  }
  return records;
}

function recordOf(line: string): LogRecord {
  // <c> continues the line before, <d> has the default level.
  const [, prefix, time, fraction, text] = /^(?:<(\d+|[cd])>)?(?:\[ *(\d+)\.(\d{6})\] )?(.*)$/s.exec(line) ?? [];
  const number = prefix === undefined || !/^\d+$/.test(prefix) ? undefined : Number(prefix);
  return {
    seq: undefined,
    timeNs: time === undefined ? undefined : nanoseconds(BigInt(time) * 1_000_000_000n + BigInt(fraction ?? 0) * 1000n),
    level: number === undefined ? undefined : number & 7,
    facility: number === undefined ? undefined : number >> 3,
    caller: undefined,
    continuation: prefix === 'c',
    device: undefined,
    text: text ?? line,
  };
}
