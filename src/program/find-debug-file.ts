/**
 * Where the debug information of a kernel may lie: beside the dump, where distributions put it (by build-id, else by
 * release), or in a folder of the user's. What a file is and of which kernel is read from it, never from its name; a build-id
 * of the dump has to be that of the file. Nothing is taken from the running kernel.
 */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attempt } from '../base/errors.ts';
import { Checkpoint } from '../base/budget.ts';
import { openDump } from '../dump/open.ts';
import { PageCache } from '../dump/page-cache.ts';
import { locateKernel } from './bootstrap.ts';
import { debugIdentity, partPaths } from './debug-file.ts';
import { memoryPerDump } from './physical-memory.ts';

/** Which kernel is looked for. */
export interface KernelIdentity {
  /** Lower-case hex; kernels note it since Linux 5.9. */
  readonly buildId: string | undefined;
  /** `uname -r` */
  readonly release: string | undefined;
}

/** More than any folder of vmlinux files or packs that is meant. */
const MAX_FILES = 4096;
const PACKED = ['', '.xz', '.zst', '.gz'];

/**
 * Which kernel a dump is of; no more of it is read than that takes.
 * @throws what opening the dump throws
 */
export function kernelIdentity(paths: readonly string[]): KernelIdentity {
  const checkpoint = new Checkpoint(undefined);
  const dump = openDump(partPaths(paths).dumps, { checkpoint });
  try {
    const { vmcoreinfo } = locateKernel(
      dump,
      memoryPerDump((of) => new PageCache(of), checkpoint),
    );
    return { buildId: vmcoreinfo.buildId, release: vmcoreinfo.osRelease };
  } finally {
    dump.close();
  }
}

/**
 * Files that may be it, the likeliest first; whether they are there is not looked at.
 * @param beside - the dump
 */
export function likelyDebugFiles({ buildId, release }: KernelIdentity, beside: string): readonly string[] {
  const folder = dirname(beside);
  const paths: string[] = [];
  const also = (path: string): void => void paths.push(...PACKED.map((ending) => `${path}${ending}`));
  // Both come from the dump: neither may lead out of the folders that are meant.
  const id = buildId !== undefined && /^[0-9a-f]{4,128}$/.test(buildId) ? buildId : undefined;
  const safe = release !== undefined && /^\w[\w.+~-]{0,63}$/.test(release) ? release : undefined;
  if (id !== undefined) also(join(folder, `${id}.types`));
  if (safe !== undefined) {
    also(join(folder, `${safe}.types`));
    also(join(folder, `vmlinux-${safe}`));
  }
  also(join(folder, 'vmlinux'));
  also(join(folder, 'vmlinux.debug'));
  if (id !== undefined) paths.push(`/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`);
  if (safe === undefined) return paths;
  also(`/usr/lib/debug/boot/vmlinux-${safe}`);
  also(`/usr/lib/debug/boot/vmlinux-${safe}.debug`);
  also(`/usr/lib/debug/lib/modules/${safe}/vmlinux`);
  also(`/usr/lib/debug/usr/lib/modules/${safe}/vmlinux`);
  also(`/usr/lib/modules/${safe}/vmlinux`);
  also(`/usr/lib/modules/${safe}/build/vmlinux`);
  also(`/boot/vmlinux-${safe}`);
  return paths;
}

/** Files of a folder, those that bear the build-id in their name first; not of the folders in it. @throws system errors */
export function filesOfFolder(folder: string, { buildId, release }: KernelIdentity): readonly string[] {
  const named = (path: string): boolean =>
    (buildId !== undefined && path.includes(buildId)) || (release !== undefined && path.includes(release));
  const paths = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map(({ name }) => join(folder, name))
    .sort();
  return [...paths.filter(named), ...paths.filter((path) => !named(path))].slice(0, MAX_FILES);
}

/**
 * The first of these files that has debug information of the kernel. Without a build-id of the dump, the first of the
 * release in whose name it stands; whoever opens it compares the banners.
 */
export function firstOfKernel(paths: readonly string[], { buildId, release }: KernelIdentity): string | undefined {
  return paths.find((path) => {
    const file = attempt(() => debugIdentity(path));
    if (file === undefined) return false;
    if (buildId !== undefined && file.buildId !== undefined) return buildId === file.buildId;
    return release !== undefined && path.includes(release);
  });
}
