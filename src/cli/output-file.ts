/**
 * `-o FILE`. A regular file is written under another name beside it and renamed when it is whole, so nobody sees half
 * of it, and an older one survives a full disk. Devices and pipes are written as they are. The dump itself is refused.
 */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { inputFiles } from '../dump/input-files.ts';
import { ArgumentsError } from './arguments.ts';
import { isSystemError, systemReason } from './system-error.ts';

/** undefined when there is no such file, or it cannot be asked: whoever opens it says why. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

/**
 * To be asked before the work is done.
 * @param paths - the dump as it was named: a file, several files, or a folder
 * @throws ArgumentsError when `output` is the dump (by device and inode, so links too) or a directory; UsageError when
 *   there is no dump in a folder
 */
export function checkOutput(output: string, paths: readonly string[]): void {
  const target = statOf(output);
  if (target === undefined) return;
  if (target.isDirectory()) throw new ArgumentsError(`${output}: this is a directory`);
  for (const { path } of inputFiles(paths)) {
    const source = statOf(path);
    if (source !== undefined && target.dev === source.dev && target.ino === source.ino) {
      throw new ArgumentsError(`${output}: this is the dump itself, which is never overwritten`);
    }
  }
}

function writeBeside(target: string, mode: number | undefined, content: string): void {
  const temporary = join(dirname(target), `.${basename(target).slice(0, 200)}.${process.pid}.${Date.now()}.tmp`);
  const fd = openSync(temporary, 'wx');
  try {
    try {
      if (mode !== undefined) fchmodSync(fd, mode & 0o7777);
      writeFileSync(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, target);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
}

/** @throws UsageError when it cannot be written; an older file is whole then */
export function writeOutput(output: string, content: string): void {
  try {
    const old = statOf(output);
    if (old === undefined) writeBeside(output, undefined, content);
    // Through a link, so that the link stays one.
    else if (old.isFile()) writeBeside(realpathSync(output), old.mode, content);
    else writeFileSync(output, content);
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new UsageError(`${output}: cannot be written: ${reason}`, { cause: error });
  }
}
