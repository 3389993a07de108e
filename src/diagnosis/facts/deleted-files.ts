/**
 * Files that were deleted and are still open, with the pages that they hold: memory (or disk) that no `ls` and no `du`
 * shows. Only files that once had a name on a mounted file system: memfds and SysV segments never had one.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { descriptorTables, fileInode } from '../../kernel/files.ts';
import { pathAt } from '../../kernel/path.ts';
import type { Task } from '../../kernel/sched.ts';
import { fsTypeName } from '../../kernel/super-block.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { tasksFact } from './tasks.ts';

export interface DeletedFile {
  /** `struct inode *`. */
  readonly inode: VirtAddr;
  /** `struct super_block *`. */
  readonly superBlock: VirtAddr;
  readonly fsType: string;
  readonly path: string;
  /** Bytes of its pages in memory, `i_mapping->nrpages`. */
  readonly bytes: number;
  /** Who has it open; the first is the first found. */
  readonly holders: readonly Task[];
}

export const deletedFilesFact = defineFact<readonly DeletedFile[]>({
  id: 'deleted-files',
  derive({ program, use, budget, cover }) {
    const { tasks, byAddress } = use(tasksFact);
    const { tables, unread } = descriptorTables(
      program,
      tasks.filter((task) => !task.kthread && !task.idle).map((task) => task.address),
    );
    const missing = unread.length === 0 ? [] : ['a table of descriptors cannot be read'];
    cover({ what: 'tables of open files', read: tables.length, total: tables.length + unread.length, missing });
    const links = program.field('struct inode', 'i_nlink');
    const pages = program.field('struct inode', 'i_data.nrpages');
    const superBlockOf = program.field('struct inode', 'i_sb');
    const path = program.field('struct file', 'f_path');
    const seen = new Map<VirtAddr, VirtAddr | undefined>();
    const found = new Map<VirtAddr, DeletedFile & { readonly holders: Task[] }>();
    for (const table of tables) {
      budget.check();
      const [first] = table.tasks;
      const holder = first === undefined ? undefined : byAddress.get(first);
      for (const { file } of table.descriptors) {
        if (!seen.has(file)) {
          const inode = attempt(() => fileInode(program, file));
          const isDeleted = inode !== undefined && attempt(() => links.number(inode)) === 0;
          seen.set(file, isDeleted ? inode : undefined);
        }
        const inode = seen.get(file);
        if (inode === undefined || holder === undefined) continue;
        const known = found.get(inode);
        if (known !== undefined) {
          if (!known.holders.includes(holder)) known.holders.push(holder);
          continue;
        }
        attempt(() => {
          const named = pathAt(program, path.address(file));
          if (!named.reachable || !named.deleted) return;
          const superBlock = superBlockOf.pointer(inode);
          const bytes = pages.number(inode) * program.pageSize;
          const fsType = fsTypeName(program, superBlock);
          found.set(inode, { inode, superBlock, fsType, path: named.text, bytes, holders: [holder] });
        });
      }
    }
    return [...found.values()].sort((a, b) => b.bytes - a.bytes);
  },
});
