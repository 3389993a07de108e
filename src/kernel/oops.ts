/**
 * Oopses in the kernel's log: what the CPU choked on, where, in whose name. Follows the texts of arch/x86/mm/fault.c,
 * arch/x86/kernel/traps.c, dumpstack.c and lib/bug.c. Only lines of the kernel itself count: user space can write the
 * same into the log.
 */
import { type VirtAddr, parseAddress } from '../base/address.ts';
import type { Nanoseconds } from '../base/units.ts';
import type { LogRecord } from './log-record.ts';

export type OopsKind = 'null-pointer' | 'page-fault' | 'general-protection' | 'bug' | 'stack-overflow' | 'other';

export interface OopsPlace {
  readonly func: string;
  /** Bytes from the start of the function. */
  readonly offset: number;
  readonly module: string | undefined;
}

export interface Oops {
  readonly kind: OopsKind;
  /** First line: 'BUG: kernel NULL pointer dereference, address: ...'. */
  readonly headline: string;
  readonly timeNs: Nanoseconds | undefined;
  /** Address that was touched, for faults. */
  readonly address: VirtAddr | undefined;
  readonly access: 'read' | 'write' | 'execute' | undefined;
  /** Instruction that failed (`RIP:`). */
  readonly at: OopsPlace | undefined;
  readonly cpu: number | undefined;
  readonly pid: number | undefined;
  readonly comm: string | undefined;
  /** Of the instruction that failed: 'rdi'; those that the log prints. */
  readonly registers: ReadonlyMap<string, bigint>;
  /** Bytes from the instruction that failed on (`Code:`, behind '<'); undefined where the log prints none. */
  readonly code: readonly number[] | undefined;
  /** The call trace, innermost first, without what the kernel itself doubts ('?'). */
  readonly trace: readonly OopsPlace[];
}

/** More lines than any oops has. */
const MAX_LINES = 200;
const START =
  /^(?:Oops: )?(BUG: (?:kernel NULL pointer|unable to handle)|general protection fault|kernel BUG at |invalid opcode: )|^BUG: (?:[\w#-]+ )?stack guard page was hit|^PANIC: double fault/;
const END = /^---\[ end (trace|Kernel panic)/;

/**
 * The oopses in a log, oldest first.
 * @param records - the log, `struct printk_info` and text
 */
export function oopses(records: readonly LogRecord[]): readonly Oops[] {
  const lines = records
    .filter((record) => record.facility === undefined || record.facility === 0)
    .flatMap((record) => record.text.split('\n').map((text) => ({ text, timeNs: record.timeNs })));
  const found: Oops[] = [];
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i];
    if (first === undefined || !START.test(first.text)) continue;
    let end = i + 1;
    while (end < lines.length && end - i < MAX_LINES && !END.test(lines[end]?.text ?? '')) {
      if (START.test(lines[end]?.text ?? '') && !isSecondLine(lines[end]?.text ?? '')) break;
      end++;
    }
    found.push(
      parse(
        lines.slice(i, end).map(({ text }) => text),
        first.timeNs,
      ),
    );
    i = end - 1;
  }
  return found;
}

/** `kernel BUG at file:line!` is followed by its trap, `invalid opcode: 0000 [#1]` (`Oops: invalid opcode:` since 6.9). */
function isSecondLine(text: string): boolean {
  return /^(Oops: )?invalid opcode: /.test(text);
}

function parse(lines: readonly string[], timeNs: Nanoseconds | undefined): Oops {
  const headline = lines[0] ?? '';
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    for (const line of lines) {
      const found = pattern.exec(line);
      if (found !== null) return found;
    }
    return undefined;
  };
  // 'address: 0000000000000018'; until 4.20 'at 0000000000000018', with 'IP:' instead of 'RIP: 0010:' in old kernels.
  const address = match(
    /(?:address: |request at |dereference at |non-canonical address )(?:0x)?([0-9a-f]{8,16})\b/,
  )?.[1];
  const access = match(/^#PF: \w+ (read|write|instruction fetch)/)?.[1];
  const place = lines.map(placeOf).find((found) => found !== undefined);
  const who = match(/^CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (.{1,15}?) (?:Tainted|Not tainted|Kdump)/);
  return {
    kind: kindOf(headline, address === undefined ? undefined : BigInt(`0x${address}`)),
    headline,
    timeNs,
    address: address === undefined ? undefined : parseAddress(address),
    access: access === 'instruction fetch' ? 'execute' : (access as 'read' | 'write' | undefined),
    at: place,
    cpu: who?.[1] === undefined ? undefined : Number(who[1]),
    pid: who?.[2] === undefined ? undefined : Number(who[2]),
    comm: who?.[3],
    registers: registersOf(lines),
    code: codeOf(lines),
    trace: traceOf(lines),
  };
}

const INSTRUCTION = /^(?:RIP: (?:0010:)?|IP: )(?:\[<[0-9a-f]+>\] )?([\w.]+)\+0x([0-9a-f]+)\/0x[0-9a-f]+(?: \[(\w+)\])?/;

/** The kernel's function in the printed `struct pt_regs` of a line such as 'RIP: 0010:vfs_read+0x34/0x190'; undefined for other lines. */
export function placeOf(line: string): OopsPlace | undefined {
  const [, func, offset, module] = INSTRUCTION.exec(line) ?? [];
  return func === undefined ? undefined : { func, offset: Number.parseInt(offset ?? '0', 16), module };
}

/** The first of each: behind the trace come those of user space, or of the CPU that reports. */
function registersOf(lines: readonly string[]): ReadonlyMap<string, bigint> {
  const found = new Map<string, bigint>();
  for (const line of lines) {
    if (line.startsWith('Call Trace:')) break;
    for (const [, register, value] of line.matchAll(/\b(R[A-DS][XIP]|RBP|R\d\d): (?:0018:)?([0-9a-f]{16})\b/g)) {
      const key = register?.toLowerCase().replace(/^r0/, 'r');
      if (key !== undefined && !found.has(key)) found.set(key, BigInt(`0x${value}`));
    }
  }
  return found;
}

const CODE = /^Code: (?:[0-9a-f]{2} )*<([0-9a-f]{2})>((?: [0-9a-f]{2})*)/;

/** The first: behind it comes that of user space. */
function codeOf(lines: readonly string[]): readonly number[] | undefined {
  for (const line of lines) {
    if (line.startsWith('Call Trace:')) break;
    const found = CODE.exec(line);
    if (found !== null) return `${found[1]}${found[2] ?? ''}`.split(' ').map((byte) => Number.parseInt(byte, 16));
  }
  return undefined;
}

const PLACE = /^\s*(?:\[<[0-9a-f]+>\] )?([\w.]+)\+0x([0-9a-f]+)\/0x[0-9a-f]+(?: \[(\w+)[^\]]*\])?$/;

function traceOf(lines: readonly string[]): readonly OopsPlace[] {
  const places: OopsPlace[] = [];
  for (const line of lines.slice(lines.findIndex((text) => text.startsWith('Call Trace:')) + 1)) {
    const [, func, offset, module] = PLACE.exec(line) ?? [];
    if (func !== undefined) places.push({ func, offset: Number.parseInt(offset ?? '0', 16), module });
  }
  return places;
}

function kindOf(line: string, address: bigint | undefined): OopsKind {
  const headline = line.replace(/^Oops: /, '');
  if (headline.includes('stack guard page was hit')) return 'stack-overflow';
  if (headline.startsWith('kernel BUG at ') || headline.startsWith('invalid opcode')) return 'bug';
  if (headline.startsWith('general protection fault')) return 'general-protection';
  if (headline.includes('NULL pointer') || (address !== undefined && address < 4096n)) return 'null-pointer';
  return headline.startsWith('BUG: unable to handle') ? 'page-fault' : 'other';
}
