/**
 * What SLUB's own checks (slub_debug, mm/slub.c) say in the log when an object or a slab is damaged: which cache, what kind
 * of damage, which bytes, and who allocated and freed the object last. Follows `slab_bug()`, `check_bytes_and_report()` and
 * `print_track()`; 'INFO: ' stood before the lines of details until 5.11. The machine goes on after such a report.
 */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import type { Nanoseconds } from '../base/units.ts';
import { kernelLines, sameCaller } from './kernel-lines.ts';
import type { LogRecord } from './log-record.ts';

/** `struct track`: who allocated or freed an object. */
export interface SlubTrack {
  readonly func: string;
  readonly offset: number;
  readonly module: string | undefined;
  readonly pid: number | undefined;
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
  readonly bytes: { readonly from: VirtAddr; readonly found: number; readonly wanted: number } | undefined;
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
    found.push({
      headline: first.text,
      timeNs: first.timeNs,
      cache,
      problem,
      object: addressOf(match(OBJECT)?.[1]),
      bytes: bytesOf(match(BYTES)),
      allocated: trackOf(own, 'Allocated'),
      freed: trackOf(own, 'Freed'),
      noticed: noticedOf(match(NOTICED)),
    });
  }
  return found;
}

function bytesOf(found: RegExpExecArray | undefined): SlubReport['bytes'] {
  const from = addressOf(found?.[1]);
  if (found === undefined || from === undefined) return undefined;
  return { from, found: Number.parseInt(found[2] ?? '', 16), wanted: Number.parseInt(found[3] ?? '', 16) };
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
