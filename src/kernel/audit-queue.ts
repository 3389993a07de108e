/**
 * Audit records that were not yet sent to the audit daemon, kernel/audit.c: `struct sk_buff_head` lists of netlink messages,
 * `audit_queue` (`audit_skb_queue` until 4.10), and those that are kept because nobody took them, `audit_retry_queue` and
 * `audit_hold_queue` (since 4.11; the latter as `audit_skb_hold_queue` before).
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { ByteView } from '../base/bytes.ts';
import { isDataError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { decodeText } from './log-record.ts';

const QUEUES = ['audit_hold_queue', 'audit_skb_hold_queue', 'audit_retry_queue', 'audit_queue', 'audit_skb_queue'];
/** `struct nlmsghdr`: u32 len, u16 type, u16 flags, u32 seq, u32 pid. */
const HEADER = 16;
/** audit_backlog_limit may be any number; records are 8970 bytes at most. */
const MAX_RECORDS = 1 << 20;
const MAX_LENGTH = 1 << 16;

export interface AuditRecord {
  /** 'audit_queue'. */
  readonly queue: string;
  /** AUDIT_SYSCALL is 1300; include/uapi/linux/audit.h. */
  readonly type: number;
  readonly text: string;
}

export interface AuditQueues {
  /** Oldest first, those that were kept longest first. */
  readonly records: readonly AuditRecord[];
  /** Why records are missing; undefined when none are. */
  readonly problem: string | undefined;
}

/**
 * The records on all queues, `struct sk_buff`.
 * @throws LookupError for a kernel without CONFIG_AUDIT
 */
export function auditRecords(program: Program): AuditQueues {
  const found = QUEUES.flatMap((name) => {
    const symbol = program.symbols.kernel.lookup(name);
    return symbol === undefined ? [] : [{ name, head: symbol.address }];
  });
  // The symbol that is missed.
  if (found.length === 0) program.symbol('audit_queue');
  const records: AuditRecord[] = [];
  const problems: string[] = [];
  for (const { name, head } of found) {
    try {
      for (const record of onQueue(program, name, head)) records.push(record);
    } catch (error) {
      if (!isDataError(error)) throw error;
      problems.push(`${name}: ${error.message}`);
    }
  }
  return { records, problem: problems.length === 0 ? undefined : problems.join('; ') };
}

function* onQueue(program: Program, queue: string, head: VirtAddr): Generator<AuditRecord> {
  const next = program.field('struct sk_buff', 'next');
  const data = program.field('struct sk_buff', 'data');
  const length = program.field('struct sk_buff', 'len');
  const seen = new Set<VirtAddr>();
  for (let at = program.field('struct sk_buff_head', 'next').pointer(head); at !== head; at = next.pointer(at)) {
    if (!isKernel(at) || seen.has(at) || seen.size > MAX_RECORDS)
      throw new ValidationError('struct sk_buff', at, 'the queue is broken');
    seen.add(at);
    const size = length.number(at);
    if (size < HEADER || size > MAX_LENGTH) throw new ValidationError('struct sk_buff', at, `has ${size} bytes`);
    const start = data.pointer(at);
    const header = new ByteView(program.memory.readBytes(start, HEADER), 'nlmsghdr');
    // Until 4.13 the length was filled in only when the record was sent.
    const told = header.u32(0);
    const bytes = program.memory.readBytes(add(start, HEADER), (told >= HEADER && told <= size ? told : size) - HEADER);
    const end = bytes.indexOf(0);
    yield { queue, type: header.u16(4), text: decodeText(end < 0 ? bytes : bytes.subarray(0, end)).trimEnd() };
  }
}
