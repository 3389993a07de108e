/** Files in the words of crash: the type as four letters, the path as /proc shows it. */
import type { Inode, InodeKind } from '../kernel/inode.ts';
import type { PathText } from '../kernel/path.ts';

const TYPES: { readonly [kind in InodeKind]: string } = {
  file: 'REG',
  directory: 'DIR',
  'character device': 'CHR',
  'block device': 'BLK',
  fifo: 'FIFO',
  'symbolic link': 'LNK',
  socket: 'SOCK',
  anonymous: 'UNKN',
};

/** 'REG', 'PIPE' for a pipe without a name, 'UNKN' for anonymous inodes and for what cannot be read. */
export function fileType(inode: Pick<Inode, 'kind' | 'fsType'> | undefined): string {
  if (inode === undefined) return 'UNKN';
  return inode.fsType === 'pipefs' ? 'PIPE' : TYPES[inode.kind];
}

/** With ' (deleted)' behind what is no longer in its directory. */
export function pathText({ text, deleted }: PathText): string {
  return deleted ? `${text} (deleted)` : text;
}
