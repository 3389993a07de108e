/**
 * Opens a dump, whatever it is called: the first bytes decide. What is no dump, or one that something else opens, is
 * refused with one line that says what it is.
 */
import { constants, openSync, statSync } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { openElf } from './elf.ts';
import { FileSource } from './file-source.ts';
import { foreignFormat } from './foreign.ts';
import { openKdump } from './kdump.ts';
import { KDUMP_SIGNATURE } from './kdump-header.ts';

/** Enough for every magic number looked at. */
const HEAD_BYTES = 1024;

/**
 * @throws UsageError when the file cannot be opened or is no dump that is supported; FormatError when it is damaged
 */
export function openDump(path: string): DumpFile {
  const name = path.replace(/\p{Cc}/gu, '?');
  const source = new FileSource(openFile(path, name));
  try {
    return openSource(source, name);
  } catch (error) {
    source.close();
    throw error;
  }
}

/**
 * As `openDump`, from bytes that are open already. The DumpFile closes them; when this throws they are still open.
 * @param name - what messages call it
 */
export function openSource(source: ByteSource, name: string): DumpFile {
  if (source.size === 0) throw new UsageError(`${name}: the file is empty`);
  const text = Buffer.from(source.peek(0, Math.min(HEAD_BYTES, source.size))).toString('latin1');
  if (text.startsWith('\x7fELF')) return openElf(source, name);
  if (text.startsWith(KDUMP_SIGNATURE)) return openKdump(source, name);
  throw new UsageError(`${name}: ${foreignFormat(text)}`);
}

function openFile(path: string, name: string): number {
  try {
    // Asked first, as opening a pipe would wait for its writer.
    const stat = statSync(path);
    if (stat.isDirectory()) throw new UsageError(`${name}: this is a directory`);
    if (!stat.isFile()) throw new UsageError(`${name}: this is not a regular file; copy the dump into one`);
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${name}: ${openingError(error)}`, { cause: error });
  }
}

function openingError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ERR_INVALID_ARG_VALUE':
      return 'no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files';
    default:
      return `cannot be opened (${code})`;
  }
}
