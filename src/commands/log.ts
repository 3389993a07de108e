/**
 * `log`: the kernel's log as it was when the machine stopped, oldest first. Lines of one record stand below one another
 * under its stamp. A stamp's date is that of CLOCK_REALTIME at the crash, counted back.
 */
import { UsageError } from '../base/errors.ts';
import type { Nanoseconds } from '../base/units.ts';
import { logFact } from '../diagnosis/facts/log.ts';
import { auditRecords } from '../kernel/audit-queue.ts';
import type { LogRecord } from '../kernel/log-record.ts';
import { safeBuffers } from '../kernel/printk-safe.ts';
import { timekeeping } from '../kernel/timekeeping.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data, duration, name, wallClock } from '../model/value.ts';
import { dateText, hex16 } from '../shell/format.ts';

const SECOND = 1_000_000_000n;

export default defineCommand({
  name: 'log',
  aliases: ['dmesg'],
  summary: "the kernel's log, oldest first",
  options: [
    { flag: 'T', summary: 'dates instead of seconds since boot' },
    { flag: 't', summary: 'no stamps' },
    { flag: 'm', summary: 'the level of each record, <0> emergency to <7> debug (in hex, with the facility)' },
    { flag: 'c', summary: 'who printed it: T and a pid, or C and a CPU' },
    { flag: 'd', summary: 'the device that a record is about' },
    { flag: 'a', summary: 'audit records that were not yet sent to the audit daemon' },
    { flag: 's', summary: 'messages in the buffers of printk_safe, which had not reached the log (4.7 to 5.14)' },
  ],
  arguments: [],
  examples: [
    { line: 'log', what: 'all of it' },
    { line: 'log -T | tail', what: 'the last lines with dates' },
    { line: 'log -m | grep "<3>"', what: 'the errors' },
  ],
  run(context, args) {
    if (args.has('T') && args.has('t')) throw new UsageError('-T wants dates and -t no stamps; give one of them');
    if (args.has('a')) return auditLog(context);
    if (args.has('s')) return safeLog(context);
    const { records } = context.use(logFact);
    const boot = args.has('T') ? bootTime(context) : undefined;
    return {
      shape: 'lines',
      lines: lines(records, args, boot),
      data: () => records.map((record) => recordData(record, boot)),
    };
  },
});

function auditLog({ program, problem }: CommandContext): Shape {
  const { records, problem: missing } = auditRecords(program);
  if (missing !== undefined) problem(`audit records: ${missing}`);
  return {
    shape: 'lines',
    lines:
      records.length === 0
        ? ['kernel audit log is empty']
        : records.map(({ type, text }) => expandTabs(`type=${type} ${text}`)),
    data: () => records.map(({ queue, type, text }) => ({ queue, type, text: name(text) })),
  };
}

function safeLog({ program }: CommandContext): Shape {
  const buffers = safeBuffers(program);
  return {
    shape: 'lines',
    lines: buffers.flatMap(({ name: label, cpu, address: at, length, lost, lines: all }, i) => [
      ...(buffers[i - 1]?.name === label ? [] : [`PRINTK_SAFE_SEQ_BUF: ${label}`]),
      `CPU: ${cpu}  ADDR: ${hex16(at)} LEN: ${length}  MESSAGE_LOST: ${lost}`,
      ...(all.length === 0 ? ['  (empty)'] : all.map((line) => expandTabs(`  ${line}`))),
      '',
    ]),
    data: () =>
      buffers.map(({ name: label, cpu, address: at, length, lost, lines: all }) => ({
        buffer: label,
        cpu,
        address: address(at),
        length,
        lost,
        lines: all.map((line) => name(line)),
      })),
  };
}

/** When the log's clock was 0, in nanoseconds since 1970. */
function bootTime({ program, problem }: CommandContext): bigint {
  const { realtime, uptime } = timekeeping(program);
  const up = uptime.monotonic.value;
  if (realtime.value === undefined || up === undefined) {
    problem(`dates: ${realtime.problem ?? uptime.monotonic.problem}`);
    throw new UsageError('the dates are not known: the clocks cannot be read; log without -T has seconds since boot');
  }
  return realtime.value - up;
}

function* lines(records: readonly LogRecord[], args: CommandArguments, boot: bigint | undefined): Generator<TextLine> {
  for (const record of records) {
    const front = args.has('t') ? '' : stamp(record.timeNs, boot);
    const caller = args.has('c') ? callerText(record) : '';
    const level =
      args.has('m') && record.level !== undefined
        ? `<${((record.facility ?? 0) * 8 + record.level).toString(16)}>`
        : '';
    const before = `${front}${caller}${level}`;
    const [first = '', ...rest] = record.text.split('\n');
    yield expandTabs(`${before}${first}`);
    for (const line of rest) yield expandTabs(`${' '.repeat(before.length)}${line}`);
    if (args.has('d') && record.device !== undefined) {
      yield `${' '.repeat(before.length)}SUBSYSTEM=${record.device.subsystem}`;
      yield `${' '.repeat(before.length)}DEVICE=${record.device.device}`;
    }
  }
}

function stamp(time: Nanoseconds | undefined, boot: bigint | undefined): string {
  if (time === undefined) return '';
  if (boot !== undefined) return `[${dateText(Number((boot + time) / SECOND))}] `;
  return `[${String(time / SECOND).padStart(5)}.${String((time % SECOND) / 1000n).padStart(6, '0')}] `;
}

/** `[    T0] `, `[    C1] `, as the kernel itself writes it. */
function callerText({ caller }: LogRecord): string {
  return caller === undefined ? '' : `[${`${caller.kind === 'task' ? 'T' : 'C'}${caller.id}`.padStart(6)}] `;
}

/** Tabs become the blanks that a terminal makes of them: in other places a tab is shown as the escape that it is. */
function expandTabs(line: string): string {
  if (!line.includes('\t')) return line;
  let out = '';
  for (const part of line.split(/(\t)/)) out += part === '\t' ? ' '.repeat(8 - (out.length % 8)) : part;
  return out;
}

function recordData(record: LogRecord, boot: bigint | undefined): Data {
  const { timeNs, level, facility, caller, device, text } = record;
  return {
    time: timeNs === undefined ? undefined : duration(timeNs),
    date: timeNs === undefined || boot === undefined ? undefined : wallClock(Number((boot + timeNs) / SECOND)),
    level,
    facility,
    caller: caller === undefined ? undefined : { ...caller },
    device: device === undefined ? undefined : { ...device },
    text: name(text),
  };
}
