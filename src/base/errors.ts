/**
 * The errors of the project, classed by what their reader can do next. Each carries fields; the message is for people.
 * Anything else that is thrown is a bug in kwhy.
 */
import { hex } from './address.ts';

export abstract class KwhyError extends Error {
  abstract readonly kind: 'format' | 'fault' | 'lookup' | 'validation' | 'usage' | 'cancelled';
}

/** Bytes of a file (or of a table inside the dump) do not follow their format. */
export class FormatError extends KwhyError {
  readonly kind = 'format';
  readonly format: string;
  readonly detail: string;
  readonly offset: number | undefined;
  /** @param offset - byte offset in the file or table, when one is known. */
  constructor(format: string, detail: string, offset?: number, options?: ErrorOptions) {
    super(offset === undefined ? `${format}: ${detail}` : `${format}: ${detail} (at offset ${offset})`, options);
    this.name = 'FormatError';
    this.format = format;
    this.detail = detail;
    this.offset = offset;
  }
}

/**
 * Why bytes of memory cannot be had:
 * `excluded` the dump left the page out on purpose; `lost` the page should be there but its data is missing or damaged;
 * `absent` the machine has no such memory (or no such page was ever written); `excluded-or-zero` the format cannot tell
 * an excluded page from a zero one; `unmapped` the page tables do not map the virtual address.
 */
export type FaultReason = 'excluded' | 'lost' | 'absent' | 'excluded-or-zero' | 'unmapped';

/** Memory cannot be read. */
export class FaultError extends KwhyError {
  readonly kind = 'fault';
  readonly address: bigint;
  readonly space: 'virtual' | 'physical';
  readonly reason: FaultReason;
  constructor(space: 'virtual' | 'physical', address: bigint, reason: FaultReason, options?: ErrorOptions) {
    super(`cannot read ${space} memory at ${hex(address)}: ${reason}`, options);
    this.name = 'FaultError';
    this.space = space;
    this.address = address;
    this.reason = reason;
  }
}

export type LookupKind = 'symbol' | 'type' | 'member' | 'enumerator' | 'vmcoreinfo';

/** This kernel has no such thing; used for probing layouts. */
export class LookupError extends KwhyError {
  readonly kind = 'lookup';
  readonly what: LookupKind;
  readonly subject: string;
  constructor(what: LookupKind, subject: string) {
    super(`no ${what} '${subject}' in this kernel`);
    this.name = 'LookupError';
    this.what = what;
    this.subject = subject;
  }
}

/** Kernel data contradicts itself: a list without end, a pointer that does not point back. It is evidence. */
export class ValidationError extends KwhyError {
  readonly kind = 'validation';
  readonly structure: string;
  readonly address: bigint;
  readonly rule: string;
  constructor(structure: string, address: bigint, rule: string) {
    super(`${structure} at ${hex(address)}: ${rule}`);
    this.name = 'ValidationError';
    this.structure = structure;
    this.address = address;
    this.rule = rule;
  }
}

/** The user asked for something that cannot be done; one line, no stack. */
export class UsageError extends KwhyError {
  readonly kind = 'usage';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
  }
}

/** A descriptor was made of another dump than the file that is there now. Open it anew. */
export class StaleDescriptorError extends UsageError {
  readonly path: string;
  readonly differs: 'size' | 'mtime' | 'build-id' | 'release';
  constructor(path: string, differs: StaleDescriptorError['differs'], was: string, is: string) {
    super(`${path}: not the dump that the descriptor was made of: its ${differs} was ${was} and is ${is}`);
    this.name = 'StaleDescriptorError';
    this.path = path;
    this.differs = differs;
  }
}

/** The time limit passed or the user interrupted. */
export class CancelledError extends KwhyError {
  readonly kind = 'cancelled';
  readonly reason: 'time-limit' | 'interrupt';
  constructor(reason: 'time-limit' | 'interrupt') {
    super(reason === 'time-limit' ? 'time limit reached' : 'interrupted');
    this.name = 'CancelledError';
    this.reason = reason;
  }
}

/** True for errors that say something about the dump and not about kwhy: a caller may go on without the value. */
export function isDataError(error: unknown): error is FaultError | LookupError | ValidationError | FormatError {
  return (
    error instanceof FaultError ||
    error instanceof LookupError ||
    error instanceof ValidationError ||
    error instanceof FormatError
  );
}

/** Runs `read`; a data error becomes undefined, any other error passes. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isDataError(error)) return undefined;
    throw error;
  }
}
