/**
 * Memory in files of tmpfs, by file system: its pages can only be swapped, and come back when the files are removed. Looked
 * for where shared memory is a good part of memory at all; files that were deleted are told apart.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt, isDataError } from '../../base/errors.ts';
import { pathOfInode } from '../../kernel/inode.ts';
import { listEntries } from '../../kernel/list.ts';
import { initMountNamespace, mountsOf } from '../../kernel/mount.ts';
import { fsTypeName, superBlocks } from '../../kernel/super-block.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { memoryFact } from './memory.ts';
import { TMPFS_SHARE } from './thresholds.ts';

export interface TmpfsFile {
  /** `struct inode *`. */
  readonly inode: VirtAddr;
  /** Undefined when no entry in memory names it. */
  readonly path: string | undefined;
  readonly bytes: number;
}

export interface Tmpfs {
  /** `struct super_block *`. */
  readonly superBlock: VirtAddr;
  /** Where it is mounted in the first namespace; empty for the kernel's own: SysV segments, memfds, shared mappings. */
  readonly directories: readonly string[];
  /** Pages of files that have a name, in bytes. */
  readonly live: number;
  /** Files that have a name and pages. */
  readonly files: number;
  /** Pages of files without a name, in bytes. */
  readonly deleted: number;
  /** Largest files that have a name. */
  readonly largest: readonly TmpfsFile[];
}

const MAX_INODES = 1 << 21;
const MAX_LARGEST = 5;

/** Largest first; empty where shared memory is a small part of memory. */
export const tmpfsFact = defineFact<readonly Tmpfs[]>({
  id: 'tmpfs',
  derive(context) {
    const { info } = context.use(memoryFact);
    const total = info.memTotal.value;
    const shmem = info.shmem.value;
    if (total === undefined || shmem === undefined || shmem < total * TMPFS_SHARE) return [];
    return read(context);
  },
});

function read({ program, budget, cover }: FactContext): readonly Tmpfs[] {
  const namespace = attempt(() => initMountNamespace(program));
  const mounts = namespace === undefined ? [] : (attempt(() => mountsOf(program, namespace))?.mounts ?? []);
  const inodes = program.field('struct super_block', 's_inodes');
  const links = program.field('struct inode', 'i_nlink');
  const pages = program.field('struct inode', 'i_data.nrpages');
  const missing: string[] = [];
  const found: Tmpfs[] = [];
  let broken = 0;
  const all: VirtAddr[] = [];
  try {
    for (const superBlock of superBlocks(program)) all.push(superBlock);
  } catch (error) {
    if (!isDataError(error)) throw error;
    broken++;
    missing.push('the list of file systems cannot be read to its end');
  }
  for (const superBlock of all) {
    budget.check();
    const type = attempt(() => fsTypeName(program, superBlock));
    // devtmpfs keeps its files in the same way.
    if (type !== 'tmpfs' && type !== 'devtmpfs') continue;
    let live = 0;
    let files = 0;
    let deleted = 0;
    const largest: { readonly inode: VirtAddr; readonly bytes: number }[] = [];
    try {
      for (const inode of listEntries(program, inodes.address(superBlock), 'struct inode', 'i_sb_list', MAX_INODES)) {
        const bytes = pages.number(inode) * program.pageSize;
        if (bytes === 0) continue;
        if (links.number(inode) === 0) {
          deleted += bytes;
          continue;
        }
        live += bytes;
        files++;
        keepLargest(largest, { inode, bytes });
      }
    } catch (error) {
      if (!isDataError(error)) throw error;
      broken++;
      missing.push('inodes of a tmpfs cannot be read to their end');
    }
    if (live + deleted === 0) continue;
    const directories = mounts.filter((mount) => mount.superBlock === superBlock).map(({ directory }) => directory);
    const named = largest.map(({ inode, bytes }) => {
      return { inode, bytes, path: attempt(() => pathOfInode(program, inode, namespace))?.text };
    });
    found.push({ superBlock, directories, live, files, deleted, largest: named });
  }
  cover({
    what: 'file systems of tmpfs with pages',
    read: found.length,
    total: broken === 0 ? found.length : undefined,
    missing,
  });
  return found.sort((a, b) => b.live - a.live);
}

function keepLargest<T extends { readonly bytes: number }>(largest: T[], file: T): void {
  const last = largest.at(-1);
  if (largest.length >= MAX_LARGEST && last !== undefined && last.bytes >= file.bytes) return;
  largest.push(file);
  largest.sort((a, b) => b.bytes - a.bytes);
  largest.splice(MAX_LARGEST);
}
