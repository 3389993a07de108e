/** Errors of the operating system in words: what Node throws when a file cannot be opened, read or written. */
import { getSystemErrorMessage } from 'node:util';
import { CancelledError, KwhyError, UsageError } from '../base/errors.ts';

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

/**
 * An error with the files that it is about, unless it begins with one of them or is an interrupt; other errors than
 * those of the dump and of the operating system as they are.
 * @param others - files that are written, which an error may name instead
 */
export function named(paths: readonly string[], error: unknown, others: readonly string[] = []): unknown {
  const reason = error instanceof KwhyError ? error.message : systemReason(error);
  if (reason === undefined || error instanceof CancelledError) return error;
  // A file in a folder that was named is named with the folder.
  if (
    [...paths, ...others].some(
      (path) => reason.startsWith(`${path}: `) || reason.startsWith(`${path.replace(/\/+$/, '')}/`),
    )
  )
    return error;
  return new UsageError(`${paths.join(', ')}: ${reason}`, { cause: error });
}
