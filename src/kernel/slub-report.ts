/**
 * What SLUB's own checks (slub_debug, mm/slub.c) say in the log when an object or a slab is damaged: which cache, what kind
 * of damage, which bytes, and who allocated and freed the object last. Follows `slab_bug()`, `check_bytes_and_report()` and
 * `print_track()`; 'INFO: ' stood before the lines of details until 5.11; newer kernels say what is wrong in front of the report. The machine goes on after such a report.
 */
import { contains, distance, parseAddress, type VirtAddr } from '../base/address.ts';
import type { Nanoseconds } from '../base/units.ts';
import { type KernelLine, kernelLines, sameCaller } from './kernel-lines.ts';
import type { LogRecord } from './log-record.ts';

/** `struct track`: who allocated or freed an object. */
export interface SlubTrack {
  readonly func: string;
  readonly offset: number;
  readonly module: string | undefined;
  readonly pid: number | undefined;
}

export interface SlubBytes {
  readonly from: VirtAddr;
  readonly found: number;
  readonly wanted: number;
  /** From there on to the last that is wrong, as the dump in the report shows them, 16 at most; empty where it does not. */
  readonly run: Uint8Array;
}

export interface SlubReport {
  readonly headline: string;
  readonly timeNs: Nanoseconds | undefined;
  readonly cache: string;
  /** In the kernel's words: 'Right Redzone overwritten', 'Poison overwritten', 'Object already free'. */
  readonly problem: string;
  /** Begin of the object, where the report tells it and does not hide it. */
  readonly object: VirtAddr | undefined;
  /** The first byte that is wrong. */
  readonly bytes: SlubBytes | undefined;
  readonly allocated: SlubTrack | undefined;
  readonly freed: SlubTrack | undefined;
  /** In whose name SLUB looked; it need not be who did the damage. */
  readonly noticed: { readonly pid: number; readonly comm: string } | undefined;
}

/** More lines than a report has: two call traces, and the object in hexadecimal. */
const MAX_LINES = 200;
const START = /^BUG (\S{1,64}) \((?:Tainted: [^)]*|Not tainted)\): (.{1,100})$/;
const BYTES =
  /^(?:INFO: )?0x([0-9a-f]{8,16})-0x[0-9a-f]{8,16}(?: @offset=\d+)?\. First byte 0x([0-9a-f]{1,2}) instead of 0x([0-9a-f]{1,2})/;
const TRACK = /^(?:INFO: )?(Allocated|Freed) in ([\w.]+)\+0x([0-9a-f]+)\/0x[0-9a-f]+(?: \[(\w+)\])?(?:.* pid=(\d+))?/;
/** With 'UID: 0 ' as well in 6.12, without in 6.1. */
const NOTICED = /^CPU: \d+ (?:UID: \d+ )?PID: (\d+) Comm: (.{1,15}?) (?:Tainted|Not tainted|Kdump)/;
/** Stands before the report, which then says 'Object corrupt', in 6.12.117 and 7.2. */
const ANNOUNCED =
  /^\[([\w ]{1,40} overwritten)\] (0x[0-9a-f]{8,16}-0x[0-9a-f]{8,16} @offset=\d+\. First byte 0x[0-9a-f]{1,2} instead of 0x[0-9a-f]{1,2})/;
/** A line for each part of the object that is wrong, and the rule above the report. */
const MOST_BEFORE = 8;
const OBJECT = /^(?:INFO: )?Object 0x([0-9a-f]{8,16}) @offset=/;

/**
 * The reports of SLUB, oldest first.
 * @param records - the log, `struct printk_info` and text
 */
export function slubReports(records: readonly LogRecord[]): readonly SlubReport[] {
  const lines = kernelLines(records);
  const found: SlubReport[] = [];
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i];
    const [, cache, problem] = first === undefined ? [] : (START.exec(first.text) ?? []);
    if (first === undefined || cache === undefined || problem === undefined) continue;
    const own: string[] = [];
    for (const line of lines.slice(i + 1, i + 1 + MAX_LINES)) {
      if (START.test(line.text)) break;
      if (sameCaller(first, line)) own.push(line.text);
    }
    const match = (pattern: RegExp): RegExpExecArray | undefined => {
      for (const text of own) {
        const result = pattern.exec(text);
        if (result !== null) return result;
      }
      return undefined;
    };
    const before = announced(lines, i);
    found.push({
      headline: first.text,
      timeNs: first.timeNs,
      cache,
      problem: before?.problem ?? problem,
      object: addressOf(match(OBJECT)?.[1]),
      bytes: bytesOf(match(BYTES) ?? before?.bytes, own),
      allocated: trackOf(own, 'Allocated'),
      freed: trackOf(own, 'Freed'),
      noticed: noticedOf(match(NOTICED)),
    });
  }
  return found;
}

/** What was said of the object in front of its report: the first part that is wrong. */
function announced(
  lines: readonly KernelLine[],
  at: number,
): { readonly problem: string; readonly bytes: RegExpExecArray | undefined } | undefined {
  const report = lines[at];
  let found: RegExpExecArray | undefined;
  for (const line of lines.slice(Math.max(0, at - MOST_BEFORE), at).reverse()) {
    if (report === undefined || !sameCaller(report, line) || /^=+$/.test(line.text)) continue;
    const match = ANNOUNCED.exec(line.text);
    if (match === null) break;
    found = match;
  }
  const [, problem, bytes] = found ?? [];
  if (problem === undefined || bytes === undefined) return undefined;
  return { problem, bytes: BYTES.exec(bytes) ?? undefined };
}

function bytesOf(found: RegExpExecArray | undefined, lines: readonly string[]): SlubBytes | undefined {
  const from = addressOf(found?.[1]);
  if (found === undefined || from === undefined) return undefined;
  const wanted = Number.parseInt(found[3] ?? '', 16);
  return { from, found: Number.parseInt(found[2] ?? '', 16), wanted, run: dumped(lines, from, wanted) };
}

/** 'Redzone  ff26948d94fda048: 37 37 37 37 37 37 37 37                          77777777' */
const DUMP = /^(?:\w+ )?(?:Redzone|Object|Bytes b4|Padding) +(?:0x)?([0-9a-f]{16}): ((?:[0-9a-f]{2} ){1,16})/;

function dumped(lines: readonly string[], from: VirtAddr, wanted: number): Uint8Array {
  for (const line of lines) {
    const [, digits, text] = DUMP.exec(line) ?? [];
    const start = addressOf(digits);
    if (start === undefined || text === undefined) continue;
    const bytes = text
      .trim()
      .split(' ')
      .map((byte) => Number.parseInt(byte, 16));
    if (!contains(start, bytes.length, from)) continue;
    const own = bytes.slice(distance(from, start));
    const end = own.indexOf(wanted);
    return Uint8Array.from(end < 0 ? own : own.slice(0, end));
  }
  return new Uint8Array();
}

function noticedOf(found: RegExpExecArray | undefined): SlubReport['noticed'] {
  const [, pid, comm] = found ?? [];
  return pid === undefined || comm === undefined ? undefined : { pid: Number(pid), comm };
}

function addressOf(text: string | undefined): VirtAddr | undefined {
  return text === undefined ? undefined : parseAddress(text);
}

function trackOf(lines: readonly string[], kind: 'Allocated' | 'Freed'): SlubTrack | undefined {
  for (const line of lines) {
    const [, which, func, offset, module, pid] = TRACK.exec(line) ?? [];
    if (which !== kind || func === undefined) continue;
    return {
      func,
      offset: Number.parseInt(offset ?? '0', 16),
      module,
      pid: pid === undefined ? undefined : Number(pid),
    };
  }
  return undefined;
}
