/**
 * Failures to allocate memory in the kernel's log: 'page allocation failure' and 'page allocation stalls' of
 * warn_alloc() (mm/page_alloc.c), with the stack that asked and the memory at that moment.
 */
import type { Nanoseconds } from '../base/units.ts';
import { type KernelLine, kernelLines, sameCaller } from './kernel-lines.ts';
import type { LogRecord } from './log-record.ts';
import { type MemInfoBlock, memInfoBlock } from './mem-info-block.ts';

export interface AllocationFailure {
  readonly timeNs: Nanoseconds | undefined;
  readonly comm: string;
  /** 2^order pages were asked for. */
  readonly order: number;
  /** gfp_t as printed. */
  readonly gfpMask: number;
  /** The names of its bits, since 4.6. */
  readonly gfpFlags: string | undefined;
  /** The allocation could not wait for memory to be freed; undefined when the mask does not tell. */
  readonly atomic: boolean | undefined;
  /** Milliseconds it had waited (4.10 to 4.14); undefined for one that failed. */
  readonly stalledMs: number | undefined;
  /** Of the task that ran, by the line 'CPU: 1 PID: 346 Comm: backup'; undefined without one. */
  readonly pid: number | undefined;
  /** Asked for in an interrupt, which only came while that task ran. */
  readonly inInterrupt: boolean;
  /** Functions of the stack that asked, innermost first. */
  readonly stack: readonly string[];
  /** Those of them that are in a module, with its name. */
  readonly modules: ReadonlyMap<string, string>;
  readonly memory: MemInfoBlock | undefined;
}

const START =
  /^(.{1,64}?): page allocation (failure|stalls for (\d{1,9})ms)[.:,] ?order:(\d{1,3}), mode:0x([0-9a-f]{1,16})(?:\(([^)]{0,500})\))?/;
/** The report of one failure: warnings, a stack of at most 64 frames, and the memory of all zones. */
const MAX_LINES = 400;
const MAX_FRAMES = 64;
const FRAME =
  /^ *(?:<[A-Z]+> +)?(?:\[<[0-9a-f]+>\] )?(\? )?([\w.]+)\+0x[0-9a-f]+\/0x[0-9a-f]+(?: \[([\w-]{1,64})[\] ])?/;
/** Of dump_stack(); 'Pid: 0, comm: swapper' until 3.10. */
const RUNNING = /^(?:CPU: \d+ )?(?:UID: \d+ )?(?:PID: (\d{1,9}) Comm: |Pid: (\d{1,9}), comm: )/;
/** The innermost part of a stack, since 2.6.26: '<IRQ>', '<SOFTIRQ>' on other machines, '<NMI>'; a task's is '<TASK>'. */
const PART = /<([A-Z]+)>/;
/** These wait; whoever has none of them does not. */
const WAITING =
  /\b(?:GFP_KERNEL|GFP_USER|GFP_HIGHUSER|GFP_NOFS|GFP_NOIO|__GFP_RECLAIM|__GFP_DIRECT_RECLAIM|GFP_KERNEL_ACCOUNT|GFP_HIGHUSER_MOVABLE|GFP_TEMPORARY)\b/;
/** __GFP_WAIT until 4.3: 0x10. The numbers of later kernels moved, and are named from 4.6 on. */
const OLD_WAIT = 0x10;

/**
 * The failures in a log, oldest first.
 * @param records - the log, `struct printk_info` and text
 */
export function allocationFailures(records: readonly LogRecord[]): readonly AllocationFailure[] {
  const lines = kernelLines(records);
  const out: AllocationFailure[] = [];
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i];
    const start = first === undefined ? null : START.exec(first.text);
    if (first === undefined || start === null) continue;
    const own = linesOf(lines, i, first);
    const gfpMask = Number.parseInt(start[5] ?? '0', 16);
    out.push({
      timeNs: first.timeNs,
      comm: start[1] ?? '',
      order: Number(start[4]),
      gfpMask,
      gfpFlags: start[6],
      atomic: start[6] === undefined ? (gfpMask & OLD_WAIT) === 0 : !WAITING.test(start[6]),
      stalledMs: start[3] === undefined ? undefined : Number(start[3]),
      pid: pidOf(own),
      ...stackOf(own),
      memory: memInfoBlock(own),
    });
  }
  return out;
}

function linesOf(lines: readonly KernelLine[], from: number, first: KernelLine): readonly string[] {
  const out: string[] = [];
  for (let i = from + 1; i < lines.length && out.length < MAX_LINES; i++) {
    const line = lines[i];
    if (line === undefined || !sameCaller(first, line)) continue;
    if (START.test(line.text) || / invoked oom-killer: /.test(line.text)) break;
    out.push(line.text);
    if (/^\d+ pages (?:hwpoisoned|reserved|cma reserved)/.test(line.text) && out.length > 20) break;
  }
  return out;
}

/** The frames behind 'Call Trace:' that are not doubtful. */
function stackOf(lines: readonly string[]): Pick<AllocationFailure, 'stack' | 'modules' | 'inInterrupt'> {
  const begin = lines.findIndex((line) => line.startsWith('Call Trace:'));
  const out: string[] = [];
  const modules = new Map<string, string>();
  let part: string | undefined;
  if (begin < 0) return { stack: out, modules, inInterrupt: false };
  for (const line of lines.slice(begin + 1)) {
    part ??= PART.exec(line)?.[1];
    const frame = FRAME.exec(line);
    if (frame === null && !/^ *(?:<\/?[A-Z#_ ]+>|\[<|<<|=|RIP|Code:|RSP|R[A-Z0-9]{2}:)/.test(line)) break;
    if (frame?.[2] === undefined || frame[1] !== undefined || out.length >= MAX_FRAMES) continue;
    out.push(frame[2]);
    if (frame[3] !== undefined) modules.set(frame[2], frame[3]);
  }
  return { stack: out, modules, inInterrupt: part !== undefined && part !== 'TASK' };
}

function pidOf(lines: readonly string[]): number | undefined {
  const found = lines.map((line) => RUNNING.exec(line)).find((match) => match !== null);
  const pid = found?.[1] ?? found?.[2];
  return pid === undefined ? undefined : Number(pid);
}
