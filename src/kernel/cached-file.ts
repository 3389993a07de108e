/**
 * What an address space of the page cache belongs to (`struct address_space.host`): a file by its path, a file without a name
 * (deleted, memfd, SysV segment, shared anonymous memory), or a block device. Not told: names of files whose entries
 * are no longer in memory; these have their inode number.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { pathOfInode } from './inode.ts';
import { fsTypeName } from './super-block.ts';

/**
 * `named`: it has a name in a directory; `deleted`: its last name was removed; `nameless`: it never had one (memfd, SysV
 * segment, shared anonymous memory); `block`: a block device.
 */
export type CachedFileState = 'named' | 'deleted' | 'nameless' | 'block';

export interface CachedFile {
  /** `struct inode *`. */
  readonly inode: VirtAddr;
  /** 'ext4', 'tmpfs', 'bdev'. */
  readonly fsType: string;
  readonly number: bigint;
  readonly state: CachedFileState;
  /** '/var/log/syslog', '/memfd:buffer', 'nvme0n1p1'; undefined when nothing in memory names it. */
  readonly path: string | undefined;
  /** Of one with a path: false where that begins at the root of its file system, as its mount was not found. */
  readonly reachable: boolean;
  /** Pages of it in memory as the kernel counts them, `i_data.nrpages`; since 4.x with entries of hugetlb and DAX. */
  readonly counted: number | undefined;
}

/**
 * @param mapping - `struct address_space *`
 * @throws FaultError, LookupError, ValidationError when its inode cannot be read
 */
export function cachedFile(program: Program, mapping: VirtAddr): CachedFile {
  const inode = program.field('struct address_space', 'host').pointer(mapping);
  if (!isKernel(inode)) throw new ValidationError('struct address_space', mapping, 'host is no pointer');
  const fsType = fsTypeName(program, program.field('struct inode', 'i_sb').pointer(inode));
  const number = program.field('struct inode', 'i_ino').u64(inode);
  const counted = attempt(() => program.field('struct address_space', 'nrpages').number(mapping));
  if (fsType === 'bdev')
    return {
      inode,
      fsType,
      number,
      state: 'block',
      path: attempt(() => deviceName(program, inode)),
      reachable: true,
      counted,
    };
  const links = program.field('struct inode', 'i_nlink').number(inode);
  const path = attempt(() => pathOfInode(program, inode));
  // On these two a name that d_dname() makes is of a file that never was in a directory.
  const isNameless = path?.deleted === true && !path.reachable && /^(tmpfs|hugetlbfs)$/.test(fsType);
  const state = isNameless ? 'nameless' : links === 0 ? 'deleted' : 'named';
  const reachable = isNameless || path?.reachable === true;
  return { inode, fsType, number, state, path: path?.text, reachable, counted };
}

/** 'nvme0n1p1', 'dm-0'; else '259:1'. @param inode - `struct inode *` of a block device's page cache */
function deviceName(program: Program, inode: VirtAddr): string | undefined {
  const device = program.tryField('struct bdev_inode', 'vfs_inode')?.container(inode);
  // struct block_device is a device since 5.11 (commit 0d02129e76ed); bdev_inode begins with it.
  const nameOf = program.tryField('struct block_device', 'bd_device.kobj.name');
  const named = device === undefined ? undefined : attempt(() => nameOf?.string(device, 64));
  if (named !== undefined && named !== '') return named;
  const number = attempt(() => program.field('struct inode', 'i_rdev').number(inode));
  // MINORBITS 20 of dev_t.
  return number === undefined ? undefined : `${number >>> 20}:${number & 0xfffff}`;
}
