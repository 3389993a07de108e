/**
 * Whose a file lock is (`struct file_lock`, include/linux/filelock.h): flock(2) locks belong to an open file, those of
 * fcntl(2) to a descriptor table, so that the tasks who could give one back are those that have the file or share the table.
 * `fl_pid` only says who asked for it, who may have ended since or handed the file on. Leases and NFS's locks are not told.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type DescriptorTables, holdersOfFile } from './files.ts';

/** FL_POSIX, FL_FLOCK, FL_OFDLCK (since 3.15). */
const POSIX = 1;
const FLOCK = 2;
const OPEN_FILE = 1024;

export interface FileLockOwners {
  /** `struct task_struct *` of each that could give it back. */
  readonly tasks: readonly VirtAddr[];
  /** 'it alone has the file open that the lock belongs to'. */
  readonly why: string;
  /** False where somebody else may have it as well. */
  readonly complete: boolean;
}

/**
 * @param lock - `struct file_lock *`
 * @param member - spells a member: `c.flc_owner` since 6.9, `fl_owner` before
 * @returns undefined for a lock of another kind, or when it cannot be read
 * @throws nothing for what the dump holds
 */
export function fileLockOwners(
  program: Program,
  lock: VirtAddr,
  member: (name: string) => string,
  tables: DescriptorTables,
): FileLockOwners | undefined {
  return attempt(() => {
    const flags = program.field('struct file_lock', member('flags')).number(lock);
    const owner = program.field('struct file_lock', member('owner')).pointer(lock);
    if (!isKernel(owner)) return undefined;
    if ((flags & (FLOCK | OPEN_FILE)) !== 0) {
      const { holders, complete, unread } = holdersOfFile(program, tables, owner);
      const tasks = [...new Set(holders.flatMap(({ tasks: each }) => each))];
      const why = 'it has the file open that the lock belongs to';
      return { tasks, why, complete: complete === true && unread.length === 0 };
    }
    if ((flags & POSIX) === 0) return undefined;
    const table = tables.tables.find(({ files }) => files === owner);
    const tasks = table?.tasks ?? [];
    const why = 'the lock belongs to its descriptors';
    return { tasks, why, complete: table?.references === tasks.length };
  });
}
