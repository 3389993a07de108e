/**
 * Inodes, `struct inode` (include/linux/fs.h): what they are, their path through the entries that name them, and the
 * inode around a lock, proven from several sides.
 */
import { isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { dentryInode, dentryPath, isUnlinked } from './dentry.ts';
import { hlistEntries, listEntries } from './list.ts';
import { initMountNamespace, mountsOfSuperBlock } from './mount.ts';
import { type PathText, pathOf } from './path.ts';
import { type SlabObject, slabObjectAt } from './slab.ts';
import { fsTypeName, superBlocks, vfsmountOfMount } from './super-block.ts';

/** Hard links and connected aliases that are looked at; the first that leads to a mount is taken. */
const MAX_ALIASES = 4096;
/** Mounts of one file system that are tried. */
const MAX_TRIES = 256;

export type InodeKind =
  | 'fifo'
  | 'character device'
  | 'directory'
  | 'block device'
  | 'file'
  | 'symbolic link'
  | 'socket'
  | 'anonymous';

/** S_IFMT of `umode_t`; anonymous inodes (epoll, userfaultfd) had no type before 6.17. */
const KINDS: ReadonlyMap<number, InodeKind> = new Map<number, InodeKind>([
  [0o000000, 'anonymous'],
  [0o010000, 'fifo'],
  [0o020000, 'character device'],
  [0o040000, 'directory'],
  [0o060000, 'block device'],
  [0o100000, 'file'],
  [0o120000, 'symbolic link'],
  [0o140000, 'socket'],
]);

const LETTERS: { readonly [kind in InodeKind]: string } = {
  fifo: 'p',
  'character device': 'c',
  directory: 'd',
  'block device': 'b',
  file: '-',
  'symbolic link': 'l',
  socket: 's',
  anonymous: '?',
};

/** The letter that `ls -l` shows for a type of `struct inode`. */
export function inodeLetter(kind: InodeKind): string {
  return LETTERS[kind];
}

export interface Inode {
  /** `struct inode *`. */
  readonly inode: VirtAddr;
  /** `struct super_block *`. */
  readonly superBlock: VirtAddr;
  /** 'ext4', 'tmpfs', 'proc'. */
  readonly fsType: string;
  readonly kind: InodeKind;
  /** Type and permissions, `umode_t`. */
  readonly mode: number;
  readonly number: bigint;
  /** 0 for a file that was removed and is still in use. */
  readonly links: number;
}

/**
 * What an inode is.
 * @param inode - `struct inode *`
 * @throws FaultError, LookupError, ValidationError when it is none
 */
export function readInode(program: Program, inode: VirtAddr): Inode {
  const field = (path: string) => program.field('struct inode', path);
  const superBlock = field('i_sb').pointer(inode);
  const mode = field('i_mode').number(inode);
  const kind = KINDS.get(mode & 0o170000);
  // alloc_anon_inode() gives permissions though no type: nothing at all is a page of zeros.
  if (kind === undefined || mode === 0)
    throw new ValidationError('struct inode', inode, `mode 0${mode.toString(8)} is no file type`);
  return {
    inode,
    superBlock,
    fsType: fsTypeName(program, superBlock),
    kind,
    mode,
    number: field('i_ino').u64(inode),
    links: field('i_nlink').number(inode),
  };
}

/**
 * The entries that name an inode: one for a directory, one for each hard link that is in memory.
 * @param inode - `struct inode *`
 * @returns `struct dentry *` of each
 * @throws FaultError, LookupError, ValidationError when the list is broken
 */
export function* inodeDentries(program: Program, inode: VirtAddr): Generator<VirtAddr> {
  // d_u.d_alias in 3.19 and later (commit 946e51f2bf37, and in el7), d_alias before and again since 7.1.
  const member = program.tryField('struct dentry', 'd_u.d_alias') === undefined ? 'd_alias' : 'd_u.d_alias';
  const head = program.field('struct inode', 'i_dentry');
  const bare = strip(head.type);
  // A list_head before 3.6 (commit b3d9b7a3c752).
  const isHlist = bare.kind !== 'struct' || bare.name !== 'list_head';
  const walk = isHlist ? hlistEntries : listEntries;
  yield* walk(program, head.address(inode), 'struct dentry', member, MAX_ALIASES);
}

/**
 * The path of an inode: through an entry that names it and a mount of its file system, of the first task's namespace
 * where there is one. Where no namespace is known, a path that only some mounts lead to is none.
 * @param inode - `struct inode *`
 * @param namespace - `struct mnt_namespace *`, the one whose mounts are preferred
 * @returns undefined when no entry in memory names it
 * @throws FaultError, LookupError, ValidationError
 */
export function pathOfInode(
  program: Program,
  inode: VirtAddr,
  namespace: VirtAddr | undefined = attempt(() => initMountNamespace(program)),
): PathText | undefined {
  const superBlock = program.field('struct inode', 'i_sb').pointer(inode);
  const aliases = [...inodeDentries(program, inode)].filter((dentry) => dentryInode(program, dentry) === inode);
  // One that is still in its directory, if there is any.
  const dentry = aliases.find((alias) => !isUnlinked(program, alias)) ?? aliases[0];
  if (dentry === undefined) return undefined;
  const mounts = attempt(() => mountsOfSuperBlock(program, superBlock, namespace)) ?? [];
  const paths: PathText[] = [];
  for (const mount of mounts.slice(0, MAX_TRIES)) {
    const path = attempt(() => pathOf(program, vfsmountOfMount(program, mount), dentry));
    if (path === undefined) continue;
    if (path.reachable && namespace !== undefined) return path;
    paths.push(path);
  }
  const [reached, ...others] = paths.filter((path) => path.reachable);
  if (reached !== undefined && others.every((path) => path.text === reached.text)) return reached;
  return (
    paths.find((path) => !path.reachable) ?? {
      text: dentryPath(program, dentry),
      deleted: isUnlinked(program, dentry),
      reachable: false,
    }
  );
}

export interface LockedInode extends Inode {
  readonly path: PathText | undefined;
  /** What says that this is an inode, one phrase each; never empty. */
  readonly evidence: readonly string[];
  /** The slab object that holds it; undefined when the page structures cannot be read. */
  readonly slab: SlabObject | undefined;
}

/**
 * The inode whose lock lies at an address. Its super block must be one of the machine's, and a second witness must
 * agree: the mapping inside it that points back, an entry that names it, or the slab cache it was allocated from.
 * @param lock - `struct rw_semaphore *` or `struct mutex *`
 * @param member - of `struct inode`: 'i_rwsem' (since 4.7, commit 9902af79c01a) or 'i_mutex'; by default the one there is
 * @returns undefined when there is no inode around it
 * @throws nothing for what the dump holds
 */
export function inodeOfLock(program: Program, lock: VirtAddr, member?: string): LockedInode | undefined {
  const field =
    member === undefined
      ? (program.tryField('struct inode', 'i_rwsem') ?? program.tryField('struct inode', 'i_mutex'))
      : program.tryField('struct inode', member);
  if (field === undefined || !isKernel(lock)) return undefined;
  const address = field.container(lock);
  if (!isAligned(address, 8)) return undefined;
  const inode = attempt(() => readInode(program, address));
  if (inode === undefined) return undefined;
  const known = attempt(() => superBlocks(program).some((superBlock) => superBlock === inode.superBlock));
  if (known !== true) return undefined;
  const evidence = [`i_sb is a super block of the machine (${inode.fsType})`];
  const host = attempt(() => program.field('struct inode', 'i_data.host').pointer(address));
  if (host === address) evidence.push('i_data.host points back to it');
  const named = attempt(() =>
    inodeDentries(program, address).some((dentry) => dentryInode(program, dentry) === address),
  );
  if (named === true) evidence.push('an entry on i_dentry points back to it');
  const slab = attempt(() => slabObjectAt(program, lock));
  // It counts against it when the inode does not fit into the slab object that its lock lies in.
  if (slab !== undefined && !fits(program, address, slab)) return undefined;
  if (slab?.cacheName.includes('inode') === true)
    evidence.push(`lies in an object of the slab cache ${slab.cacheName}`);
  if (evidence.length < 2) return undefined;
  return { ...inode, path: attempt(() => pathOfInode(program, address)), evidence, slab };
}

function fits(program: Program, inode: VirtAddr, slab: SlabObject): boolean {
  return inode >= slab.start && inode + BigInt(program.sizeOf('struct inode')) <= slab.start + BigInt(slab.objectSize);
}
