/**
 * A file of the user's, written so that nothing of theirs is lost: under a temporary name beside the target, which
 * becomes the target when it is whole. An existing file is replaced only when that was asked for, the input never.
 */
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import { inputFiles } from './input-files.ts';

/** Bytes gathered before they are written. */
const WRITE_BYTES = 2 ** 20;

export interface NewFileOptions {
  /** The files that are being read, or the folder of them: never overwritten. */
  readonly input?: string | readonly string[];
  /** Replace an existing file; without it that is an error. */
  readonly replace?: boolean;
}

export interface NewFile {
  /** Writes that begin at this byte of the file. Several may be under way at once. */
  from(position: number): Output;
}

/**
 * Creates `path` with what `write` puts into it.
 * @throws UsageError when it exists, is the input or cannot be written; what `write` throws passes. Nothing is left
 *   behind then.
 */
export function createFile<T>(path: string, options: NewFileOptions, write: (file: NewFile) => T): T {
  refuseTarget(path, options);
  const temporary = temporaryName(path);
  const fd = usable(path, () => openSync(temporary, 'wx', 0o600));
  let closed = false;
  try {
    const result = write({ from: (position) => new Output(fd, path, position) });
    usable(path, () => fsyncSync(fd));
    closed = true;
    closeSync(fd);
    usable(path, () => publish(temporary, path, options.replace === true));
    return result;
  } catch (error) {
    if (!closed) closeSync(fd);
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * What the file is called until it is whole. For whoever ends the process' work from outside, so that nothing here runs
 * any more that could remove it.
 */
export function temporaryName(path: string): string {
  return `${path}.${process.pid}.part`;
}

/** Appends from a position of a file on, gathered into large writes. */
export class Output {
  /** Where the next byte goes. */
  position: number;
  readonly #fd: number;
  readonly #path: string;
  readonly #buffer = new Uint8Array(WRITE_BYTES);
  #fill = 0;

  constructor(fd: number, path: string, position: number) {
    this.#fd = fd;
    this.position = position;
    this.#path = path;
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += WRITE_BYTES) this.#add(bytes.subarray(at, at + WRITE_BYTES));
  }

  #add(bytes: Uint8Array): void {
    if (this.#fill + bytes.length > this.#buffer.length) this.flush();
    this.#buffer.set(bytes, this.#fill);
    this.#fill += bytes.length;
    this.position += bytes.length;
  }

  flush(): void {
    const start = this.position - this.#fill;
    for (let done = 0; done < this.#fill; ) {
      done += usable(this.#path, () => writeSync(this.#fd, this.#buffer, done, this.#fill - done, start + done));
    }
    this.#fill = 0;
  }
}

function refuseTarget(path: string, options: NewFileOptions): void {
  const target = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (target === undefined) return;
  const { input = [] } = options;
  for (const { path: read } of inputFiles(typeof input === 'string' ? [input] : input)) {
    const stat = statSync(read, { bigint: true, throwIfNoEntry: false });
    if (stat !== undefined && stat.dev === target.dev && stat.ino === target.ino) {
      throw new UsageError(`${path}: this is the dump that is read; write to another file`);
    }
  }
  if (options.replace !== true || !target.isFile()) throw new UsageError(`${path}: the file exists already`);
}

/** Gives the finished file its name; without `replace`, a file that has appeared meanwhile is kept. */
function publish(temporary: string, path: string, replace: boolean): void {
  if (!replace) {
    try {
      linkSync(temporary, path);
      unlinkSync(temporary);
      return;
    } catch (error) {
      // File systems without hard links rename; there a file that appears in between is not noticed.
      if (codeOf(error) === 'EEXIST') throw error;
    }
  }
  renameSync(temporary, path);
}

/** Turns a refusal of the operating system into one line. */
function usable<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw new UsageError(`${path}: ${writeError(code)}`, { cause: error });
  }
}

function writeError(code: string): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'no space left to write it';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'permission denied';
    case 'ENOENT':
    case 'ENOTDIR':
      return 'no such directory';
    case 'EEXIST':
      return 'the file exists already';
    default:
      return `cannot be written (${code})`;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
