/** Errors of the operating system in words: what Node throws when a file cannot be opened, read or written. */
import { getSystemErrorMessage } from 'node:util';

interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'syscall' in error && 'code' in error && 'errno' in error;
}

/** 'no space left on device'; undefined when it is no such error. */
export function systemReason(error: unknown): string | undefined {
  return isSystemError(error) ? getSystemErrorMessage(error.errno) : undefined;
}
