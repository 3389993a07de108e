/**
 * The log of 3.5 to 5.9, kernel/printk/printk.c: records `struct printk_log` (`struct log` until 3.10 and in el7), each
 * followed by its text and its dictionary, in a byte ring from log_first_idx to log_next_idx. A length of 0 stands where
 * the ring begins anew. After a damaged record the next sound one is looked for: the last ones matter most.
 */
import { nanoseconds } from '../base/units.ts';
import type { Program } from '../program/program.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { LogBytes } from './log-bytes.ts';
import {
  callerOf,
  checkLogLayout,
  decodeText,
  type KernelLog,
  LOG_CONT,
  type LogRecord,
  logOffset,
  logSize,
  logSymbol,
} from './log-record.ts';

interface Layout {
  readonly size: number;
  readonly time: number;
  readonly length: number;
  readonly textLength: number;
  readonly dictLength: number;
  readonly caller: number | undefined;
}

function layoutOf(program: Program): Layout {
  // Renamed in 3.11 (commit 62e32ac3505a).
  const info = program.vmcoreinfo;
  const known = info.size('printk_log') ?? program.types.tryFind('struct printk_log');
  const type = known === undefined ? 'log' : 'printk_log';
  const size = logSize(program, type);
  const dictLength = logOffset(program, type, 'dict_len');
  // u8 facility and u8 flags:5, level:3 follow dict_len; caller_id (5.1, CONFIG_PRINTK_CALLER) follows them.
  const end = dictLength + 4;
  const caller = program.tryField(`struct ${type}`, 'caller_id')?.offset ?? (size >= end + 4 ? end : undefined);
  const time = logOffset(program, type, 'ts_nsec');
  const length = logOffset(program, type, 'len');
  const textLength = logOffset(program, type, 'text_len');
  checkLogLayout(type, size, [time + 8, length + 2, textLength + 2, end, caller === undefined ? 0 : caller + 4]);
  return { size, time, length, textLength, dictLength, caller };
}

/**
 * All records of a log of `struct printk_log`.
 * @returns the sound records, oldest first
 * @throws FaultError, FormatError, LookupError, ValidationError when the ring itself cannot be read
 */
export function readPrintkLog(program: Program): KernelLog {
  const at = (name: string) => {
    const address = logSymbol(program, name);
    if (address === undefined) throw new LookupError('symbol', name);
    return address;
  };
  const { memory } = program;
  const layout = layoutOf(program);
  const buffer = memory.readPointer(at('log_buf'));
  const bytes = new LogBytes(program, buffer, memory.readU32(at('log_buf_len')));
  const first = memory.readU32(at('log_first_idx'));
  const next = memory.readU32(at('log_next_idx'));
  if (layout.size < 16 || first >= bytes.length || next > bytes.length)
    throw new ValidationError('log_buf', buffer, `has records from ${first} to ${next}`);
  const seq = program.symbols.lookup('log_first_seq')?.address;
  return new Records(bytes, layout, next).read(first, seq === undefined ? undefined : memory.readU64(seq));
}

class Records {
  readonly #log: LogBytes;
  readonly #at: Layout;
  readonly #end: number;

  constructor(log: LogBytes, layout: Layout, end: number) {
    this.#log = log;
    this.#at = layout;
    this.#end = end;
  }

  read(first: number, firstSeq: bigint | undefined): KernelLog {
    const records: LogRecord[] = [];
    let lost = 0;
    let skipped = 0;
    let seq = firstSeq;
    let wrapped = false;
    // Every step goes up in the buffer, and it wraps once.
    for (let at = first; at !== this.#end; ) {
      if (this.#isWrap(at)) {
        if (wrapped) break;
        wrapped = true;
        at = 0;
        continue;
      }
      if (this.#isSound(at)) {
        records.push(this.#record(at, seq));
        if (seq !== undefined) seq++;
        at += this.#length(at);
        continue;
      }
      lost++;
      // How many records were lost is not known, so the ones behind have no number.
      seq = undefined;
      const found = this.#nextSound(at, wrapped || at < this.#end ? this.#end : this.#log.length);
      skipped += (found ?? this.#log.length) - at;
      if (found !== undefined) at = found;
      else if (wrapped || at < this.#end) break;
      else {
        wrapped = true;
        at = 0;
      }
    }
    const problem = skipped === 0 ? undefined : `${skipped} bytes of the log are damaged or cannot be read`;
    return { records, lost, problem, format: 'printk_log' };
  }

  /** Length 0, or no room for another record: the ring goes on at its start. */
  #isWrap(at: number): boolean {
    if (at + this.#at.size > this.#log.length) return true;
    return this.#log.has(at, this.#at.size) && this.#length(at) === 0 && at > this.#end;
  }

  #length(at: number): number {
    return this.#log.view.getUint16(at + this.#at.length, true);
  }

  #isSound(at: number): boolean {
    const { size, textLength, dictLength } = this.#at;
    if (!this.#log.has(at, size)) return false;
    const length = this.#length(at);
    const used = size + this.#u16(at + textLength) + this.#u16(at + dictLength);
    // Records are padded to at most 8 bytes, and never reach over the end of the log or of the ring.
    const fits = length >= used && length - used < 8 && length % 4 === 0;
    return fits && this.#log.has(at, length) && (at >= this.#end || at + length <= this.#end);
  }

  /** The next place where a sound record stands that is followed by another, by the wrap or by the end. */
  #nextSound(after: number, limit: number): number | undefined {
    for (let at = after + 4; at + this.#at.size <= limit; at += 4) {
      if (!this.#isSound(at)) continue;
      const behind = at + this.#length(at);
      if (behind === this.#end || this.#isWrap(behind) || this.#isSound(behind)) return at;
    }
    return undefined;
  }

  #u16(at: number): number {
    return this.#log.view.getUint16(at, true);
  }

  #record(at: number, seq: bigint | undefined): LogRecord {
    const { size, time, textLength, dictLength, caller } = this.#at;
    const { view, bytes } = this.#log;
    const flags = view.getUint8(at + dictLength + 3);
    const text = at + size;
    const dict = text + this.#u16(at + textLength);
    return {
      seq,
      timeNs: nanoseconds(view.getBigUint64(at + time, true)),
      level: flags >> 5,
      facility: view.getUint8(at + dictLength + 2),
      caller: caller === undefined ? undefined : callerOf(view.getUint32(at + caller, true)),
      continuation: (flags & LOG_CONT) !== 0,
      device: deviceOf(bytes.subarray(dict, dict + this.#u16(at + dictLength))),
      text: decodeText(bytes.subarray(text, dict)),
    };
  }
}

/** A dictionary is `KEY=value` strings with NULs between them. */
function deviceOf(dict: Uint8Array): LogRecord['device'] {
  if (dict.length === 0) return undefined;
  const entries = decodeText(dict).split('\0');
  const value = (key: string): string | undefined =>
    entries.find((entry) => entry.startsWith(`${key}=`))?.slice(key.length + 1);
  const subsystem = value('SUBSYSTEM');
  return subsystem === undefined ? undefined : { subsystem, device: value('DEVICE') ?? '' };
}
