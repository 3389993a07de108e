/**
 * Paths as text, the way fs/d_path.c writes them: up through the parents of a `struct dentry` to the root of its mount,
 * on from the mount's mountpoint, to the root of the mount namespace. The root of the task (chroot) is not looked at.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { dentryInode, dentryName, isUnlinked, wayUp } from './dentry.ts';
import { fsTypeName, mountOfVfsmount, mountType, vfsmountOfMount } from './super-block.ts';

/** Mounts that a path may lead through, each mounted inside the other. */
const MAX_MOUNT_DEPTH = 1 << 12;
/** Error pointers: MNT_NS_INTERNAL, ERR_PTR(-EINVAL), stands in `mnt_ns` of mounts that nobody can see. */
const LOWEST_ERROR = 0xfffffffffffff001n;

export interface PathText {
  /** '/data', 'pipe:[4711]', 'anon_inode:[userfaultfd]'. */
  readonly text: string;
  /** True when the entry was removed from its directory; the kernel then writes ' (deleted)' behind the path. */
  readonly deleted: boolean;
  /** False when the way up does not reach the root of a mount namespace: unmounted, or a file system never mounted. */
  readonly reachable: boolean;
}

/**
 * The path of an open file or of a working directory.
 * @param path - `struct path *`
 * @throws FaultError, LookupError, ValidationError as `pathOf`
 */
export function pathAt(program: Program, path: VirtAddr): PathText {
  const dentry = program.field('struct path', 'dentry').pointer(path);
  return pathOf(program, program.field('struct path', 'mnt').pointer(path), dentry);
}

/**
 * The path of an entry as seen through a mount.
 * @param vfsmount - `struct vfsmount *`
 * @param dentry - `struct dentry *`
 * @throws FaultError, LookupError, ValidationError when parents or mounts do not end
 */
export function pathOf(program: Program, vfsmount: VirtAddr, dentry: VirtAddr): PathText {
  if (!isKernel(dentry)) throw new ValidationError('struct path', dentry, 'its dentry is no pointer');
  const special = specialPath(program, dentry);
  if (special !== undefined) return special;
  const deleted = isUnlinked(program, dentry);
  const type = mountType(program);
  const parentOf = program.field(type, 'mnt_parent');
  const mountpoint = program.field(type, 'mnt_mountpoint');
  const rootOf = program.field('struct vfsmount', 'mnt_root');
  const parts: string[] = [];
  let reachable = false;
  let at = dentry;
  let mount = mountOfVfsmount(program, vfsmount);
  for (let n = 0; ; n++) {
    if (!isKernel(mount)) throw new ValidationError(type, mount, 'is no pointer');
    if (n > MAX_MOUNT_DEPTH) throw new ValidationError(type, mount, 'its parents do not end');
    const root = rootOf.pointer(vfsmountOfMount(program, mount));
    const { names, top } = wayUp(program, at, root);
    if (names.length > 0) parts.push(names.join('/'));
    if (top !== root) break;
    const parent = parentOf.pointer(mount);
    if (parent === mount) {
      reachable = namespaceOfMount(program, mount) !== undefined;
      break;
    }
    at = mountpoint.pointer(mount);
    mount = parent;
  }
  return { text: `/${parts.reverse().join('/')}`, deleted, reachable };
}

/**
 * The namespace that a mount is part of.
 * @param mount - `struct mount *`
 * @returns `struct mnt_namespace *`; undefined for an unmounted or an internal one
 * @throws FaultError, LookupError
 */
export function namespaceOfMount(program: Program, mount: VirtAddr): VirtAddr | undefined {
  const namespace = program.field(mountType(program), 'mnt_ns').pointer(mount);
  return isKernel(namespace) && namespace < LOWEST_ERROR ? namespace : undefined;
}

/**
 * File systems that nobody mounts name their files themselves, through `dentry_operations.d_dname`. Undefined when
 * this entry has no such operation.
 */
function specialPath(program: Program, dentry: VirtAddr): PathText | undefined {
  const operations = program.field('struct dentry', 'd_op').pointer(dentry);
  if (!isKernel(operations)) return undefined;
  const naming = program.tryField('struct dentry_operations', 'd_dname')?.pointer(operations) ?? 0n;
  if (naming === 0n) return undefined;
  const type = fsTypeName(program, program.field('struct dentry', 'd_sb').pointer(dentry));
  // simple_dname() writes ' (deleted)' always: no such file has a name in a directory.
  const nameless = type === 'tmpfs' || type === 'devtmpfs' || type === 'hugetlbfs';
  const text = nameless ? `/${dentryName(program, dentry)}` : specialName(program, type, dentry);
  return { text, deleted: nameless, reachable: false };
}

function specialName(program: Program, type: string, dentry: VirtAddr): string {
  const inode = dentryInode(program, dentry);
  const number = inode === undefined ? '?' : `${program.field('struct inode', 'i_ino').u64(inode)}`;
  switch (type) {
    case 'pipefs':
      return `pipe:[${number}]`;
    case 'sockfs':
      return `socket:[${number}]`;
    case 'anon_inodefs':
      return `anon_inode:${dentryName(program, dentry)}`;
    case 'nsfs':
      return `${(inode === undefined ? undefined : attempt(() => namespaceKind(program, inode))) ?? 'nsfs'}:[${number}]`;
    default:
      return `${type}:[${number}]`;
  }
}

/** 'net', 'mnt' ...: `ns_common.ops->name` of the namespace that an inode of nsfs stands for. */
function namespaceKind(program: Program, inode: VirtAddr): string | undefined {
  const common = program.field('struct inode', 'i_private').pointer(inode);
  const operations = program.field('struct ns_common', 'ops').pointer(common);
  const name = program.field('struct proc_ns_operations', 'name').string(operations, 32);
  return name === undefined || !/^[a-z_]+$/.test(name) ? undefined : name;
}
