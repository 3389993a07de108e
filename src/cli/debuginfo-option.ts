/**
 * `--debuginfo WHERE`: a vmlinux or a type pack; a folder of them, or the address of one on the web (`ID.types`); or `auto`: beside the
 * dump, where distributions put it, and from the servers of $DEBUGINFOD_URLS. In folders and on servers the build-id tells.
 */
import { statSync } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import { escapeText } from '../render/escape.ts';
import type { Io } from './io.ts';
import { named } from './system-error.ts';

/**
 * The paths, and that of the debug information.
 * @param where - as the option gives it; undefined leaves the paths as they are
 * @throws UsageError when there is none; what opening the dump throws
 */
export async function withDebuginfo(
  paths: readonly string[],
  where: string | true | undefined,
  io: Io,
): Promise<readonly string[]> {
  if (typeof where !== 'string') return paths;
  const isUrl = /^https?:\/\//.test(where);
  const isFolder = !isUrl && where !== 'auto' && statSync(where, { throwIfNoEntry: false })?.isDirectory() === true;
  if (where !== 'auto' && !isUrl && !isFolder) return [...paths, where];
  const found = await search(paths, where, { isUrl, isFolder }, io);
  return [...paths, found];
}

async function search(
  paths: readonly string[],
  where: string,
  { isUrl, isFolder }: { readonly isUrl: boolean; readonly isFolder: boolean },
  io: Io,
): Promise<string> {
  const [
    { kernelIdentity, likelyDebugFiles, filesOfFolder, firstOfKernel },
    { fetchDebugFile, fromPacks, fromServers },
  ] = await Promise.all([import('../program/find-debug-file.ts'), import('./fetch-debug-file.ts')]);
  const identity = identityOf(paths, io, kernelIdentity);
  const { buildId } = identity;
  const reasons: string[] = [];
  const hear = {
    progress: (text: string): void => io.stderr.writeNow(`kwhy: ${escapeText(text)}\n`),
    failed: (reason: string): void => void reasons.push(reason),
  };
  if (!isUrl) {
    const candidates = isFolder ? filesOfFolder(where, identity) : likelyDebugFiles(identity, paths[0] ?? '');
    const found = firstOfKernel(candidates, identity);
    if (found !== undefined) return found;
  }
  if (!isFolder && buildId !== undefined) {
    const wanted = isUrl ? fromPacks(buildId, where, io.env) : fromServers(buildId, io.env);
    const found = await fetchDebugFile(wanted, io, hear);
    if (found !== undefined) return found;
  }
  const kernel = `${identity.release ?? 'of unknown release'}, build-id ${buildId ?? 'unknown'}`;
  throw new UsageError(
    `--debuginfo ${where}: there is none of the kernel in the dump (${kernel})${reasons.map((reason) => `; ${reason}`).join('')}`,
  );
}

function identityOf<T>(paths: readonly string[], io: Io, read: (paths: readonly string[]) => T): T {
  try {
    return io.guard(() => read(paths), undefined);
  } catch (error) {
    throw named(paths, error);
  }
}
