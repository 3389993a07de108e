/**
 * Opens a dump, whatever it is called: the first bytes decide. What is no dump, or one that something else opens, is
 * refused with one line that says what it is.
 */
import type { Checkpoint } from '../base/budget.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { openElf } from './elf.ts';
import { FILE_BLOCKS, FileSource } from './file-source.ts';
import { FLATTENED_SIGNATURE, FlattenedSource } from './flattened.ts';
import { foreignFormat, HEAD_BYTES } from './foreign.ts';
import { type InputFile, inputFiles, openInput } from './input-files.ts';
import { KdumpFile, openKdump } from './kdump.ts';
import { KDUMP_SIGNATURE } from './kdump-header.ts';
import { joinParts, type SplitPart } from './kdump-split.ts';
import { LIME_SIGNATURE, openLime } from './lime.ts';
import { mayBeRaw, openRaw } from './raw.ts';

/** Enough for those of the formats that are read; of a flattened file that is cut off there may be no more. */
const MAGIC_BYTES = 16;
const UNKNOWN = 'not a kernel dump of a known format, and too small or ragged to be raw memory';
/** Cached blocks of each file, however many files there are. */
const LEAST_BLOCKS = 16;

/** A file of an open dump, as it was when it was opened. */
export interface OpenedFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Last change of the content, nanoseconds since 1970. */
  readonly mtimeNs: bigint;
}

export interface OpenDumpOptions {
  /** Every read of a file asks it; its CancelledError passes, from the dump's methods too. */
  readonly checkpoint?: Checkpoint;
  /** Called with each file before anything of it is read. What it throws ends the opening. */
  readonly onFile?: (file: OpenedFile) => void;
}

/**
 * @param paths - a dump, the files of a split dump in any order, or a folder that holds one dump or the files of one
 * @throws UsageError when a file cannot be opened or is no dump that is supported, or when several files are not of one
 *   dump; FormatError when it is damaged; CancelledError
 */
export function openDump(paths: string | readonly string[], options: OpenDumpOptions = {}): DumpFile {
  const named = typeof paths === 'string' ? [paths] : paths;
  const files = inputFiles(named);
  // Else nobody could tell which of the files an error is about.
  const naming = files.length > 1 || files[0]?.path !== named[0];
  const blocks = Math.max(LEAST_BLOCKS, Math.floor(FILE_BLOCKS / files.length));
  const open: ByteSource[] = [];
  try {
    const dumps = files.map((file) => {
      const source = new FileSource(openInput(file), blocks, options.checkpoint);
      open.push(source);
      options.onFile?.({ path: file.path, size: source.size, mtimeNs: source.mtimeNs });
      return naming ? nameErrors(file.name, () => openOne(source, file.name)) : openOne(source, file.name);
    });
    const [dump] = dumps;
    if (dump !== undefined && dumps.length === 1) return whole(dump, files[0]?.name ?? '');
    const [first, ...rest] = dumps.map((part, i) => partOf(part, files[i]));
    if (first === undefined) throw new UsageError('no dump was named');
    return joinParts([first, ...rest]);
  } catch (error) {
    for (const source of open) source.close();
    throw error;
  }
}

/**
 * As `openDump`, from bytes that are open already. The DumpFile closes them; when this throws they are still open.
 * @param name - what messages call it
 */
export function openSource(source: ByteSource, name: string): DumpFile {
  return whole(openOne(source, name), name);
}

/** One file; it may be one of a split dump. */
function openOne(source: ByteSource, name: string): DumpFile {
  if (source.size === 0) throw new UsageError(`${name}: the file is empty`);
  const magic = head(source, MAGIC_BYTES);
  if (magic.startsWith('\x7fELF')) return openElf(source, name);
  if (magic.startsWith(KDUMP_SIGNATURE)) return openKdump(source, name);
  if (magic.startsWith(LIME_SIGNATURE)) return openLime(source);
  if (!magic.startsWith(FLATTENED_SIGNATURE)) {
    const foreign = foreignFormat(head(source, HEAD_BYTES), name);
    if (foreign === undefined && mayBeRaw(source)) return openRaw(source);
    throw new UsageError(`${name}: ${foreign ?? UNKNOWN}`);
  }
  if (source.container !== undefined) throw new UsageError(`${name}: a flattened file inside a flattened file`);
  return openOne(new FlattenedSource(source), name);
}

function nameErrors<T>(name: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(`${name}: ${error.format}`, error.detail, error.offset, { cause: error });
  }
}

function head(source: ByteSource, length: number): string {
  return Buffer.from(source.peek(0, Math.min(length, source.size))).toString('latin1');
}

/** A single file of a split dump is a split dump of which the other files are missing. */
function whole(dump: DumpFile, name: string): DumpFile {
  if (!(dump instanceof KdumpFile) || dump.window === undefined) return dump;
  return joinParts([{ name, file: dump, window: dump.window }]);
}

function partOf(dump: DumpFile, input: InputFile | undefined): SplitPart {
  const name = input?.name ?? '';
  if (dump instanceof KdumpFile && dump.window !== undefined) return { name, file: dump, window: dump.window };
  throw new UsageError(`${name}: a dump of its own, not a file of a split dump; one dump at a time`);
}
