/**
 * Which files the paths mean that the user named: each file itself, and of a folder the one dump in it, or the files of
 * the split dump in it. kdump leaves a folder per crash, with text files beside the dump. Folders inside are not looked
 * into.
 */
import { constants, openSync, readdirSync, statSync } from 'node:fs';
import { FormatError, UsageError } from '../base/errors.ts';
import { FileSource } from './file-source.ts';
import { FLATTENED_SIGNATURE } from './flattened.ts';
import { COMPRESSED, foreignFormat } from './foreign.ts';
import { isSplitPart, KDUMP_SIGNATURE } from './kdump-header.ts';
import { LIME_SIGNATURE } from './lime.ts';

export interface InputFile {
  readonly path: string;
  /** For messages: without control characters. */
  readonly name: string;
}

/** Files of one folder that are looked at. */
const MAX_ENTRIES = 1000;
/** `e_type` of a dump; kernels and modules may stand beside it. */
const ET_CORE = 4;

/** @throws UsageError when a folder holds no dump, or more than one */
export function inputFiles(paths: readonly string[]): InputFile[] {
  return paths.flatMap((path) => (isFolder(path) ? dumpsIn(path) : [inputFile(path)]));
}

/**
 * Opens it for reading.
 * @throws UsageError when it cannot be opened or is no regular file
 */
export function openInput({ path, name }: InputFile): number {
  try {
    // Asked first, as opening a pipe would wait for its writer.
    if (!statSync(path).isFile()) throw new UsageError(`${name}: this is not a regular file; copy the dump into one`);
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${name}: ${openingError(error)}`, { cause: error });
  }
}

function inputFile(path: string): InputFile {
  return { path, name: path.replace(/\p{Cc}/gu, '?') };
}

/** What cannot be asked is no folder: whoever opens it says why. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function dumpsIn(folder: string): InputFile[] {
  const { name } = inputFile(folder);
  const parts: InputFile[] = [];
  const others: InputFile[] = [];
  // The dump is the largest of them, if it is among them.
  let packed: Packed | undefined;
  for (const entry of entriesOf(folder, name)) {
    const file = inputFile(`${folder.replace(/\/+$/, '')}/${entry}`);
    const kind = kindOf(file);
    if (kind === 'part') parts.push(file);
    else if (kind === 'dump') others.push(file);
    else if (kind !== undefined && kind.size > (packed?.size ?? 0)) packed = kind;
  }
  if (others.length === 0 && parts.length > 0) return parts;
  if (others.length === 1 && parts.length === 0) return others;
  const found = [...others, ...parts];
  if (found.length === 0) throw new UsageError(packed?.says ?? `${name}: no dump in this directory`);
  const list = found.slice(0, 5).map((file) => file.name);
  throw new UsageError(`${name}: several dumps in this directory, name one: ${list.join(', ')}`);
}

function entriesOf(folder: string, name: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder).sort();
  } catch (error) {
    throw new UsageError(`${name}: ${openingError(error)}`, { cause: error });
  }
  if (entries.length > MAX_ENTRIES) {
    throw new UsageError(`${name}: ${entries.length} files in this directory; name the dump`);
  }
  return entries;
}

/** A compressed file, which may be a dump. */
interface Packed {
  readonly size: number;
  readonly says: string;
}

/** By the first bytes alone; undefined when it is no dump or cannot be read. */
function kindOf(file: InputFile): 'part' | 'dump' | Packed | undefined {
  let source: FileSource | undefined;
  try {
    source = new FileSource(openInput(file), 1);
    const head = Buffer.from(source.peek(0, Math.min(20, source.size)));
    const magic = head.toString('latin1');
    if (magic.startsWith(FLATTENED_SIGNATURE) || magic.startsWith(LIME_SIGNATURE)) return 'dump';
    if (magic.startsWith('\x7fELF')) return head[16] === ET_CORE || head[17] === ET_CORE ? 'dump' : undefined;
    if (magic.startsWith(KDUMP_SIGNATURE)) return isSplitPart(source) ? 'part' : 'dump';
    const foreign = foreignFormat(magic, file.name);
    return foreign?.startsWith(COMPRESSED) ? { size: source.size, says: `${file.name}: ${foreign}` } : undefined;
  } catch (error) {
    if (error instanceof UsageError || error instanceof FormatError) return undefined;
    throw error;
  } finally {
    source?.close();
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
