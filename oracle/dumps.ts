/**
 * Which dumps are asked about: those given, or all that the lab has made.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { dumpsRoot } from '../lab/paths.ts';

export interface DumpToAsk {
  readonly path: string;
  /** 'abba-mutex/6.1/1/zstd.vmcore', or the file's name. */
  readonly name: string;
}

/**
 * Dumps of the lab. The files of one variant are of one moment, in several formats.
 * @param everyFormat - all of them, and not only the first
 */
export function labDumps(everyFormat: boolean, root = dumpsRoot): DumpToAsk[] {
  const found: DumpToAsk[] = [];
  for (const incident of folders(root))
    for (const kernel of folders(join(root, incident)))
      for (const variant of folders(join(root, incident, kernel))) {
        const folder = join(root, incident, kernel, variant);
        const files = everyFormat ? filesOf(folder) : soundest(filesOf(folder));
        found.push(...files.map((file) => ({ path: join(folder, file), name: relative(root, join(folder, file)) })));
      }
  return found;
}

/** A dump that was named. */
export function namedDump(path: string): DumpToAsk {
  const inLab = relative(dumpsRoot, resolve(path));
  return { path, name: inLab.startsWith('..') ? basename(path) : inLab };
}

function folders(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => statSync(join(path, name)).isDirectory())
    .sort();
}

/** The first, unless the lab doubts it: makedumpfile leaves out pages in use of a kernel that it does not know. */
function soundest(files: readonly string[]): readonly string[] {
  return [files.find((file) => file === 'zstd-level-1.vmcore') ?? files[0] ?? []].flat();
}

/** The files that a manifest names; none while it is being made. */
function filesOf(folder: string): string[] {
  const path = join(folder, 'manifest.json');
  if (!existsSync(path)) return [];
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as { readonly files?: readonly string[] };
  return (manifest.files ?? []).filter((file) => existsSync(join(folder, file)));
}
